"""When waiting for a roll-out has come to an end, and what is shown of it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from model_operator.core.inspection.rollout_view import (
    INSTANCES_STALLED,
    ROLLING_OUT,
    failing_lines,
    rollout_view,
)
from model_operator.core.status.rollout_counts import RolloutReason
from tests.unit.core.inspection.histories import TIME, template, with_status

NOW = datetime.datetime(2026, 1, 1, 0, 5, tzinfo=datetime.UTC)
LATEST, STABLE = "b" * 12, "a" * 12


def reported(
    reason: str,
    state: str | None = None,
    *,
    done: bool = False,
    stalled: bool = False,
    step: str = "",
    **fields: Any,
) -> dict[str, Any]:
    conditions = [
        {"type": "Ready", "status": str(not stalled), "reason": "Because", "message": "So it is."},
        {"type": "RolledOut", "status": str(done), "reason": reason, "message": "So far."},
    ]
    if stalled:
        conditions.append({**conditions[0], "type": "Stalled", "status": "True"})
    counts = {"instances": 6, "arrived": 2, "moving": 1, "failed": 0, "waiting": 2, "pinned": 1}
    rollout = {"revision": LATEST, "state": state, "started_at": TIME, **counts} | (
        {"step": step} if step else {}
    )
    status = {"conditions": conditions, "latest_revision": LATEST, "stable_revision": STABLE, **fields}
    obj = template(rollout={"steps": [{"name": "canary"}, {"name": "half"}]})
    return with_status(obj, **status, **({"rollout": rollout} if state else {}))


def terminating(obj: dict[str, Any]) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "deletionTimestamp": TIME}}


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (reported("AllUpdated", "COMPLETE", done=True), "complete"),
        (reported("NoInstances", done=True), "complete"),
        (reported("AllUpdated", "COMPLETE", done=True, observedGeneration=2), "pending"),
        (reported("RollingOut"), "under way"),
        (reported("RollingOut", "ROLLING_OUT"), "under way"),
        (reported("Soaking", "SOAKING"), "under way"),
        (reported("Paused", "PAUSED"), "under way"),
        (reported("AwaitingApproval", "AWAITING_APPROVAL"), "under way"),
        (reported("Halted", "HALTED"), "failed"),
        (reported("InstancesStalled", "ROLLING_OUT"), "failed"),
        (reported("InstancesStalled"), "failed"),
        (reported("InstancesStalled", "COMPLETE"), "failed"),
        (reported("RollingOut", "COMPLETE"), "under way"),
        (reported("TemplateInvalid", "COMPLETE", stalled=True), "failed"),
        (reported("RollingOut", "ROLLING_OUT", stalled=True), "failed"),
        (reported("PodTemplateRejected", "ROLLING_OUT"), "under way"),
        (terminating(reported("RollingOut", "ROLLING_OUT")), "terminating"),
        (template(), "under way"),
        ({**template(), "status": {}}, "pending"),
    ],
)
def test_outcome(given: dict[str, Any], outcome: str) -> None:
    assert rollout_view(given, NOW).outcome.value == outcome


def test_the_reason_is_that_of_the_operator() -> None:
    assert RolloutReason.INSTANCES_STALLED.value == INSTANCES_STALLED
    assert RolloutReason.ROLLING_OUT.value == ROLLING_OUT


@pytest.mark.parametrize(
    ("given", "title"),
    [
        (reported("RollingOut", "ROLLING_OUT"), "rolls out"),
        (reported("AwaitingApproval", "AWAITING_APPROVAL"), "awaits an approval"),
        (reported("Paused", "PAUSED"), "is paused"),
        (reported("Paused", "PAUSED", stalled=True), "does not roll out without an action"),
    ],
)
def test_the_title_says_what_holds_a_roll_out(given: dict[str, Any], title: str) -> None:
    assert rollout_view(given, NOW).title == f"ModelTemplate team-a/encoder {title}"


def test_all_that_is_known() -> None:
    view = rollout_view(reported("Soaking", "SOAKING", step="half"), NOW)

    assert (view.title, view.summary) == ("ModelTemplate team-a/encoder rolls out", "Soaking: So far.")
    assert view.parts == (
        ("What", "Soaking: So far."),
        ("Latest", f"{LATEST}, for 5m"),
        ("Stable", STABLE),
        ("State", "SOAKING in step half (2 of 4)"),
        ("Models", "6: 2 arrived, 1 moving, 0 failed, 2 waiting, 1 pinned"),
    )


def test_why_the_template_itself_is_stuck() -> None:
    view = rollout_view(reported("RollingOut", stalled=True), NOW)

    assert view.parts[-1] == ("Template", "Because: So it is.")
    assert rollout_view(reported("RollingOut", "ROLLING_OUT", step="gone"), NOW).parts[3] == (
        "State",
        "ROLLING_OUT in step gone",
    )


def test_before_the_operator_has_seen_it() -> None:
    view = rollout_view({**template(), "status": {}}, NOW)

    assert view.summary == "The operator has not reconciled generation 3 of the template yet."
    assert rollout_view(template(), NOW).summary == "The template has no RolledOut condition."


def model(
    name: str,
    revision: str = LATEST,
    *,
    stalled: bool = True,
    uid: str = "t1",
    reason: str = "CrashLooping",
) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "False", "reason": reason, "message": "It crashes."}]
    if stalled:
        conditions.append({**conditions[0], "type": "Stalled", "status": "True"})
    status = {"conditions": conditions, "template": {"uid": uid, "revision": revision}}
    return {"metadata": {"name": name, "namespace": "team-a"}, "status": status}


def test_which_instances_hold_it() -> None:
    others = [
        model("before", STABLE),
        model("moving", stalled=False),
        model("foreign", uid="t2"),
        model("withdrawn", reason="TemplateNotShared"),
        {"metadata": {"name": "fresh", "namespace": "team-a"}, "spec": {}},
    ]

    assert failing_lines(reported("Halted", "HALTED"), [*others, model("b"), model("a")]) == [
        "team-a/a: CrashLooping: It crashes.",
        "team-a/b: CrashLooping: It crashes.",
    ]
    many = failing_lines(reported("Halted", "HALTED"), [model(f"m{number}") for number in range(7)])
    assert (len(many), many[-1]) == (6, "and 2 more instances")
    assert failing_lines(template(), [model("a", "")]) == []
