"""Every code block of the documents says what keeps it true, and what no test runs is at least possible."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from model_operator.cli.main import app
from model_operator.core.reasons.reasons import Reason
from tests.cluster.processes import REPOSITORY
from tests.docs.blocks import Block, blocks, commands, documents, faults

BLOCKS = [(path, block) for path in documents() for block in blocks(path.read_text(encoding="utf-8"))]
OURS = "modeloperator.dev/v1alpha1"
PATH = re.compile(r"(?<![\w/$.-])((?:manifests|crds|charts|examples|tests|docs)/[\w./-]*)")
CONSOLE = [(path, block) for path, block in BLOCKS if block.language == "console"]
YAML = [(path, block) for path, block in BLOCKS if block.language == "yaml"]
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


def named(value: Path | Block) -> str:
    return f"line {value.line}" if isinstance(value, Block) else str(value.relative_to(REPOSITORY))


@pytest.mark.parametrize("path", documents(), ids=named)
def test_every_block_has_a_mark(path: Path) -> None:
    assert list(faults(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ("```yaml\na: 1\n```\n", "line 1: a block needs a mark"),
        ("<!-- true -->\n```yaml\na: 1\n```\n", "line 2: a block needs a mark"),
        ("<!-- run -->\n\n```console\n$ true\n```\n", "line 3: a block needs a mark"),
        ("<!-- run -->\n```yaml\na: 1\n```\n", "must be of console, got 'yaml'"),
        ("<!-- run -->\n```bash\ntrue\n```\n", "must be of console, got 'bash'"),
        ("<!-- not run: later -->\n```yaml\na: 1\n```\n", "say why nothing runs it, got 'later'"),
        ("<!-- tested by: tests/unit/test_x.py -->\n```yaml\na: 1\n```\n", "is no file of tests"),
        ("<!-- tested by: tests/docs/blocks.py -->\n```yaml\na: 1\n```\n", "is no file of tests"),
        ("* an item\n  ```yaml\n  a: 1\n  ```\n", "line 2: a block needs a mark"),
        ("```yaml\na: 1\n", "expected each of its 1 fences"),
    ],
)
def test_a_block_without_a_true_mark_is_found(document: str, fault: str) -> None:
    assert [found for found in faults(document) if fault in found]


def test_commands_of_a_block() -> None:
    with_prompts = "$ one \\\n    --more\nwritten\n# written, too\n$ two\n"
    without = "one   # says why\n# a comment\n\ntwo\n"

    assert commands(Block("", "run", with_prompts, 0, 0)) == ["one \\\n    --more", "two"]
    assert commands(Block("", "run", without, 0, 0)) == ["one   # says why", "two"]


@pytest.mark.parametrize(("path", "block"), CONSOLE, ids=named)
def test_commands_name_what_is_there(path: Path, block: Block) -> None:
    script = "\n".join(commands(block))
    assert script
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.stderr == ""

    for name in PATH.findall(script):
        assert (REPOSITORY / name).exists(), name
    for target in re.findall(r"\bmake ([a-z][a-z0-9-]*)", script):
        assert target in TARGETS
    for module in re.findall(r"python -m (tests[\w.]+)", script):
        assert (REPOSITORY / module.replace(".", "/")).with_suffix(".py").exists(), module
    subcommands = get_command(app).commands  # type: ignore[attr-defined]
    for name in re.findall(r"(?:^|\| |\.venv/bin/)model-operator ([a-z]+)", script, re.MULTILINE):
        assert name in subcommands


@pytest.mark.parametrize(("path", "block"), YAML, ids=named)
def test_yaml_is_read_and_ours_is_valid(path: Path, block: Block, tmp_path: Path) -> None:
    objects = list(yaml.safe_load_all(block.text))
    assert objects
    if block.file:
        return  # Some are wrong on purpose; the commands of the document say so.
    ours = [obj for obj in objects if isinstance(obj, dict) and obj.get("apiVersion") == OURS]
    if ours:
        (tmp_path / "block.yaml").write_text(yaml.safe_dump_all(ours))
        done = subprocess.run(
            [Path(sys.executable).parent / "model-operator", "validate", tmp_path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", documents(), ids=named)
def test_every_file_of_a_document_is_used_by_its_commands(path: Path) -> None:
    document = path.read_text(encoding="utf-8")
    found = list(blocks(document))
    used = "\n".join(line for block in found if block.language == "console" for line in commands(block))
    for block in found:
        if block.file:
            # A command that reads the folder reads it, too.
            named = block.file in used or f"`kubectl apply -f {block.file}`" in document
            assert named or "validate ." in used, block.file


@pytest.mark.parametrize(("path", "block"), CONSOLE, ids=named)
def test_advice_in_messages_is_the_operator_s(path: Path, block: Block) -> None:
    advice = {reason.value.next_step for reason in Reason}
    for shown in re.findall(r" For the [a-z ]+: (.*)$", block.text, re.MULTILINE):
        assert shown in advice
