"""What ``model-operator init`` prints, and how it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from model_operator.cli.main import app

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat}
spec:
  selector: {matchLabels: {app: chat}}
  template:
    metadata: {labels: {app: chat}}
    spec:
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.8.5
          args: [--model=org/model, --max-model-len=4096, --api-key=hunter2-is-hidden]
          ports: [{containerPort: 8000}]
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MODEL_OPERATOR_")]:
        monkeypatch.delenv(name)


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=given)


def test_its_output_is_valid() -> None:
    made = run("init", "-", "--cluster", "--instance", "chat-1", given=DEPLOYMENT)

    assert made.exit_code == 0
    assert [each["kind"] for each in yaml.safe_load_all(made.stdout)] == [
        "ClusterModelTemplate",
        "ModelInstance",
    ]
    assert run("validate", "--strict", "-", given=made.stdout).exit_code == 0
    rendered = run("render", "-f", "-", given=made.stdout)
    assert rendered.exit_code == 0
    assert "--model=org/model" in rendered.stdout


def test_notes_are_on_standard_error_and_in_comments() -> None:
    made = run("init", "-", given=DEPLOYMENT)

    assert "model_type CHAT_COMPLETION; choose with --model-type" in made.stderr
    assert "#   model_type CHAT_COMPLETION; choose with --model-type" in made.stdout
    assert "hunter2" not in made.stdout + made.stderr
    assert "kind: ModelInstance" not in made.stdout


def test_a_folder_and_several_files_are_read() -> None:
    Path("chart").mkdir()
    Path("chart/deployment.yaml").write_text(DEPLOYMENT, encoding="utf-8")
    service = "kind: Service\nspec: {selector: {app: chat}, ports: [{port: 81, targetPort: 8000}]}"
    Path("service.yaml").write_text(service, encoding="utf-8")

    made = run("init", "chart", "service.yaml")

    assert yaml.safe_load(made.stdout)["spec"]["service"]["ports"] == [{"name": "http", "port": 81}]


def test_a_template_that_would_be_rejected_is_printed_with_status_1() -> None:
    broken = DEPLOYMENT.replace("vllm/vllm-openai", "vllm/vLLM")
    made = run("init", "-", given=broken)

    assert made.exit_code == 1
    assert "bundle_config.image: must be a repository name in lower case" in made.stderr
    assert yaml.safe_load(made.stdout)["kind"] == "ModelTemplate"


@pytest.mark.parametrize(
    ("given", "arguments", "message"),
    [
        ("kind: Service", (), "error: no Deployment, StatefulSet, ReplicaSet or Pod found in 1 object"),
        (
            DEPLOYMENT.replace("ports:", "imagePullpolicy: Always\n          ports:"),
            (),
            "Deployment chat: spec.template.spec.containers[0].imagePullpolicy: unknown field; did you mean",
        ),
        (DEPLOYMENT.replace("8000", '"8000"'), (), "must be an integer, got a string; remove the quotes"),
        ("a: [", (), "<stdin>:2:1:"),
        (DEPLOYMENT, ("-p", "context"), "--parameter: must be NAME=PLACE"),
        (DEPLOYMENT, ("-p", "context=--absent"), "no argument is --absent with a value"),
        (DEPLOYMENT, ("--container", "x"), "no container is named x; there are vllm"),
        (
            DEPLOYMENT,
            ("--workload", "x"),
            "no workload of this name found in 1 object; there are Deployment/chat",
        ),
    ],
)
def test_what_cannot_be_converted_ends_with_status_2(
    given: str, arguments: tuple[str, ...], message: str
) -> None:
    made = run("init", "-", *arguments, given=given)

    assert made.exit_code == 2
    assert made.stdout == ""
    assert message in made.stderr


def test_help_has_examples() -> None:
    assert "helm template chart | model-operator init" in run("init", "--help").stdout
