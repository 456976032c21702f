"""docs/api.md has a line for every field of the kinds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hack.api_reference import fields
from model_operator.api import (
    ClusterModelTemplate,
    ClusterModelTemplateRevision,
    ModelInstance,
    ModelTemplate,
    ModelTemplateRevision,
    Resource,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "api.md"


def listed(kind: str) -> set[str]:
    """Give the paths that the document's tables of a kind have."""
    paths: set[str] = set()
    section = ""
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            section = line.removeprefix(f"### {kind}: ") if line.startswith(f"### {kind}: ") else ""
        elif section and (match := re.match(r"\| `(\w+)` \|", line)):
            paths.add(f"{section}.{match[1]}")
    return paths


@pytest.mark.parametrize(
    "resource",
    [ModelTemplate, ClusterModelTemplate, ModelInstance, ModelTemplateRevision, ClusterModelTemplateRevision],
)
def test_every_field_is_listed_with_its_meaning(resource: type[Resource]) -> None:
    found = [field for field in fields(resource) if field.path.startswith(("spec.", "status."))]
    kind = resource.__name__.removeprefix("Cluster")

    assert listed(kind) == {field.path for field in found}
    assert [field.path for field in found if not field.schema.get("description")] == []


def test_the_fields_of_a_list_s_items_and_of_the_template_s_open_parts_are_among_them() -> None:
    assert "spec.deployments[].vendor_configuration.min_workers" in listed("ModelInstance")
    assert "spec.pod_template.metadata" in listed("ModelTemplate")
