"""Which revision an instance runs while its template rolls out in steps."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.api import ModelInstance
from model_operator.core.objects.conditions import Hold
from model_operator.core.rollouts.course import Course, assign_in_course, is_decided_in_steps, to_reconcile
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from tests.unit.controller.objects import template

DEMO = FollowerKey("team", "demo")
WAITS, HALTED = Hold.AWAITING_ROLLOUT, Hold.ROLLOUT_HALTED
CALM, BROKEN = Course("new", "old"), Course("new", "old", admits_new=False, is_halted=True)
PAUSED = Course("new", "old", admits_new=False)
FIRST, LATER_PAUSED = Course("new"), Course("new", admits_new=False)
GRANTED, RETURN = Course("new", "old", frozenset({DEMO})), Course("old", "old", admits_new=False)


@pytest.mark.parametrize(
    ("course", "current", "expected"),
    [
        pytest.param(CALM, "new", ("new", None), id="has it"),
        pytest.param(BROKEN, "new", ("new", None), id="has it while halted"),
        pytest.param(CALM, "old", ("old", WAITS), id="waits"),
        pytest.param(CALM, "older", ("older", WAITS), id="waits where an earlier roll-out left it"),
        pytest.param(PAUSED, "old", ("old", WAITS), id="paused"),
        pytest.param(BROKEN, "old", ("old", HALTED), id="halted"),
        pytest.param(GRANTED, "old", ("new", None), id="granted"),
        pytest.param(CALM, "", ("new", None), id="a new one"),
        pytest.param(BROKEN, "", ("old", HALTED), id="a new one while halted"),
        pytest.param(PAUSED, "", ("old", WAITS), id="a new one while paused"),
        pytest.param(LATER_PAUSED, "", ("new", None), id="a new one with nothing else to run"),
        pytest.param(RETURN, "new", ("new", WAITS), id="the way back is paused, too"),
        pytest.param(Course("new", "old", is_stepped=False), "old", ("new", None), id="all at once"),
    ],
)
def test_one_that_follows_latest(course: Course, current: str, expected: tuple[str, Hold | None]) -> None:
    assert course.revision_of(DEMO, current) == expected


@pytest.mark.parametrize(
    ("course", "current", "expected"),
    [
        pytest.param(CALM, "", ("old", WAITS), id="a new one"),
        pytest.param(FIRST, "", ("new", None), id="a new one with nothing stable"),
        pytest.param(CALM, "old", ("old", WAITS), id="waits"),
        pytest.param(CALM, "pinned", ("old", WAITS), id="one that was pinned"),
        pytest.param(FIRST, "pinned", ("pinned", WAITS), id="one that was pinned with nothing stable"),
        pytest.param(CALM, "new", ("new", None), id="one that followed latest"),
        pytest.param(GRANTED, "old", ("new", None), id="granted"),
        pytest.param(Course("new", "old", is_stepped=False), "old", ("old", WAITS), id="after all at once"),
    ],
)
def test_one_that_follows_stable(course: Course, current: str, expected: tuple[str, Hold | None]) -> None:
    assert course.revision_of(DEMO, current, follows_stable=True) == expected


def test_a_grant_is_for_one_instance() -> None:
    assert GRANTED.revision_of(FollowerKey("other", "demo"), "old") == ("old", WAITS)


def compiled(**spec: Any) -> CompiledTemplate:
    obj = template("embed")
    return parse_template({**obj, "spec": {**obj["spec"], **spec}})


OLD, NEW = compiled(), compiled(endpoint_type="BATCH", rollout={})


class Stored:
    def __init__(self, *revisions: CompiledTemplate) -> None:
        self.revisions = revisions

    def latest(self, template: CompiledTemplate) -> CompiledTemplate | None:
        del template
        return self.revisions[-1]

    def by_hash(self, template: CompiledTemplate, revision: str) -> CompiledTemplate | None:
        del template
        return next((each for each in self.revisions if each.revision == revision), None)

    def stable(self, template: CompiledTemplate) -> str:
        del template
        return self.revisions[0].revision


def instance(revision: str | None = None) -> ModelInstance:
    pin = {} if revision is None else {"model_template_revision": revision}
    return ModelInstance.model_validate(
        {"metadata": {"name": "demo", "namespace": "team"}, "spec": {"model_template_id": "embed", **pin}}
    )


def test_one_that_waits_keeps_its_revision_and_may_have_what_moves_nothing() -> None:
    course = Course(NEW.revision, OLD.revision)
    found = assign_in_course(instance(), NEW, Stored(OLD, NEW), course, OLD.revision)
    assert (found.template, found.latest, found.hold, found.ahead) == (OLD, NEW.revision, WAITS, NEW)


@pytest.mark.parametrize(
    ("course", "pin"),
    [
        pytest.param(Course(NEW.revision, OLD.revision, admits_new=False), None, id="paused"),
        pytest.param(Course(NEW.revision, OLD.revision), "stable", id="stable"),
    ],
)
def test_one_that_may_not_move_has_nothing_ahead(course: Course, pin: str | None) -> None:
    found = assign_in_course(instance(pin), NEW, Stored(OLD, NEW), course, OLD.revision)
    assert (found.template, found.ahead) == (OLD, None)


def test_one_whose_revision_was_deleted_has_none() -> None:
    course = Course(NEW.revision, OLD.revision)
    found = assign_in_course(instance(), NEW, Stored(OLD, NEW), course, "0" * 12)
    assert (found.template, found.hold) == (None, WAITS)


def test_a_pin_and_an_edit_for_all_at_once_take_no_part_in_it() -> None:
    course = Course(NEW.revision, OLD.revision)
    pinned = assign_in_course(instance(OLD.revision), NEW, Stored(OLD, NEW), course, NEW.revision)
    assert (pinned.template, pinned.hold) == (OLD, None)
    at_once = assign_in_course(instance(), NEW, Stored(OLD, NEW), None, OLD.revision)
    assert (at_once.template, at_once.hold) == (NEW, None)


def test_steps_decide_on_those_that_follow_a_template_with_steps_or_its_stable_revision() -> None:
    unreadable = parse_template({**template("embed"), "spec": {"model_type": 5}})
    assert unreadable.resource.spec is None
    assert is_decided_in_steps(instance(), NEW)
    assert is_decided_in_steps(instance("latest"), unreadable)
    assert is_decided_in_steps(instance("stable"), OLD)
    assert not is_decided_in_steps(instance(), OLD)
    assert not is_decided_in_steps(instance("0" * 12), NEW)


def test_a_decision_concerns_those_that_it_grants_and_those_of_which_it_says_more() -> None:
    keys = [FollowerKey("team", name) for name in "abc"]
    followers = [
        Follower(key, revision, {}) for key, revision in zip(keys, ("new", "old", "old"), strict=True)
    ]
    one, two = Course("new", "old", frozenset(keys[1:2])), Course("new", "old", frozenset(keys[1:]))
    assert to_reconcile(None, one, followers) == set(keys[1:2])
    assert to_reconcile(one, two, followers) == set(keys[2:])
    assert to_reconcile(two, two, followers) == set()
    assert to_reconcile(two, CALM, followers) == set()
    for changed in (PAUSED, BROKEN, Course("new", "new"), Course("new", "old", is_stepped=False)):
        assert to_reconcile(two, changed, followers) == set(keys[1:])
