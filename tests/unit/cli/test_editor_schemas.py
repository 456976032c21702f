"""The schemas for editors are those of the kinds, and the samples name and satisfy them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from hack.editor_schemas import FOLDER, schemas
from model_operator.cli.main import app

SAMPLES = sorted((FOLDER.parent / "manifests" / "samples").rglob("[!k]*.yaml"))
MARK = "# yaml-language-server: $schema="


def test_the_files_are_up_to_date() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == schemas()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_each_object_of_a_sample_names_its_schema_and_satisfies_it(path: Path) -> None:
    for document in path.read_text(encoding="utf-8").split("\n---\n"):
        obj = yaml.safe_load(document)
        (line,) = [each for each in document.splitlines() if each.startswith(MARK)]
        schema = json.loads((path.parent / line.removeprefix(MARK)).read_text(encoding="utf-8"))
        assert schema["title"] == obj["kind"]
        assert list(Draft202012Validator(schema).iter_errors(obj)) == []
        obj["spec"]["descripton"] = "x"
        assert list(Draft202012Validator(schema).iter_errors(obj))


def test_the_command_prints_them() -> None:
    printed = CliRunner().invoke(app, ["schema", "--kind", "ModelTemplate"])

    assert printed.exit_code == 0
    assert printed.stdout == schemas()["modeltemplate.schema.json"]


@pytest.mark.parametrize("arguments", [[], ["--kind", "ModelTemplate", "template.yaml"]])
def test_either_a_template_or_a_kind(arguments: list[str]) -> None:
    refused = CliRunner().invoke(app, ["schema", *arguments])

    assert refused.exit_code == 2
    assert "--kind" in refused.stderr
