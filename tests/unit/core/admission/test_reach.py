"""What the author of an edit of a template reads: who gets it at once, in steps, later, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from model_operator.api import Rollout
from model_operator.core.admission.reach import Reach
from model_operator.core.rollouts.advance import advance
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.policy import policy_of

OLD, NEW = "0" * 12, "f" * 12
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOO_MANY = "spec.rollout.max_failures: is not less than max_unavailable of"
HALTS = (
    "failed instances use it up, so fewer failures halt the roll-out there; lower max_failures, or raise "
    "max_unavailable"
)
AT_ONCE = "this change at once, as"
PINNED = "1 instance pinned to another revision does not get it"
CANARY: dict[str, Any] = {"name": "canary", "namespaces": ["staging"]}


def fleet(count: int, namespace: str = "prod", **fields: Any) -> list[Follower]:
    one = Follower(FollowerKey(namespace, ""), OLD, {}, is_ready=True)
    return [replace(one, key=FollowerKey(namespace, f"m{index:02}"), **fields) for index in range(count)]


def reach(followers: Sequence[Follower], rollout: Any = None, *, stable: str = OLD, **fields: Any) -> Reach:
    policy = policy_of(None if rollout is None else Rollout.model_validate(rollout))
    progress = advance(policy, NEW, stable, followers, NOW)
    fields = {"is_new": True, "was_stepped": True, "restarting": {each.key for each in followers}, **fields}
    return Reach(policy, NEW, stable, followers=followers, progress=progress, **fields)


MOVED: dict[str, Any] = {"revision": NEW}
STALLED = {**MOVED, "is_ready": False, "is_stalled": True}


@pytest.mark.parametrize(
    ("followers", "rollout", "fields", "expected"),
    [
        pytest.param([], None, {}, "", id="no instance"),
        pytest.param([], {}, {}, "", id="no instance, in steps"),
        pytest.param(fleet(1), None, {}, "this change restarts the pods of 1 instance", id="at once"),
        pytest.param(fleet(3), None, {"restarting": ()}, "", id="at once, no pods"),
        pytest.param(
            fleet(3),
            None,
            {"is_complete": False, "pinned": 2},
            "this change restarts the pods of at least 3 instances; at least 2 instances pinned to another "
            "revision do not get it",
            id="at once, not all counted",
        ),
        pytest.param(
            fleet(2) + fleet(1, "late", follows_stable=True),
            None,
            {"pinned": 1},
            "this change restarts the pods of 2 instances; 1 instance that follows the stable revision gets "
            "it last; 1 instance pinned to another revision does not get it",
            id="at once, followed by the stable revision",
        ),
        pytest.param(
            fleet(2, follows_stable=True),
            None,
            {},
            "this change restarts no pods now; 2 instances that follow the stable revision get it last",
            id="only followers of the stable revision",
        ),
        pytest.param(
            fleet(20) + fleet(2, "staging") + fleet(3, "late", follows_stable=True),
            {"steps": [CANARY]},
            {"pinned": 1, "restarting": {each.key for each in fleet(20)}},
            "22 instances get this change in steps, first 1 of 2 in step canary; 3 instances that follow the "
            "stable revision get it last; it restarts the pods of 20 instances; 1 instance pinned to another "
            "revision does not get it",
            id="in steps",
        ),
        pytest.param(
            fleet(25),
            {"steps": [CANARY]},
            {"restarting": ()},
            "25 instances get this change in steps, first 2 of 25 in step remaining",
            id="in steps, the first of which is empty",
        ),
        pytest.param(
            fleet(3),
            {"steps": [{**CANARY, "needs_approval": True}]},
            {"restarting": ()},
            "step canary needs the approval of this change; 3 instances wait",
            id="an empty step that needs approval",
        ),
        pytest.param(
            fleet(2) + fleet(1, "late", follows_stable=True),
            {"paused": True},
            {},
            "no instance gets this change while spec.rollout.paused is true: 3 instances wait",
            id="paused",
        ),
        pytest.param(
            fleet(1, **STALLED) + fleet(5, "late"),
            {},
            {"restarting": ()},
            "no instance gets this change: halted, as 1 instance has failed at it; 5 instances wait",
            id="back to a revision that failed",
        ),
        pytest.param(
            fleet(8) + fleet(1, "late", follows_stable=True) + fleet(1, "same", **MOVED),
            {},
            {"stable": NEW},
            "9 instances get this change at once, without steps, as it is the stable revision; it restarts "
            "the pods of 9 instances",
            id="back to the stable revision",
        ),
        pytest.param(
            fleet(2) + fleet(1, "late", follows_stable=True),
            None,
            {"stable": NEW, "was_stepped": False},
            "this change restarts the pods of 3 instances",
            id="back to the stable revision, of a template that has no steps",
        ),
        pytest.param(
            fleet(8) + fleet(1, "late", follows_stable=True),
            None,
            {"stable": NEW, "was_stepped": False},
            "this change restarts the pods of 9 instances",
            id="back to the stable revision, where there are no steps",
        ),
        pytest.param(
            fleet(9),
            {"paused": True},
            {"stable": NEW, "restarting": ()},
            "no instance gets this change while spec.rollout.paused is true: 9 instances wait",
            id="back to the stable revision, paused",
        ),
        pytest.param(
            fleet(9, **MOVED),
            {},
            {"pinned": 1},
            "this change changes no instance, as all that are not pinned run its revision already",
            id="back before any has left",
        ),
        pytest.param(
            [],
            None,
            {"pinned": 1},
            "this change reaches no instance: 1 instance is pinned to another revision",
            id="all pinned",
        ),
    ],
)
def test_an_edit_of_the_models(followers: Any, rollout: Any, fields: Any, expected: str) -> None:
    assert reach(followers, rollout, **fields).sentence() == expected


@pytest.mark.parametrize(
    ("followers", "rollout", "expected"),
    [
        pytest.param(fleet(3, **MOVED), {}, ", so no instance changes", id="complete"),
        pytest.param(fleet(3, **MOVED), None, ", so no instance changes", id="complete, without steps"),
        pytest.param(
            fleet(3, **MOVED) + fleet(20, "late"),
            None,
            "; 20 instances get the latest one at once",
            id="rollout removed in the middle",
        ),
        pytest.param(
            fleet(1, **MOVED, arrived_at=NOW) + fleet(20, "late"),
            {},
            "; 20 instances get the latest one in steps, now in step remaining",
            id="in the middle",
        ),
        pytest.param(
            fleet(2, "staging", **MOVED, arrived_at=NOW) + fleet(1, "late", follows_stable=True),
            {"steps": [CANARY]},
            "; the latest one soaks in step canary; 1 instance waits; 1 instance that follows the stable "
            "revision gets it last",
            id="soaking",
        ),
        pytest.param(
            fleet(2, "staging", **MOVED, arrived_at=NOW) + fleet(4, "late"),
            {"steps": [{**CANARY, "needs_approval": True, "soak_seconds": 0}]},
            "; step canary needs the approval of the latest one; 4 instances wait",
            id="to be approved",
        ),
        pytest.param(
            fleet(2, "staging", **MOVED, arrived_at=NOW) + fleet(4, "late"),
            {"approved": NEW, "steps": [{**CANARY, "needs_approval": True, "soak_seconds": 0}]},
            "; 4 instances get the latest one in steps, now in step remaining",
            id="approved by this edit",
        ),
        pytest.param(
            fleet(1, **MOVED) + fleet(20, "late"),
            {"paused": True},
            "; no instance gets the latest one while spec.rollout.paused is true: 20 instances wait",
            id="paused by this edit",
        ),
        pytest.param(
            fleet(1, **STALLED) + fleet(20, "late"),
            {"max_unavailable": 2},
            "; no instance gets the latest one: halted, as 1 instance has failed at it; 20 instances wait",
            id="halted",
        ),
        pytest.param(
            fleet(1, **STALLED) + fleet(20, "late"),
            {"max_unavailable": 2, "max_failures": 1},
            "; 20 instances get the latest one in steps, now in step remaining",
            id="no longer halted, by this edit",
        ),
    ],
)
def test_an_edit_that_is_not_about_models(followers: Any, rollout: Any, expected: str) -> None:
    said = reach(followers, rollout, is_new=False, pinned=1).sentence()
    assert said == f"this change makes no new revision{expected}"
    assert reach([], rollout, is_new=False).sentence() == ""


def test_instances_that_catch_up_without_steps_do_so_whatever_the_edit_is() -> None:
    said = reach(fleet(3), None, is_new=False, was_stepped=False).sentence()
    assert said == "this change makes no new revision, so no instance changes"


@pytest.mark.parametrize(
    ("count", "fields", "expected"),
    [
        pytest.param(0, {"unchanged": 1}, f"1 instance gets {AT_ONCE} its objects stay the same", id="one"),
        pytest.param(
            0,
            {"unchanged": 2, "pinned": 1},
            f"2 instances get {AT_ONCE} their objects stay the same; {PINNED}",
            id="all that follow",
        ),
        pytest.param(
            1,
            {"unchanged": 2, "pinned": 1},
            "1 instance gets this change in steps, first 1 of 3 in step remaining; it restarts the pods of 1 "
            f"instance; 2 instances get {AT_ONCE} their objects stay the same; {PINNED}",
            id="some",
        ),
    ],
)
def test_instances_whose_objects_stay_the_same_need_no_step(count: int, fields: Any, expected: str) -> None:
    unchanged = fleet(fields["unchanged"], "same", **MOVED, arrived_at=NOW)
    assert reach([*fleet(count), *unchanged], {}, **fields).sentence() == expected


def test_steps_that_select_none_and_failures_that_exceed_a_percentage() -> None:
    late = {"name": "late", "namespaces": ["late"], "needs_approval": True}
    found = reach(fleet(12), {"max_failures": 1, "steps": [CANARY, late]})

    assert [str(each) for each in found.advice()] == [
        "spec.rollout.steps[0]: step canary selects no instance",
        "spec.rollout.steps[1]: step late selects no instance; its approval is needed all the same",
        f"{TOO_MANY} step remaining (1 instance): {HALTS}",
    ]
    assert list(replace(found, is_complete=False).advice()) == []
    assert list(reach([], {"steps": [CANARY]}).advice()) == []


def test_deployments_that_name_the_latest_revision_do_not_wait() -> None:
    in_steps = reach(fleet(4), {}, ahead=1, restarting=()).sentence()
    assert in_steps.split("; ") == [
        "4 instances get this change in steps, first 1 of 4 in step remaining",
        "1 deployment that names latest gets it at once",
    ]
    assert reach([], {}, ahead=2, pinned=1).sentence().split("; ") == [
        "this change reaches no instance: 1 instance is pinned to another revision",
        "2 deployments that name latest get it at once",
    ]
