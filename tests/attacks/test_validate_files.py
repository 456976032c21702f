"""Files that are made to keep ``validate``, ``render``, ``explain`` and ``schema`` busy, or to end them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from model_operator.cli.inputs import MAX_FILE_MIB
from model_operator.cli.main import app
from model_operator.core.offline import documents
from model_operator.core.offline.comparison import differences
from model_operator.core.offline.findings import MAX_FAULTS
from model_operator.core.offline.nodes import MAX_NODES
from tests.examples.hostile_files import INSTANCE, SHAPES, TEMPLATE, lines

COMMAND = Path(sys.executable).parent / "model-operator"
CPU_SECONDS = 60


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, given: str | bytes = "") -> Result:
    result = CliRunner().invoke(app, arguments, input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def calls(work: Callable[[], object]) -> int:
    """Count the functions that are called, those in C, too."""
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def bounded(*command: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command that is ended when it takes more than is bearable."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))

    return subprocess.run(
        command, input=given, capture_output=True, timeout=170, check=False, preexec_fn=limit
    )


@pytest.mark.parametrize("name", SHAPES)
def test_twice_the_text_takes_twice_the_work(name: str) -> None:
    # More than the faults that are listed, whose number is bounded.
    once, twice = (
        calls(lambda count=count: run("validate", "-", given=SHAPES[name](count)))  # type: ignore[misc]
        for count in (4 * MAX_FAULTS, 8 * MAX_FAULTS)
    )

    assert twice <= 2.2 * once


def test_an_object_s_fields_are_read_once_for_all_its_faults() -> None:
    (document,) = documents.read_documents(SHAPES["unknown fields of the object"](500), "x")
    document.position(("f1",))

    assert calls(lambda: document.position(("f499",))) < 20


def test_a_hundred_faults_of_an_object_are_listed_and_the_others_counted() -> None:
    given = f"{TEMPLATE}---\n{SHAPES['unknown fields of the object'](MAX_FAULTS + 7)}"
    result = run("validate", "-", given=given)

    listed = [line for line in result.stdout.splitlines() if "unknown field" in line]
    assert len(listed) == MAX_FAULTS
    last = result.stdout.splitlines()[-1]
    assert "7 more faults are not listed" in last
    assert result.exit_code == 1


def test_a_hundred_faults_are_listed_in_full() -> None:
    given = f"{TEMPLATE}---\n{SHAPES['unknown fields of the object'](MAX_FAULTS)}"
    result = run("validate", "-", given=given)

    assert result.stdout.count("unknown field") == MAX_FAULTS
    assert "not listed" not in result.stdout


def test_one_fault_more_is_counted() -> None:
    assert "1 more fault is not listed" in run("validate", "-", given=lines("- {a: 1, a: 2}\n")(101)).stdout


def test_the_faults_of_one_object_take_nothing_of_another_s() -> None:
    other = INSTANCE.replace("name: a", "name: b").replace("spec:\n", "spec:\n  wrong: 1\n")

    result = run("validate", "-", given=f"{SHAPES['unknown fields of the spec'](300)}---\n{other}")

    assert "spec.wrong: unknown field" in result.stdout


def test_more_warnings_than_are_listed_are_no_error() -> None:
    text = lines(f"---\n{INSTANCE.replace('name: a', 'generateName: a')}")(150)

    assert "50 more faults are not listed" in run("validate", "-", given=text).stdout
    assert run("validate", "-", given=text).exit_code == 0
    assert run("validate", "--strict", "-", given=text).exit_code == 1


@pytest.mark.parametrize(
    "text",
    [
        b"\n" * 4_000_000,
        b"  \n" * 2_000_000 + b"a",
        b"---\n" * 200_000,
        b"---" + b" " * 4_000_000,
        b"# x\n" * 1_000_000,
        b"[" * 4_000_000,
        b"- " * 2_000_000,
        b"a: " + b"x" * 4_000_000,
        b"? " * 1_000_000,
        b"!" * 1_000_000,
        b"&a " * 1_000_000,
        b"'" * 4_000_001,
    ],
    ids=lambda text: text[:10].decode().encode("unicode_escape").decode(),
)
def test_long_texts_are_read_in_their_length(text: bytes) -> None:
    done = bounded(COMMAND, "validate", "--allow-empty", "-", given=text)

    assert done.returncode in (0, 1), done.stderr[-500:]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
            "document is too large or nested too deeply once its aliases are expanded",
        ),
        (
            f"a: &a {'x' * 100_000}\nb: [{','.join(['*a'] * 200)}]\n",
            "document is too large or nested too deeply once its aliases are expanded",
        ),
        ("a: &a [*a]\n", "document is too large or nested too deeply once its aliases are expanded"),
        ("a: &a {<<: *a}\n", "document is too large or nested too deeply once its aliases are expanded"),
        ("[" * 1001 + "]" * 1001, "must have at most 1000 levels of lists and objects"),
        (f"[{'1,' * (MAX_NODES + 1)}]", f"must have at most {MAX_NODES} keys and values"),
    ],
    ids=["laughs", "long laughs", "its own item", "its own merge", "depth", "nodes"],
)
def test_what_grows_beyond_its_text_is_refused(text: str, told: str) -> None:
    result = run("validate", "-", given=text)

    assert told in result.stdout
    assert result.exit_code == 1


def test_documents_of_a_file_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENTS", 3)

    assert run("validate", "--allow-empty", "-", given="---\na: 1\n" * 3).exit_code == 0
    result = run("validate", "-", given="---\na: 1\n" * 4)
    assert result.stdout.startswith("<stdin>:7:1: must have at most 3 documents in a file")
    assert result.exit_code == 1


def test_a_long_key_or_name_is_not_repeated_in_full() -> None:
    key, name = "k" * 100_000, "n" * 100_000
    text = INSTANCE.replace("name: a", f"name: {name}")
    text += lines("  f#: 1\n")(90) + f"  ? {key}\n  : 1\n  ? {key}\n  : 1\n"

    for form in ("text", "json", "sarif", "github"):
        assert len(run("validate", "-", "-o", form, given=text).stdout) < 200_000


OF_A_FILE = [("validate",), ("render", "-f"), ("explain",), ("schema",)]


@pytest.mark.parametrize("command", OF_A_FILE, ids=" ".join)
def test_a_file_that_is_too_large_is_refused(command: tuple[str, ...]) -> None:
    with Path("large.yaml").open("wb") as file:
        file.truncate(MAX_FILE_MIB * 1024 * 1024 + 1)

    result = run(*command, "large.yaml")

    assert result.exit_code == 2
    assert result.stderr.startswith(f"model-operator: error: large.yaml: must be at most {MAX_FILE_MIB} MiB")


def test_a_file_of_just_the_size_is_read() -> None:
    Path("large.yaml").write_bytes(b"#" * (MAX_FILE_MIB * 1024 * 1024))

    assert run("validate", "--allow-empty", "large.yaml").exit_code == 0


@pytest.mark.parametrize("command", OF_A_FILE, ids=" ".join)
def test_input_without_end_is_read_to_its_bound(command: tuple[str, ...]) -> None:
    script = f"{COMMAND} {' '.join(command)} - < /dev/zero"

    for words in (["bash", "-c", script], [COMMAND, *command, "/dev/zero"]):
        done = bounded(*words)
        assert done.returncode == 2
        assert f"must be at most {MAX_FILE_MIB} MiB".encode() in done.stderr


@pytest.mark.parametrize("command", OF_A_FILE, ids=" ".join)
def test_a_pipe_to_which_nothing_writes_is_not_waited_for(command: tuple[str, ...]) -> None:
    os.mkfifo("pipe.yaml")

    result = run(*command, "pipe.yaml")

    assert result.exit_code == 2
    assert "got a pipe without a writer" in result.stderr


def test_a_pipe_that_is_written_to_slowly_is_read() -> None:
    text = INSTANCE.replace("spec:\n", "spec:\n  wrong: 1\n")
    script = f"{COMMAND} validate <(sleep 1; cat; sleep 0.5; echo '  last: 1')"

    done = bounded("bash", "-c", script, given=text.encode())

    assert b"spec.wrong" in done.stdout
    assert b"spec.last" in done.stdout


def test_of_a_directory_only_files_are_read() -> None:
    folder = Path("models")
    folder.mkdir()
    (folder / "template.yaml").write_text(TEMPLATE)
    os.mkfifo(folder / "pipe.yaml")
    (folder / "zero.yaml").symlink_to("/dev/zero")
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "nowhere.yaml").symlink_to("nowhere")
    (folder / "again").symlink_to(".", target_is_directory=True)
    (folder / "folder.yaml").mkdir()

    result = run("validate", "models")

    assert (result.exit_code, result.stderr) == (0, "1 object in 1 file: 0 errors, 0 warnings\n")


def unreadable() -> Iterator[tuple[str, str]]:
    yield "loop.yaml", "Too many levels of symbolic links"
    yield "x" * 300, "File name too long"
    yield "x/" * 5000, "File name too long"
    yield "a\0b", "must be a file name, got one with a NUL character"
    yield "\udcff.yaml", "No such file or directory"
    yield "", "No such file or directory"


@pytest.mark.parametrize("command", OF_A_FILE, ids=" ".join)
def test_what_cannot_be_read_is_one_line(command: tuple[str, ...]) -> None:
    Path("loop.yaml").symlink_to("loop.yaml")

    for name, told in unreadable():
        result = run(*command, name)
        assert result.exit_code == 2
        assert told in result.stderr
        assert result.stderr.count("\n") == 1


def test_objects_of_many_lines_are_not_compared_line_by_line() -> None:
    def config(mark: str) -> dict[str, object]:
        data = {f"k{number}": f"{mark}{number % 7}" for number in range(2100)}
        return {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}

    found = list(differences([config("a")], [config("b")]))

    assert found[:2] == ["--- before: ConfigMap /a", "+++ after: ConfigMap /a"]
    assert sum(line.startswith("-  k") for line in found) == 2100
    assert sum(line.startswith("+  k") for line in found) == 2100
    assert list(differences([config("a")], [config("a")])) == []
