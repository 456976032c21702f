"""Files without an object of ours: an error of its own, with a hint at what was probably meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from model_operator.cli.main import app

OURS = "modeloperator.dev/v1alpha1"
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"
INSTANCE = f"apiVersion: {OURS}\nkind: ModelInstance\nmetadata: {{name: i}}\nspec: {{model_template_id: t}}\n"
TEMPLATE = f"""
apiVersion: {OURS}
kind: ModelTemplate
metadata: {{name: t}}
spec:
  model_type: EMBEDDING
  vendor_configuration: {{bundle_config: {{registry: registry.test, image: encoder, tag: v1}}}}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=given)


def write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="utf-8")


def of_type(version: str, kind: str) -> str:
    line = f"apiVersion: {version}\n" if version else ""
    return f"{line}kind: {kind}\nmetadata: {{name: x}}\nspec: {{}}\n"


NOTHING = {
    "empty folder": {},
    "no YAML": {"models/instance.yaml.txt": INSTANCE, "models/README.md": "modeloperator.dev"},
    "others": {"models/deployment.yaml": DEPLOYMENT},
    "hidden folder": {"models/.old/instance.yaml": INSTANCE},
    "empty file": {"models/instance.yaml": f"# {OURS}\n"},
    "empty List": {"models/list.yaml": f"# {OURS}\napiVersion: v1\nkind: List\nitems: []\n"},
    "comment": {"models/instance.yaml": "".join(f"# {line}\n" for line in INSTANCE.splitlines())},
}


@pytest.mark.parametrize("files", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("command", [["validate"], ["render", "-f"]], ids=["validate", "render"])
def test_nothing_is_an_error(command: list[str], files: dict[str, str]) -> None:
    for path, text in files.items():
        Path(path).parent.mkdir(exist_ok=True)
        write(path, text)

    found = run(*command, "models")

    assert found.exit_code == 2
    assert f"models: no ModelTemplate, ClusterModelTemplate or ModelInstance of {OURS} found" in found.stderr
    assert run(*command, "models", "--allow-empty").exit_code == 0


@pytest.mark.parametrize("text", ["", "---\n", DEPLOYMENT], ids=["empty", "marker", "others"])
def test_standard_input_without_objects(text: str) -> None:
    found = run("validate", "-", given=text)

    assert found.exit_code == 2
    assert "standard input: no ModelTemplate" in found.stderr


GROUPS = [
    ("modeloperators.dev/v1alpha1", "ModelInstance"),
    ("modeloperator.io/v1alpha1", "ModelTemplate"),
    ("model-operator.dev/v1alpha1", "ClusterModelTemplate"),
    ("ModelOperator.dev/v1alpha1", "ModelTemplate"),
    ("models.dev/v1", "ModelTemplate"),
    ("modeloperator.io/v1", "ModelTemplates"),
    ("modeloperator/v1alpha1", "ModelInstance"),
    ("v1alpha1", "ModelInstance"),
    ("v1", "ModelTemplate"),
]


@pytest.mark.parametrize(("version", "kind"), GROUPS)
def test_wrong_group(version: str, kind: str) -> None:
    write("models/x.yaml", of_type(version, kind))

    alone = run("validate", "models")

    assert alone.exit_code == 2
    assert f"models/x.yaml:1:13: apiVersion: must be {OURS}, got " in alone.stdout
    assert "did you mean modeloperator.dev?" in alone.stdout
    write("models/t.yaml", TEMPLATE)
    assert run("validate", "models").exit_code == 1
    for command in (["render", "-f"], ["explain"], ["schema"]):
        found = run(*command, "models/x.yaml")
        assert found.exit_code == 2
        assert "did you mean modeloperator.dev?" in found.stderr


def test_no_version() -> None:
    write("models/x.yaml", of_type("", "ModelInstance"))

    found = run("validate", "models")

    assert found.exit_code == 2
    assert f"apiVersion: required field is missing; write apiVersion: {OURS}" in found.stdout


@pytest.mark.parametrize(
    ("version", "kind", "expected"),
    [
        ("modeloperator.dev/v1", "ModelTemplate", f"must be {OURS}, got another version"),
        ("modeloperator.dev", "ModelTemplate", f"must be {OURS}, got another version"),
        (OURS, "ModelInstances", "got another kind; did you mean ModelInstance?"),
        (OURS, "modeltemplate", "got another kind; did you mean ModelTemplate?"),
        (OURS, "InferenceService", "must be one of ModelTemplate, ClusterModelTemplate, ModelInstance"),
    ],
)
def test_wrong_version_or_kind(version: str, kind: str, expected: str) -> None:
    write("models/x.yaml", of_type(version, kind))

    found = run("validate", "models")

    assert (found.exit_code, expected in found.stdout) == (2, True)
    write("models/t.yaml", TEMPLATE)
    assert run("validate", "models").exit_code == 1


def test_a_kind_of_the_same_name_in_another_group_is_a_warning() -> None:
    write("models/x.yaml", of_type("serving.acme.example/v1", "ModelTemplate"))
    write("models/t.yaml", TEMPLATE)

    found = run("validate", "models")

    assert found.exit_code == 0
    assert "warning: apiVersion: the object was not checked, as its group is not modeloperator.dev" in (
        found.stdout
    )
    assert run("validate", "models", "--strict").exit_code == 1


@pytest.mark.parametrize("version", ["apps/v1", "serving.kserve.io/v1beta1", "operator.dev/v1"])
def test_other_objects_are_no_matter(version: str) -> None:
    write("models/x.yaml", f"# {OURS}\n{of_type(version, 'InferenceService')}")
    write("models/t.yaml", TEMPLATE)

    found = run("validate", "models", "--strict")

    assert (found.exit_code, found.stdout) == (0, "")
    assert "1 object of other kinds skipped" in found.stderr


def test_an_empty_folder_beside_others_is_a_warning() -> None:
    write("t.yaml", TEMPLATE)

    found = run("validate", "t.yaml", "models")

    assert found.exit_code == 0
    assert "models:1:1: warning: this directory has no ModelTemplate" in found.stdout
    assert run("validate", "t.yaml", "models", "--allow-empty", "--strict").exit_code == 0


def test_unreadable_yaml_is_not_nothing() -> None:
    write("models/x.yaml", f"apiVersion: {OURS}\nkind: [\n")

    assert run("validate", "models").exit_code == 1


def test_templates_alone_are_nothing_to_render() -> None:
    write("t.yaml", TEMPLATE)

    found = run("render", "-f", "t.yaml")

    assert (found.exit_code, found.stdout) == (2, "")
    assert "the files hold no ModelInstance" in found.stderr
    assert run("render", "-f", "t.yaml", "--allow-empty").exit_code == 0


def test_reports_for_machines_are_written_all_the_same() -> None:
    write("models/x.yaml", of_type("models.dev/v1", "ModelTemplate"))

    found = run("validate", "models", "-o", "json")

    assert found.exit_code == 2
    assert [each["path"] for each in json.loads(found.stdout)["findings"]] == ["apiVersion"]
