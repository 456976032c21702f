"""What is kept of a revision, and which of them are deleted."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.revisions.kept import (
    collectable,
    is_genuine,
    kept_revision,
    newest_first,
    restored,
)
from model_operator.core.templates.revisions.objects import read_revision, revision_object
from tests.unit.controller.objects import template

STORED = {"uid": "r1", "resourceVersion": "7"}


def stored(**changes: Any) -> dict[str, Any]:
    """Return a revision as the API server has it, with other fields of its ``spec``."""
    obj = revision_object(template("embed"), 3)
    obj["metadata"] |= STORED
    obj["spec"] |= changes
    return obj


def test_it_can_be_restored() -> None:
    kept = kept_revision(stored())
    now = parse_template(template("embed", generation=9))

    found = read_revision(restored(kept), now.resource)

    assert is_genuine(kept)
    assert found is not None
    assert (found.revision, found.violations) == (kept["hash"], ())
    assert found.resource.metadata == now.resource.metadata
    assert kept["owner"] == "t1"
    assert kept_revision(kept) == kept


def _edited(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    obj = copy.deepcopy(stored())
    *inner, last = path
    place = obj
    for name in inner:
        place = place[name]
    place[last] = value
    return obj


def _nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(_edited(("spec", "template_spec", "model_type"), "CHAT"), id="another content"),
        pytest.param(_edited(("spec", "hash"), "000000000000"), id="another hash"),
        pytest.param(_edited(("metadata", "name"), "embed"), id="another name"),
        pytest.param(_edited(("spec", "template", "name"), "other"), id="of another template"),
        pytest.param(_edited(("spec", "template_spec", "pod_template"), _nested(5000)), id="too deep"),
        pytest.param(_edited(("spec", "template_spec", "pod_template"), {"x": "y" * 600_000}), id="large"),
        pytest.param(_edited(("spec", "template_spec"), []), id="no object"),
        pytest.param(_edited(("spec", "template"), None), id="no template"),
        pytest.param(_edited(("spec", "template", "name"), {}), id="no name"),
        pytest.param(_edited(("spec",), None), id="no spec"),
        pytest.param({"kind": "ModelTemplateRevision", "metadata": {"name": "embed-1"}}, id="nothing"),
    ],
)
def test_what_is_not_genuine_is_kept_without_its_content(obj: dict[str, Any]) -> None:
    kept = kept_revision(obj)

    assert not is_genuine(kept)
    assert len(str(kept)) < 1000
    assert kept_revision(kept) == kept


def numbered(number: int, owner: str | None = "t1") -> dict[str, Any]:
    return {"metadata": {"name": f"r{number}"}, "hash": f"h{number}", "number": number, "owner": owner}


REVISIONS = [numbered(number) for number in (3, 1, 5, 2, 4)]


@pytest.mark.parametrize(
    ("in_use", "limit", "expected"),
    [
        (set(), 10, []),
        (set(), 5, []),
        (set(), 2, [3, 2, 1]),
        ({"h5"}, 2, [2, 1]),
        ({"h5", "h1"}, 0, [4, 3, 2]),
        ({"h1", "h2", "h3", "h4", "h5"}, 0, []),
    ],
)
def test_those_in_use_are_kept_and_the_newest_of_the_others(
    in_use: set[str], limit: int, expected: list[int]
) -> None:
    assert [each["number"] for each in collectable(REVISIONS, "t1", in_use, limit)] == expected


def test_those_of_others_are_never_deleted() -> None:
    found = [numbered(4), numbered(3, owner=None), numbered(2, owner="t0"), numbered(1)]
    assert [each["number"] for each in collectable(found, "t1", set(), 0)] == [4, 1]


def test_those_from_files_come_last() -> None:
    assert [each["number"] for each in newest_first([numbered(0, None), *REVISIONS])] == [5, 4, 3, 2, 1, 0]
