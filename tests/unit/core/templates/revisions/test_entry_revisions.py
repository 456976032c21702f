"""Which revision a deployment runs that names one of its own, whatever the instance follows."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.api import ModelInstance
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.revisions.assignment import assign_revision, missing_revisions
from model_operator.core.templates.revisions.entry_revisions import (
    entries_behind,
    named_revisions,
    reported_revisions,
    templates_used,
)
from tests.unit.controller.objects import broken, template

FIRST, SECOND, THIRD = (parse_template(template("embed", generation=number)) for number in (1, 2, 3))
BROKEN = parse_template(broken(generation=4))
ABSENT = "0" * 12


class Stored:
    """The stored revisions of one template, the latest one last, and which of them is the stable one."""

    def __init__(self, *stored: CompiledTemplate, stable: str = "") -> None:
        self._stored = {each.revision: each for each in stored}
        self._stable = stable

    def latest(self, template: CompiledTemplate) -> CompiledTemplate | None:
        del template
        return next(reversed(self._stored.values()), None)

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        del template
        return self._stored.get(revision)

    def stable(self, template: CompiledTemplate) -> str:
        del template
        return self._stable


def instance(own: str | None = None, *pins: str | None) -> ModelInstance:
    """Return an instance with this pin, and entries `d0`, `d1`, … with those."""
    entries = [
        {"name": f"d{number}", "model_template_revision": pin} if pin else {"name": f"d{number}"}
        for number, pin in enumerate(pins)
    ]
    spec = {"model_template_id": "embed", "model_template_revision": own, "deployments": entries or None}
    return ModelInstance.model_validate({"metadata": {"name": "demo", "namespace": "team"}, "spec": spec})


ALL = Stored(FIRST, SECOND, THIRD, stable=SECOND.revision)


@pytest.mark.parametrize(
    ("pin", "now", "stored", "expected"),
    [
        pytest.param("latest", THIRD, ALL, THIRD, id="latest"),
        pytest.param("latest", BROKEN, ALL, THIRD, id="the latest valid one"),
        pytest.param("latest", FIRST, Stored(), FIRST, id="latest, nothing stored"),
        pytest.param("stable", THIRD, ALL, SECOND, id="stable"),
        pytest.param("stable", THIRD, Stored(FIRST, THIRD), THIRD, id="no stable one yet"),
        pytest.param("stable", THIRD, Stored(THIRD, stable=ABSENT), THIRD, id="the stable one is lost"),
        pytest.param("stable", BROKEN, ALL, SECOND, id="stable while the template is broken"),
        pytest.param(FIRST.revision, THIRD, ALL, FIRST, id="hash"),
        pytest.param(THIRD.revision, THIRD, Stored(THIRD), THIRD, id="hash of the latest one"),
        pytest.param(ABSENT, THIRD, ALL, None, id="missing"),
    ],
)
@pytest.mark.parametrize("own", [None, "latest", "stable", FIRST.revision, ABSENT])
def test_the_revision_of_an_entry_depends_on_nothing_of_the_instance(
    own: str | None, pin: str, now: CompiledTemplate, stored: Stored, expected: CompiledTemplate | None
) -> None:
    found = assign_revision(instance(own, pin, None), now, stored).pinned
    assert found == ({} if expected is None else {"d0": expected})


@pytest.mark.parametrize(
    ("own", "expected"),
    [(None, THIRD), ("latest", THIRD), ("stable", SECOND), (FIRST.revision, FIRST), (ABSENT, THIRD)],
)
def test_the_others_have_that_of_the_instance(own: str | None, expected: CompiledTemplate) -> None:
    assigned = assign_revision(instance(own, "latest", None), THIRD, ALL)
    assert assigned.template is expected
    assert assigned.latest == THIRD.revision


@pytest.mark.parametrize(
    ("pins", "expected"),
    [
        ([None, "latest", "stable", FIRST.revision], []),
        ([None, ABSENT, FIRST.revision, ABSENT], [1, 3]),
    ],
)
def test_the_entries_whose_revision_is_missing(pins: list[str | None], expected: list[int]) -> None:
    obj = instance(None, *pins)
    assigned = assign_revision(obj, THIRD, ALL)
    missing = missing_revisions(obj, THIRD, assigned.pinned)
    assert [*missing] == [("spec", "deployments", index, "model_template_revision") for index in expected]


def test_a_revision_that_only_the_instance_has_is_not_missing() -> None:
    # As before the template's first revision is stored.
    assert not missing_revisions(instance(None, THIRD.revision), THIRD, {})


@pytest.mark.parametrize(
    ("pins", "expected"),
    [
        ([None, "latest", THIRD.revision], []),
        ([None, FIRST.revision, "stable", ABSENT, "latest"], [1, 2, 3]),
    ],
)
def test_the_entries_that_run_another_revision_than_the_latest(
    pins: list[str | None], expected: list[int]
) -> None:
    obj = instance(FIRST.revision, *pins)
    pinned = assign_revision(obj, THIRD, ALL).pinned
    assert [index for index, _ in entries_behind(obj, pinned, THIRD.revision)] == expected


def test_the_revisions_in_use() -> None:
    for pins, expected in [
        ((), [THIRD]),
        ((None, "stable", "stable"), [THIRD, SECOND]),
        (("latest", "latest"), [THIRD]),
        ((FIRST.revision,), [FIRST]),
    ]:
        obj = instance(None, *pins)
        assigned = assign_revision(obj, THIRD, ALL)
        assert templates_used(obj, THIRD, assigned.pinned) == expected


def test_what_objects_name() -> None:
    obj: dict[str, Any] = {
        "spec": {
            "model_template_revision": "a",
            "deployments": [
                {"model_template_revision": "b"},
                {"name": "x"},
                3,
                {"model_template_revision": 1},
            ],
        },
        "status": {
            "template": {"revision": "c"},
            "deployments": [{"template_revision": "d"}, {"template_revision": None}],
        },
    }
    assert (named_revisions(obj), reported_revisions(obj)) == ({"a", "b"}, {"c", "d"})
    for odd in ({}, {"spec": 1, "status": []}, {"spec": {"deployments": {}}, "status": {"template": 1}}):
        assert (named_revisions(odd), reported_revisions(odd)) == (set(), set())
