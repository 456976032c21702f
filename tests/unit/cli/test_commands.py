"""What the commands make of files, standard input, pipes, terminals and mistakes."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner, Result

from model_operator.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).parents[3]
SAMPLES = REPOSITORY / "manifests" / "samples"
GOLDEN = REPOSITORY / "tests" / "unit" / "core" / "rendering" / "golden"
COMMAND = Path(sys.executable).parent / "model-operator"
PATHS = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
TEMPLATE = """
apiVersion: modeloperator.dev/v1alpha1
kind: ModelTemplate
metadata: {name: encoder}
spec:
  model_type: EMBEDDING
  vendor_configuration:
    bundle_config: {registry: registry.test, image: encoder, tag: v1, env: {ID: $(instance.id)}}
  model_creation_parameters_schema:
    required: [MODEL_NAME]
    properties: {MODEL_NAME: {type: string}}
"""
INSTANCE = """
apiVersion: modeloperator.dev/v1alpha1
kind: ModelInstance
metadata: {name: minilm}
spec:
  model_template_id: encoder
  model_creation_parameters: {MODEL_NAME: hf-secret-looking-value}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MODEL_OPERATOR_")]:
        monkeypatch.delenv(name)


def run(*arguments: str, given: str | bytes | None = None, env: Mapping[str, str] | None = None) -> Result:
    result = CliRunner().invoke(app, arguments, input=given, env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def write(**files: str) -> None:
    for name, text in files.items():
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")


def test_order_of_files_and_documents_changes_nothing() -> None:
    other = INSTANCE.replace("minilm", "another")
    outputs = {
        run("render", "-f", "-", given="---".join(texts)).stdout
        for texts in permutations([TEMPLATE, INSTANCE, other])
    }

    (output,) = outputs
    names = [obj["metadata"]["name"] for obj in yaml.safe_load_all(output)]
    assert names == ["another", "another", "minilm", "minilm"]


def test_a_list_is_taken_apart() -> None:
    items = [yaml.safe_load(TEMPLATE), yaml.safe_load(INSTANCE)]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})

    apart = run("render", "-f", "-", given=f"{TEMPLATE}---{INSTANCE}")

    assert run("render", "-f", "-", given=listed).stdout == apart.stdout != ""
    items[1]["spec"]["model_creation_parameters"] = {"MODEL_NAME": 5}
    wrong = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1)
    line = 1 + next(n for n, text in enumerate(wrong.splitlines()) if '"MODEL_NAME": 5' in text)
    assert f"<stdin>:{line}:" in run("validate", "-", given=wrong).stdout


# Those with settings are left out: the command line has them from variables.
@pytest.mark.parametrize(
    "case",
    sorted(path.parent.name for path in GOLDEN.glob("*/input.yaml") if "\nsettings:" not in path.read_text()),
)
def test_renders_what_the_operator_is_tested_to_render(case: str) -> None:
    documents = list(yaml.safe_load_all((GOLDEN / case / "input.yaml").read_text(encoding="utf-8")))
    expected = list(filter(None, yaml.safe_load_all((GOLDEN / case / "expected.yaml").read_text())))

    result = run("render", "-f", "-", given=yaml.safe_dump_all(documents))

    assert result.exit_code == 0, result.stderr
    rendered = list(yaml.safe_load_all(result.stdout))
    for child in rendered:
        for name in ("applied-hash", "template-revision"):
            child["metadata"].get("annotations", {}).pop(f"modeloperator.dev/{name}", None)
        if not child["metadata"].get("annotations", True):
            del child["metadata"]["annotations"]
    assert rendered == expected


def test_settings_of_rendering_count() -> None:
    write(both=f"{TEMPLATE}---{INSTANCE}")
    settings = {"MODEL_OPERATOR_RENDERING__RUN_AS_NON_ROOT": "true"}

    plain = run("render", "-f", "both.yaml").stdout
    changed = run("render", "-f", "both.yaml", env=settings).stdout

    assert "runAsNonRoot: true" in changed
    assert "runAsNonRoot" not in plain


