"""What makes an Event, and what it says."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from model_operator.core.reasons.reasons import Reason
from model_operator.core.status.events import (
    Event,
    EventReason,
    EventType,
    ObjectRef,
    event_object,
    event_reasons_table,
    instance_events,
    own_ref,
    template_events,
)
from model_operator.core.status.template import TemplateReason

DEMO = own_ref("ModelInstance", {"namespace": "team", "name": "demo", "uid": "i1"})
EMBED = own_ref("ModelTemplate", {"namespace": "team", "name": "embed", "uid": "t1"})
DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "team", "demo", "d1")


def status(reason: str | None = None, message: str = "so it is", **more: Any) -> dict[str, Any]:
    """Return the status of an instance with a reason of Ready; `available` and `stalled` by keyword."""
    conditions = []
    if more.pop("stalled", False):
        conditions.append({"type": "Stalled", "status": "True", "reason": reason})
    if reason is not None:
        ready = reason in ("RolledOut", "ScaledToZero", "NotDeployed", "TemplateValid")
        conditions.append({"type": "Ready", "status": str(ready), "reason": reason, "message": message})
    available = more.pop("available", None)
    if available is not None:
        said = "At least one worker is available." if available else "No worker is available."
        conditions.append({"type": "Available", "status": str(available), "message": said})
    return {"conditions": conditions, **more}


def told(events: Any) -> list[tuple[str, str, str, str]]:
    return [(event.type.value, event.reason, event.action, event.note) for event in events]


RECONCILED = ("Reconciling", "so it is")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, status("Deploying"), [("Normal", "Deploying", *RECONCILED)]),
        (status("Deploying"), status("RolledOut"), [("Normal", "RolledOut", *RECONCILED)]),
        (status("Deploying"), status("QuotaExceeded"), [("Warning", "QuotaExceeded", *RECONCILED)]),
        # Within the grace period there is nothing to report, at its end there is.
        ({}, status("TemplateNotFound"), []),
        (status("RolledOut"), status("InvalidParameters"), []),
        (status("InvalidParameters"), status("Deploying"), [("Normal", "Deploying", *RECONCILED)]),
        (
            status("TemplateNotFound"),
            status("TemplateNotFound", stalled=True),
            [("Warning", "TemplateNotFound", *RECONCILED)],
        ),
        (
            status("NameConflict", stalled=True),
            status("InvalidParameters", stalled=True),
            [("Warning", "InvalidParameters", *RECONCILED)],
        ),
        (status("NameConflict", stalled=True), status("NameConflict"), []),
        (status("RolledOut"), status("Terminating"), [("Normal", "Terminating", *RECONCILED)]),
        # Only the words, or something else than Ready.
        (status("Deploying", "1 of 3"), status("Deploying", "2 of 3"), []),
        (status("RolledOut"), status("RolledOut", ready_replicas=3), []),
        (status("RolledOut", available=False), status("RolledOut", available=True), []),
        # Serving ends.
        (
            status("Deploying", available=True),
            status("Deploying", available=False),
            [("Warning", "NotServing", "Reconciling", "No worker is available.")],
        ),
        (
            status("RolledOut", available=True),
            status("ScaledToZero", available=False),
            [("Normal", "ScaledToZero", *RECONCILED)],
        ),
        (
            status("RolledOut", available=True),
            status("Terminating", available=False),
            [("Normal", "Terminating", *RECONCILED)],
        ),
        ({}, status("Deploying", available=False), [("Normal", "Deploying", *RECONCILED)]),
    ],
)
def test_instance(before: dict[str, Any], after: dict[str, Any], expected: list[Any]) -> None:
    assert told(instance_events(DEMO, before, after)) == expected
    assert told(instance_events(DEMO, after, after)) == []


VALIDATED = ("Validating", "so it is")
NOTE = "Revision 2222 affects {}; see condition RolledOut for progress."
FIRST, SECOND = {"latest_revision": "1111"}, {"latest_revision": "2222"}
EDITED = ("Normal", "TemplateEdited", "Editing")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            {"observedGeneration": -1},
            status("TemplateValid", observedGeneration=1, instance_count=2),
            [("Normal", "TemplateValid", *VALIDATED)],
        ),
        (
            status("TemplateValid", observedGeneration=1, **FIRST),
            status("TemplateInvalid", observedGeneration=2, instance_count=2, stalled=True, **FIRST),
            [("Warning", "TemplateInvalid", *VALIDATED)],
        ),
        (
            status("TemplateValid", observedGeneration=1, **FIRST),
            status("TemplateValid", observedGeneration=2, instance_count=2, **SECOND),
            [(*EDITED, NOTE.format("2 instances"))],
        ),
        # By an upgrade from a version without revisions.
        (
            status("TemplateValid", observedGeneration=2),
            status("TemplateValid", observedGeneration=2, instance_count=2, **FIRST),
            [],
        ),
        # What concerns no instance.
        (
            status("TemplateValid", observedGeneration=1, instance_count=2, **FIRST),
            status("TemplateValid", observedGeneration=2, instance_count=2, **FIRST),
            [],
        ),
        (
            status("TemplateInvalid", observedGeneration=1, stalled=True, **FIRST),
            status("TemplateValid", observedGeneration=2, instance_count=1, **SECOND),
            [
                ("Normal", "TemplateValid", *VALIDATED),
                (*EDITED, NOTE.format("1 instance")),
            ],
        ),
        (
            status("TemplateValid", observedGeneration=1, **FIRST),
            status("TemplateValid", observedGeneration=2, instance_count=0, **SECOND),
            [],
        ),
        (
            status("TemplateValid", observedGeneration=2, instance_count=1, **FIRST),
            status("TemplateValid", observedGeneration=2, instance_count=9, **FIRST),
            [],
        ),
    ],
)
def test_template(before: dict[str, Any], after: dict[str, Any], expected: list[Any]) -> None:
    assert told(template_events(EMBED, before, after)) == expected


STARTED, LATER = "2026-01-01T09:00:00Z", "2026-01-01T09:05:00Z"


def rolling(
    state: str, step: str | None = None, *, revision: str = "2222", stable: str = "1111", since: str = STARTED
) -> dict[str, Any]:
    """Return the status of a template whose roll-out began at `STARTED`; RolledOut is as it is `since`."""
    is_done = state == "COMPLETE"
    rollout = {"revision": revision, "state": state, "started_at": STARTED, "instances": 3, "pinned": 0}
    rollout["arrived"] = 3 if is_done else 0
    rolled_out = {"type": "RolledOut", "status": str(is_done), "lastTransitionTime": since, "message": state}
    return {
        "latest_revision": revision,
        "stable_revision": stable,
        "instance_count": 3,
        "conditions": [rolled_out],
        "rollout": rollout | ({"step": step} if step else {}),
    }


def test_the_end_of_a_roll_out_says_no_number_that_is_not_final() -> None:
    done = rolling("COMPLETE", stable="2222", since=LATER)
    done["rollout"] |= {"instances": 30, "arrived": 21, "pinned": 5}
    (event,) = template_events(EMBED, rolling("SOAKING", "remaining"), done)
    assert event.note == (
        "Revision 2222 is the stable one from now on. "
        "4 of 25 instances are not ready at it yet, and delay no roll-out."
    )
    done["rollout"]["arrived"] = 25
    (event,) = template_events(EMBED, rolling("SOAKING", "remaining"), done)
    assert event.note == "Revision 2222 is the stable one from now on."


EMPTY = rolling("AWAITING_APPROVAL", "canary")
EMPTY["rollout"]["instances"] = 0
LIFE = [
    (rolling("COMPLETE", revision="1111"), []),
    (rolling("ROLLING_OUT", "canary"), ["TemplateEdited"]),
    (rolling("ROLLING_OUT", "canary"), []),
    (rolling("SOAKING", "canary"), ["RolloutSoaking"]),
    (rolling("AWAITING_APPROVAL", "canary"), ["RolloutAwaitingApproval"]),
    (rolling("ROLLING_OUT", "remaining"), ["RolloutStep"]),
    (rolling("PAUSED", "remaining"), ["RolloutPaused"]),
    (rolling("ROLLING_OUT", "remaining"), ["RolloutStep"]),
    (rolling("HALTED", "remaining"), ["RolloutHalted"]),
    (rolling("ROLLING_OUT", "remaining"), ["RolloutStep"]),
    (rolling("SOAKING", "remaining"), ["RolloutSoaking"]),
    (rolling("COMPLETE", stable="2222", since=LATER), ["RolloutComplete"]),
    # An instance that is edited, or breaks, after the roll-out is no part of it.
    (rolling("ROLLING_OUT", "remaining", stable="2222", since=LATER), []),
    (rolling("COMPLETE", stable="2222", since=LATER), []),
]
BACK = [
    (rolling("HALTED", "canary", revision="3333", stable="2222"), []),
    (rolling("ROLLING_OUT", "canary", stable="2222"), ["TemplateEdited"]),
    (rolling("COMPLETE", stable="2222", since=LATER), ["RolloutComplete"]),
]
FIRST_WORDS: list[Any] = [
    # By an upgrade, or of a new template.
    ({"latest_revision": "2222", "instance_count": 3}, []),
    (rolling("HALTED", "canary"), []),
]
OF_NONE: list[Any] = [(rolling("ROLLING_OUT", "canary"), []), (EMPTY, [])]


@pytest.mark.parametrize("life", [LIFE, BACK, FIRST_WORDS, OF_NONE], ids=["life", "back", "first", "empty"])
def test_each_change_of_step_and_state_of_a_roll_out_is_an_event(life: Any) -> None:
    for (before, _), (after, expected) in itertools.pairwise(life):
        found = told(template_events(EMBED, before, after))

        assert [reason for _, reason, _, _ in found] == expected
        for kind, reason, action, note in found:
            assert kind == ("Warning" if reason == "RolloutHalted" else "Normal")
            if reason not in ("TemplateEdited", "RolloutComplete"):
                assert (action, note) == ("RollingOut", after["rollout"]["state"])


@pytest.mark.parametrize("message", ["x" * 2000, "ü" * 600, "x" + "ü" * 600, "字" * 400])
def test_note_is_cut_to_the_bytes_that_the_api_server_takes(message: str) -> None:
    (event,) = instance_events(DEMO, {}, status("Deploying", message))
    assert 1018 <= len(event.note.encode()) <= 1024
    assert event.note.endswith("…")
    assert message.startswith(event.note[:-1])


def test_object() -> None:
    event = Event(DEMO, EventType.NORMAL, "ChildCreated", "Creating", "Created Deployment demo.", DEPLOYMENT)
    obj = event_object(event, name="demo.1", time="T1", instance="pod", controller="model-operator")
    assert obj == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "demo.1", "namespace": "team"},
        "eventTime": "T1",
        "reportingController": "model-operator",
        "reportingInstance": "pod",
        "type": "Normal",
        "reason": "ChildCreated",
        "action": "Creating",
        "note": "Created Deployment demo.",
        "regarding": {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelInstance",
            "namespace": "team",
            "name": "demo",
            "uid": "i1",
        },
        "related": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "namespace": "team",
            "name": "demo",
            "uid": "d1",
        },
    }


def test_object_of_a_series_about_a_cluster_scoped_object() -> None:
    regarding = own_ref("ClusterModelTemplate", {"name": "embed", "uid": "t1"})
    event = Event(regarding, EventType.WARNING, "TemplateInvalid", "Validating", "no")
    obj = event_object(event, name="e", time="T1", instance="i", controller="c", count=3, last="T2")
    assert obj["metadata"]["namespace"] == "default"
    assert "namespace" not in obj["regarding"]
    assert "related" not in obj
    assert obj["series"] == {"count": 3, "lastObservedTime": "T2"}


def test_every_reason_is_in_the_table() -> None:
    table = event_reasons_table()
    for reasons in (Reason, TemplateReason, EventReason):
        assert all(f"| `{one.name}` | " in table for one in reasons)
