"""The bill of materials names what the lock does, and is the same each time."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from model_operator import __version__
from tests.project.sbom import LOCK, PINNED, bill


@pytest.fixture(scope="module")
def text() -> str:
    return bill()


@pytest.fixture(scope="module")
def bom(text: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(text)
    return content


def test_it_is_valid_cyclonedx(text: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_it_has_every_package_of_the_lock_with_its_hashes(bom: dict[str, Any]) -> None:
    locked = LOCK.read_text()
    expected = dict(PINNED.findall(locked))
    assert len(expected) > 40
    assert {each["name"]: each["version"] for each in bom["components"]} == expected
    hashes = {
        found["content"]
        for component in bom["components"]
        for reference in component["externalReferences"]
        for found in reference["hashes"]
    }
    assert hashes == set(re.findall(r"--hash=sha256:([0-9a-f]{64})", locked))


def test_it_is_about_this_version_of_the_operator(bom: dict[str, Any]) -> None:
    root = bom["metadata"]["component"]
    assert (root["name"], root["version"]) == ("model-operator", __version__)
    assert [each["license"]["id"] for each in root["licenses"]] == ["Apache-2.0"]
    (edges,) = [each["dependsOn"] for each in bom["dependencies"] if each["ref"] == root["bom-ref"]]
    assert len(edges) == len(bom["components"])


def test_it_is_the_same_each_time(text: str) -> None:
    assert bill() == text
    assert "timestamp" not in text
    assert "serialNumber" not in text