def test_what_only_a_cluster_knows_is_left_out() -> None:
    *_, deployment = yaml.safe_load_all(run("render", "-f", "-", given=f"{TEMPLATE}---{INSTANCE}").stdout)

    assert deployment["metadata"].keys() == {"name", "namespace", "labels"}
    env = {
        each["name"]: each["value"] for each in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert env["ID"] == "00000000-0000-0000-0000-000000000000"


def test_an_instance_from_a_cluster_keeps_its_owner() -> None:
    obj = yaml.safe_load(INSTANCE)
    obj["metadata"] |= {"uid": "5f1a", "namespace": "team"}
    template = TEMPLATE.replace("name: encoder}", "name: encoder, namespace: team}")

    service, _ = yaml.safe_load_all(
        run("render", "-f", "-", given=f"{template}---\n{yaml.safe_dump(obj)}").stdout
    )

    assert service["metadata"]["ownerReferences"][0]["uid"] == "5f1a"
    assert "modeloperator.dev/applied-hash" in service["metadata"]["annotations"]


def test_differences_from_an_earlier_output() -> None:
    write(template=TEMPLATE, instance=INSTANCE)
    earlier = run("render", "-f", ".").stdout
    Path("earlier.yaml").write_text(earlier)
    Path("changed").mkdir()
    write(instance=INSTANCE.replace("minilm", "other"))

    same = run("render", "-f", "template.yaml", "-f", "-", "--diff", "earlier.yaml", given=INSTANCE)
    other = run("render", "-f", "template.yaml", "-f", "instance.yaml", "--diff", "earlier.yaml")

    assert (same.exit_code, same.stdout) == (0, "")
    assert other.exit_code == 1
    titles = [line for line in other.stdout.splitlines() if line.startswith(("--- ", "+++ "))]
    assert titles == [
        "--- before: Deployment default/minilm",
        "+++ after: none",
        "--- before: Service default/minilm",
        "+++ after: none",
        "--- before: none",
        "+++ after: Deployment default/other",
        "--- before: none",
        "+++ after: Service default/other",
    ]


def test_nothing_is_rendered_of_a_set_in_which_something_is_wrong() -> None:
    wrong = INSTANCE.replace("minilm", "wrong").replace("hf-secret-looking-value", "[1]")

    result = run("render", "-f", "-", given=f"{TEMPLATE}---{INSTANCE}---{wrong}")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "MODEL_NAME: must be a string, got a list" in result.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("model_template_id: encoder", "model_template_id: nobody"), "rendering requires the template"),
        (("name: minilm", "generateName: minilm-"), "rendering requires a name, got generateName"),
    ],
)
def test_what_cannot_be_rendered(change: tuple[str, str], message: str) -> None:
    result = run("render", "-f", "-", given=f"{TEMPLATE}---{INSTANCE.replace(*change)}")

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("validate", "nowhere.yaml"), "nowhere.yaml: No such file or directory"),
        (("render", "-f", "nowhere.yaml"), "nowhere.yaml: No such file or directory"),
        (("validate", "latin.yaml"), "latin.yaml: must be text in UTF-8, got byte 0xe4 at 3"),
        (
            ("schema", "two.yaml"),
            "expected one template, got ModelTemplate a, ModelTemplate b; choose one with --name",
        ),
        (
            ("schema", "two.yaml", "--name", "c"),
            "expected one template named c, got ModelTemplate a, ModelTemplate b",
        ),
        (("explain", "empty.yaml"), "empty.yaml: expected one template, got none"),
        (("explain", "broken.yaml"), "broken.yaml:3:13: kind: must be one of"),
        (
            ("render", "-f", "empty.yaml", "--allow-empty", "--diff", "list.yaml"),
            "list.yaml:1: must be an object with kind",
        ),
        (
            ("render", "-f", "empty.yaml", "--diff", "cluster", "--kubeconfig", "no"),
            "no kubeconfig: no does not exist",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], message: str) -> None:
    write(
        two="---".join(TEMPLATE.replace("encoder}", f"{name}}}", 1) for name in "ab"),
        empty="",
        broken="\napiVersion: modeloperator.dev/v1alpha1\nkind:       ModelTemplat\nmetadata: {name: a}\n",
        list="- a\n",
    )
    Path("latin.yaml").write_bytes("a: \xe4".encode("latin-1"))

    result = run(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_of_a_directory_only_our_manifests_are_read() -> None:
    for path, text in {
        "models/template.yml": TEMPLATE,
        "models/deep/instance.yaml": INSTANCE,
        "models/chart/templates/other.yaml": "{{- if .Values.enabled }}\nkind: Service\n",
        "models/.hidden/broken.yaml": "modeloperator.dev [",
        "models/notes.md": "modeloperator.dev [",
    }.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)

    result = run("validate", "models")

    assert result.stderr == "2 objects in 2 files: 0 errors, 0 warnings\n"
    assert result.exit_code == 0


def test_one_file_named_twice_is_read_once() -> None:
    write(template=TEMPLATE)

    assert run("validate", "template.yaml", "./template.yaml", ".").exit_code == 0


def test_objects_given_twice_are_told() -> None:
    write(template=TEMPLATE, again=TEMPLATE)

    result = run("validate", "template.yaml", "again.yaml")

    assert (
        result.stdout
        == "again.yaml:4:18: metadata.name: must be unique, but template.yaml:2 defines the same object\n"
    )


def test_values_of_parameters_are_never_told() -> None:
    text = f"{TEMPLATE.replace('type: string', 'type: integer')}---{INSTANCE}"

    for form in ("text", "json", "sarif", "github"):
        result = run("validate", "-", "--output", form, given=text)
        assert result.exit_code == 1
        assert "must be an integer, got a string" in result.stdout
        assert "hf-secret" not in result.output


