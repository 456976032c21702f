"""Texts of strangers, in files and from a cluster, made to steer a terminal or the runner of a CI."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from model_operator.cli.main import app as operator_app
from model_operator.cli.plugin.main import app as plugin_app
from model_operator.cli.terminal import _Line
from model_operator.core.values.printable import escaped, printable, to_json
from model_operator.core.values.yaml_dialect import to_yaml
from model_operator.kube.client import ApiClient
from model_operator.kube.resources import (
    CLUSTER_MODEL_TEMPLATES,
    DEPLOYMENTS,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    POD_EVENTS,
    PODS,
    ResourceKind,
)

CLI = Path(__file__).parents[2] / "operator" / "model_operator" / "cli"
COMMANDS = Path(sys.executable).parent
STEERING = "\x1b[31m\u202e\u200b\r\x9b2J\x07[red]\u2066\U000e0041"
HOSTILE = f"{STEERING}\n::error::x\n \t ::add-mask::y\n##[error]z ##vso[a]b"
HEAD = "apiVersion: modeloperator.dev/v1alpha1\n"
MARK = to_yaml(HOSTILE).removeprefix("--- ").strip()
TEMPLATE: dict[str, Any] = {
    "apiVersion": "modeloperator.dev/v1alpha1",
    "kind": "ModelTemplate",
    "metadata": {"name": "encoder", "annotations": {"note": HOSTILE}},
    "spec": {
        "model_type": "EMBEDDING",
        "vendor_configuration": {
            "bundle_config": {
                "registry": "registry.test",
                "image": "encoder",
                "tag": "v1",
                "env": {"A": HOSTILE, "B": "word " * 40 + "::error::folded"},
                "args": [HOSTILE, "::error::first", "##[error]first", "$(parameters.TEXT)"],
            }
        },
        "model_creation_parameters_schema": {
            "properties": {
                "TEXT": {"type": "string", "description": HOSTILE, "default": HOSTILE},
                "CHOICE": {"enum": [HOSTILE, "[bold red]b[/]"], "description": "::error::x"},
            }
        },
    },
}
INSTANCE: dict[str, Any] = {
    "apiVersion": "modeloperator.dev/v1alpha1",
    "kind": "ModelInstance",
    "metadata": {"name": "minilm"},
    "spec": {"model_template_id": "encoder", "model_creation_parameters": {"CHOICE": HOSTILE}},
}


def faults(output: str) -> list[str]:
    """Give what of an output steers a terminal or a runner."""
    found = [
        f"U+{ord(each):04X}"
        for each in output
        if each not in "\n\t" and unicodedata.category(each) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    ]
    return found + [
        line
        for line in output.split("\n")
        if line.lstrip().startswith("::") or "##[" in line or "##vso[" in line
    ]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(app: Any, *arguments: str, given: str | bytes = "") -> Result:
    result = CliRunner().invoke(app, arguments, input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def clean(app: Any, *arguments: str, given: str | bytes = "") -> Result:
    result = run(app, *arguments, given=given)
    assert faults(result.stdout) == []
    assert faults(result.stderr) == []
    return result


@given(st.lists(st.text(st.sampled_from(":#[]a \n\t\r\x1b\u202e\u00a0v so") | st.characters()), max_size=6))
def test_whatever_the_pieces_are_the_line_is_escaped(pieces: list[str]) -> None:
    line = _Line()
    shown = "".join(map(line.escaped, pieces))

    assert faults(shown) == []
    assert shown == escaped("".join(pieces))
    assert escaped(shown) == shown
    assert "\n" not in printable("".join(pieces))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plaín 文字\u3000…", "plaín 文字\u3000…"),
        ("\x1b[1m\x7f\x9b", "\\x1b[1m\\x7f\\x9b"),
        ("\u202a\u2069\u200e\u061c", "\\u202a\\u2069\\u200e\\u061c"),
        ("\u200b\ufeff\u2060\u00ad\u3164", "\\u200b\\ufeff\\u2060\\xad\\u3164"),
        ("\U000e0041\udcff\u2028", "\\U000e0041\\udcff\\u2028"),
        ("::error::", ":\\u003aerror::"),
        ("a\n\u00a0 ::error::", "a\n\u00a0 :\\u003aerror::"),
        ("a ::b", "a ::b"),
        ("a ##[b] ##vso[c] ###[d]", "a ##\\u005bb] ##vso\\u005bc] ###\\u005bd]"),
    ],
)
def test_what_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(st.text(st.sampled_from(":#[]a \n\t\r\x1b\u202e'\"\\-?") | st.characters(exclude_categories=["Cs"])))
def test_json_and_yaml_stay_what_they_were(text: str) -> None:
    value = {"key": text, "list": [text, [text]], text: 1}

    for written, read in ((to_json(value, 2), json.loads), (to_yaml(value), yaml.safe_load)):
        assert faults(written) == []
        assert escaped(written) == written
        assert read(written) == value


FILES = [
    ("validate", "-"),
    ("validate", "-", "-o", "json"),
    ("validate", "-", "-o", "sarif"),
    ("render", "-f", "-"),
    ("explain", "-"),
    ("schema", "-"),
    ("schema", "-", "--example"),
]


@pytest.mark.parametrize("command", FILES, ids=" ".join)
def test_valid_files(command: tuple[str, ...]) -> None:
    given_ = to_yaml(TEMPLATE, INSTANCE)

    result = clean(operator_app, *command, given=given_)

    assert result.exit_code == 0, result.stderr
    if command[0] == "render":
        *_, deployment = yaml.safe_load_all(result.stdout)
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        assert container["args"][:3] == [HOSTILE, "::error::first", "##[error]first"]


@pytest.mark.parametrize("command", [*FILES, ("validate", "-", "-o", "github")], ids=" ".join)
@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}kind: {MARK}\nmetadata: {{name: a}}\n",
        f"{HEAD}kind: ModelTemplate\nmetadata: {{name: {MARK}, {MARK}: 1}}\nspec: {{{MARK}: 1}}\n",
        f"{HEAD}kind: ModelInstance\nmetadata: {{name: a, namespace: {MARK}}}\n{MARK}: 1\n{MARK}: 1\n",
        f"{HEAD}kind: ModelInstance\nmetadata: {{labels: {{{MARK}: [1]}}}}\nspec: {{}}\n",
        f"a: *{'x' * 3}\n",
        "a: [\x1b",
        "a: \u202e: b: c",
    ],
    ids=["kind", "template", "namespace", "labels", "anchor", "escape", "direction"],
)
def test_broken_files(command: tuple[str, ...], text: str) -> None:
    if command[-1] != "github":
        clean(operator_app, *command, given=text)
        return
    output = run(operator_app, *command, given=text).stdout
    for line in output.splitlines():
        assert line.startswith(("::error file=", "::warning file="))
        assert faults(line.removeprefix("::")) == []


def test_github_s_properties_and_data_are_escaped() -> None:
    name = "a%b,c:d\n::x"
    Path(name).write_text(f'{HEAD}kind: ModelTemplate\nmetadata: {{name: "n,%:\\n"}}\n"k%\\r\\n,:": 1\n')

    (first, *_) = run(operator_app, "validate", name, "-o", "github").stdout.splitlines()

    properties, data = first.removeprefix("::error ").split("::", 1)
    assert properties.startswith("file=a%25b%2Cc%3Ad%0A%3A%3Ax,line=")
    assert properties.count(",") == 3
    assert "%" not in data.replace("%25", "").replace("%0D", "").replace("%0A", "")


def test_sarif_s_texts_are_no_markdown() -> None:
    key = "[a](https://b.test) *b* _c_ `d` <img> ![e](f) #1 a_b www.x.y @me"
    spec = json.dumps({"model_template_id": "b", key: 1})
    text = f"{HEAD}kind: ModelInstance\nmetadata: {{name: a}}\nspec: {spec}\n"

    report = json.loads(clean(operator_app, "validate", "-", "-o", "sarif", given=text).stdout)

    texts = [each["message"]["text"] for each in report["runs"][0]["results"]]
    (told,) = [each for each in texts if "img" in each]
    for part in (r"\[a\]\(https\://b.test\)", r"\*b\*", r"\_c\_", r"\`d\`", r"\<img\>", r"\!\[e\]", r"\#1"):
        assert part in told
    assert "a_b" in told
    assert r"www\.x.y \@me" in told
    assert any("spec.model_template_id: " in each for each in texts)


def test_rich_interprets_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_operator.cli.explain.has_colours", lambda _: True)

    result = run(operator_app, "explain", "-", given=to_yaml(TEMPLATE))

    assert "[red]" in result.stdout.replace("\n", "")
    assert "[bold" in result.stdout
    assert faults(result.stdout) == []


@pytest.mark.parametrize("app", [operator_app, plugin_app], ids=["model-operator", "kubectl model"])
@pytest.mark.parametrize(
    "arguments",
    [
        [HOSTILE],
        [f"--{HOSTILE}"],
        ["validate", f"--{HOSTILE}"],
        ["validate", "-o", HOSTILE],
        ["validate", HOSTILE],
        ["validate", f"\udcff{HOSTILE}"],
        ["render", "-f", HOSTILE],
        ["render", "-f", "-", "--diff", HOSTILE],
        ["render", "-f", "-", "--diff", "cluster", "--kubeconfig", HOSTILE],
        ["schema", HOSTILE, HOSTILE],
        ["explain", "-", "--name", HOSTILE],
        ["status", HOSTILE],
        ["why", "a", "--kubeconfig", HOSTILE],
        ["wait", "a", "--timeout", HOSTILE],
        ["wait", "a", "--for", HOSTILE],
        ["instances", "--template", HOSTILE],
        ["instances", "-o", HOSTILE],
        ["run", "--log-format", HOSTILE],
        ["run", "--health-port", HOSTILE],
    ],
    ids=lambda arguments: " ".join(arguments).replace(HOSTILE, "HOSTILE"),
)
def test_arguments(app: Any, arguments: list[str]) -> None:
    assert clean(app, *arguments).exit_code == 2


def test_a_traceback_is_escaped_and_no_encoding_ends_the_program(tmp_path: Path) -> None:
    script = tmp_path / "defect.py"
    script.write_text(
        "import sys\n"
        "from model_operator.cli import validate as module\n"
        "def defect(paths):\n"
        "    print('é \\u202e')\n"
        f"    raise RuntimeError({HOSTILE!r})\n"
        "module.read_inputs = defect\n"
        "from model_operator.cli.main import app\n"
        "app(['validate', '-'])\n"
    )

    done = subprocess.run(
        [sys.executable, script],
        env={"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=120,
        check=False,
    )

    assert done.stdout == b"\\xe9 \\u202e\n"
    assert b"RuntimeError" in done.stderr
    assert faults(done.stderr.decode()) == []


def objects() -> dict[ResourceKind, list[dict[str, Any]]]:
    """Give what a stranger may have written into a cluster."""
    labels = {"modeloperator.dev/instance": "minilm"}
    condition = {"type": "Ready", "status": "False", "reason": HOSTILE, "message": HOSTILE}
    instance = {
        **INSTANCE,
        "metadata": {
            "name": "minilm",
            "namespace": "default",
            "uid": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generation": 1,
            "resourceVersion": "1",
            "annotations": {HOSTILE: HOSTILE},
        },
        "status": {
            "conditions": [condition, {**condition, "type": "Stalled", "status": "True"}],
            "observedGeneration": 1,
            "url": HOSTILE,
            "template": {"kind": "ModelTemplate", "name": HOSTILE, "uid": "2", "generation": 1},
            "deployments": [{"name": HOSTILE, "status": HOSTILE, "message": HOSTILE}],
            "validation_errors": [{"loc": [HOSTILE], "msg": HOSTILE, "type": "x"}],
        },
    }
    template = {
        **TEMPLATE,
        "metadata": {"name": f"t{HOSTILE}", "namespace": f"n{HOSTILE}", "uid": "2", "generation": 1},
        "status": {"conditions": [condition]},
    }
    owner = {"kind": "ModelInstance", "name": "minilm", "uid": "1", "controller": True}
    deployment = {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": f"d{HOSTILE}",
            "namespace": "default",
            "uid": "3",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": labels,
            "ownerReferences": [{**owner, "apiVersion": "modeloperator.dev/v1alpha1"}],
        },
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}},
        "status": {"conditions": [{**condition, "type": "ReplicaFailure", "status": "True"}]},
    }
    pod = {
        "kind": "Pod",
        "metadata": {
            "name": f"p{HOSTILE}",
            "namespace": "default",
            "uid": "4",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": labels,
            "ownerReferences": [{"kind": "ReplicaSet", "name": "r", "uid": "5", "controller": True}],
        },
        "spec": {"nodeName": HOSTILE, "containers": [{"name": "model", "image": HOSTILE}]},
        "status": {
            "phase": "Pending",
            "reason": HOSTILE,
            "message": HOSTILE,
            "conditions": [{**condition, "type": "PodScheduled"}],
            "containerStatuses": [
                {
                    "name": HOSTILE,
                    "image": HOSTILE,
                    "restartCount": 3,
                    "state": {"waiting": {"reason": HOSTILE, "message": HOSTILE}},
                    "lastState": {"terminated": {"reason": HOSTILE, "message": HOSTILE, "exitCode": 1}},
                }
            ],
        },
    }
    event = {"reason": HOSTILE, "message": HOSTILE, "type": "Warning", "metadata": {"name": "e"}}
    cluster = {**template, "kind": "ClusterModelTemplate", "metadata": {"name": HOSTILE, "uid": "6"}}
    return {
        MODEL_INSTANCES: [instance],
        MODEL_TEMPLATES: [template],
        CLUSTER_MODEL_TEMPLATES: [cluster],
        DEPLOYMENTS: [deployment],
        PODS: [pod],
        POD_EVENTS: [event],
    }


@pytest.fixture
def _cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    held = objects()

    async def pages(
        _self: ApiClient, kind: ResourceKind, namespace: str = "", **_selection: Any
    ) -> AsyncIterator[tuple[Sequence[Any], str]]:
        yield held.get(kind, []), "1"

    async def get(_self: ApiClient, kind: ResourceKind, namespace: str, name: str) -> Any:
        return held[kind][0]

    async def watch(_self: ApiClient, kind: ResourceKind, *_: Any, **_selection: Any) -> AsyncIterator[Any]:
        if kind is MODEL_INSTANCES:
            yield "DELETED", held[kind][0]

    for method in (pages, get, watch):
        monkeypatch.setattr(ApiClient, method.__name__, method)


@pytest.mark.usefixtures("_cluster")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("status", "minilm"), 0),
        (("status", "minilm", "--watch"), 0),
        (("why", "minilm"), 1),
        (("wait", "minilm"), 1),
        *(
            ((command, *all_, "-o", form), 0)
            for command in ("instances", "templates")
            for form in ("table", "wide", "name", "json", "yaml")
            for all_ in ((), ("-A",))
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_objects_of_a_cluster(arguments: tuple[str, ...], code: int) -> None:
    result = clean(plugin_app, *arguments, "--kubeconfig", "kubeconfig")

    assert result.exit_code == code, result.stderr
    if arguments[-1] in ("json", "yaml"):
        read: Callable[[str], Any] = json.loads if arguments[-1] == "json" else yaml.safe_load
        wanted = objects()[MODEL_INSTANCES if arguments[0] == "instances" else MODEL_TEMPLATES][0]
        assert wanted in read(result.stdout)["items"]
    elif arguments[-1] in ("table", "name"):
        ours = 2 if arguments[0] == "instances" else 3
        assert result.stdout.count("\n") == ours - (arguments[-1] == "name")


WRITERS = {"print", "echo", "secho", "print_exception", "print_exc", "Console", "Live", "stdout", "stderr"}
ALLOWED = {
    "terminal.py": {"stdout", "stderr", "Console"},
    "plugin/status.py": {"stdout", "Live"},  # asks whether it is a terminal; draws on `terminal.console`
    "explain.py": {"stdout", "print"},  # the same
    "run.py": {"stderr"},  # the logs, whose texts the logging escapes
    "gateway.py": {"stderr"},  # the same
}


def writers(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Name):
            names.add(node.id)
    return names & WRITERS


@pytest.mark.parametrize("path", sorted(CLI.rglob("*.py")), ids=lambda path: str(path.relative_to(CLI)))
def test_nothing_writes_but_by_the_one_function(path: Path) -> None:
    assert writers(path) <= ALLOWED.get(str(path.relative_to(CLI)), set())


def test_the_check_sees_what_writes() -> None:
    assert writers(CLI / "terminal.py") == {"stdout", "stderr", "Console"}
