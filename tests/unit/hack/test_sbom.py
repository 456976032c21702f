"""The bill of materials names what the lock does, and is the same each time."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from hack.sbom import DOCKERFILE, LOCK, PINNED, base_image, bill
from model_operator import __version__


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
    libraries = [each for each in bom["components"] if each["type"] == "library"]
    assert {each["name"]: each["version"] for each in libraries} == expected
    hashes = {
        found["content"]
        for component in libraries
        for reference in component["externalReferences"]
        for found in reference["hashes"]
    }
    assert hashes == set(re.findall(r"--hash=sha256:([0-9a-f]{64})", locked))


def test_it_names_the_base_image_by_its_digest(bom: dict[str, Any]) -> None:
    (base,) = [each for each in bom["components"] if each["type"] == "container"]
    (digest,) = set(re.findall(r"@sha256:([0-9a-f]{64})", DOCKERFILE.read_text()))
    assert (base["name"], base["version"]) == ("python", "3.13-slim-trixie")
    assert [each["content"] for each in base["hashes"]] == [digest]


@pytest.mark.parametrize(
    "text", ["FROM python:3", "", f"FROM a:1@sha256:{64 * '0'}\nFROM b:1@sha256:{64 * '0'}"]
)
def test_another_base_than_one_with_a_digest_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="one base image with a digest"):
        base_image(text)


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