def test_what_kubernetes_refuses_of_a_template_is_told_once() -> None:
    template = f"{TEMPLATE}  pod_template: {{spec: {{hostPid: true}}}}\n"

    result = run("validate", "-", given=f"{template}---{INSTANCE}")

    assert result.stdout == (
        "<stdin>:12:34: spec.pod_template.spec.hostPid: unknown field; did you mean hostPID?\n"
    )


def test_what_kubernetes_refuses_of_one_instance_is_its_own() -> None:
    template = TEMPLATE.replace("{type: string}", "{type: integer, examples: [1]}")
    container = "{name: model, ports: [{containerPort: $(parameters.MODEL_NAME)}]}"
    template += f"  pod_template: {{spec: {{containers: [{container}]}}}}\n"
    instance = INSTANCE.replace("hf-secret-looking-value", "3000000000")

    result = run("validate", "-", given=f"{template}---{instance}")

    assert result.stdout == (
        "<stdin>:19:3: spec.model_creation_parameters: results in a Deployment that Kubernetes rejects: "
        "spec.template.spec.containers[0].ports[0].containerPort: must be a 32-bit integer, "
        "got a larger one\n"
    )


def test_github_takes_no_orders_from_files() -> None:
    key = "a\n::stop-commands::x"
    text = yaml.safe_dump({**yaml.safe_load(INSTANCE), "spec": {"model_template_id": "t", key: 1}})

    lines = run("validate", "-", "--output", "github", given=text).stdout.splitlines()

    assert all(line.startswith(("::error file=", "::warning file=")) for line in lines)
    assert len(lines) == 2


def test_sarif_has_what_code_scanners_need() -> None:
    report = json.loads(run("validate", "-", "--output", "sarif", given=INSTANCE).stdout)

    (scan,) = report["runs"]
    (result,) = scan["results"]
    assert report["version"] == "2.1.0"
    assert scan["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["level"] == "warning"
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 6, "startColumn": 22}


def test_a_closed_pipe_is_no_mistake() -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {COMMAND} render -f {SAMPLES} -f {SAMPLES} | head -1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout == "---\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals(variables: dict[str, str], coloured: bool) -> None:
    write(instance=INSTANCE.replace("encoder", "5", 1))
    main, terminal = pty.openpty()
    try:
        subprocess.run(
            [COMMAND, "validate", "instance.yaml"],
            stdout=terminal,
            stderr=subprocess.DEVNULL,
            env={**PATHS, "TERM": "xterm", **variables},
            timeout=120,
            check=False,
        )
        written = os.read(main, 65536).decode()
    finally:
        os.close(main)
        os.close(terminal)

    assert ("\x1b[31m" in written) == coloured
    assert "instance.yaml:6:22" in written
    assert "\x1b" not in run("validate", "instance.yaml").stdout


def test_a_table_fits_its_terminal() -> None:
    main, terminal = pty.openpty()
    try:
        subprocess.run(
            [COMMAND, "explain", SAMPLES / "vllm-chat.yaml"],
            stdout=terminal,
            env={**PATHS, "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": ""},
            timeout=120,
            check=True,
        )
        lines = os.read(main, 65536).decode().splitlines()
    finally:
        os.close(main)
        os.close(terminal)

    assert any("gpu_memory_utilization" in line for line in lines)
    assert all(len(line) <= 100 for line in lines if "\x1b" not in line)


@pytest.mark.parametrize("name", ["validate", "render", "revision", "schema", "explain"])
def test_help_has_examples(name: str) -> None:
    shown = run(name, "--help").stdout

    assert f"  Examples:\n    model-operator {name} " in shown


def test_hook_of_pre_commit_runs_a_command_that_exists() -> None:
    (hook,) = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
    program, *arguments = hook["entry"].split()
    write(template=TEMPLATE, instance=INSTANCE)

    assert (hook["language"], program) == ("script", ".ci/hook")
    assert os.access(REPOSITORY / program, os.X_OK)
    assert run(*arguments, *hook["args"]).exit_code == 0


def test_hook_of_pre_commit_runs_this_checkout_with_the_locked_dependencies(tmp_path: Path) -> None:
    """With an environment that has them, so that nothing is fetched; a changed lock is not taken for it."""
    checkout, lock = tmp_path / "checkout", "requirements-runtime.lock"
    (checkout / ".ci").mkdir(parents=True)
    shutil.copy(REPOSITORY / ".ci" / "hook", checkout / ".ci")
    shutil.copy(REPOSITORY / lock, checkout)
    (checkout / "operator").symlink_to(REPOSITORY / "operator")
    environment = checkout / ".cache" / "hook"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (environment / "bin" / "python").chmod(0o755)
    shutil.copy(checkout / lock, environment / "installed.lock")
    (tmp_path / "template.yaml").write_text(TEMPLATE)

    def hook(**variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [checkout / ".ci" / "hook", "validate", "."],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    assert hook().returncode == 0, hook().stderr
    (checkout / lock).write_text("another==1\n")
    # It is installed anew, with the interpreter that is named.
    assert hook(PYTHON="false").returncode == 1
