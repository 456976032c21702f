"""The templates for weights that ``docs/weights.md`` offers are valid, and mount what an instance chooses."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from model_operator.cli.main import app
from model_operator.core.rendering.render import render
from model_operator.core.templates.parsing import parse_instance, parse_template
from tests.cluster.processes import REPOSITORY

FOLDER = REPOSITORY / "manifests" / "samples" / "weights"
DOCUMENT = (REPOSITORY / "docs" / "weights.md").read_text(encoding="utf-8")
VOLUMES: dict[str, dict[str, Any]] = {
    "claim": {"persistentVolumeClaim": {"claimName": "weights", "readOnly": True}},
    "image-volume": {
        "image": {"reference": "registry.example.com/weights/qwen3-0.6b:1", "pullPolicy": "IfNotPresent"}
    },
}


def objects(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the template and the instance of a file."""
    template, instance = yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return template, instance


def test_the_document_names_every_template() -> None:
    named = set(re.findall(r"manifests/samples/weights/([\w-]+)\.yaml", DOCUMENT))

    assert named == VOLUMES.keys() == {path.stem for path in FOLDER.iterdir()}


def test_all_are_valid_without_warnings() -> None:
    done = CliRunner().invoke(app, ["validate", "--strict", *map(str, sorted(FOLDER.iterdir()))])

    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", VOLUMES)
def test_the_chosen_weights_are_mounted_for_reading(name: str) -> None:
    template, instance = objects(name)

    rendering = render(parse_template(template), parse_instance(instance)[0])

    assert rendering.violations == ()
    pod = rendering.deployments[0].deployment.manifest["spec"]["template"]["spec"]
    (volume,) = (each for each in pod["volumes"] if each["name"] == "weights")
    (mount,) = (each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "weights")
    assert volume == {"name": "weights", **VOLUMES[name]}
    assert mount["readOnly"] is True
    assert mount["mountPath"] in pod["containers"][0]["args"][0]


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("image-volume", "weights", "registry.example.com/weights/qwen3-0.6b:2"),
        ("claim", "claim", "other/claim"),
        ("claim", "folder", "../other"),
        ("claim", "folder", "/etc"),
    ],
)
def test_no_other_weights_can_be_chosen(name: str, parameter: str, value: str) -> None:
    template, instance = objects(name)
    instance["spec"]["model_creation_parameters"][parameter] = value
    parsed, found = parse_instance(instance)

    violations = found or render(parse_template(template), parsed).violations

    assert [violation.loc[-1] for violation in violations] == [parameter]


def test_figures_are_cited() -> None:
    source = "https://github.com/kserve/kserve/blob/master/docs/samples/storage/oci-image-volume/README.md"

    assert source in DOCUMENT
    assert "| 140 GB | 4,586 s | 2,319 s | 11.7 s | 2,442 s |" in DOCUMENT
