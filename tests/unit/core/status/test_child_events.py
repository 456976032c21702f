"""Events about children: which are told together, and what they say."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.status.child_events import ChildAction, Verb, child_events, reported_together
from model_operator.core.status.events import Event, EventType, ObjectRef, own_ref
from model_operator.core.templates.parsing import parse_instance, parse_template
from tests.unit.controller.objects import instance, template

DEMO = own_ref("ModelInstance", {"namespace": "team", "name": "demo", "uid": "i1"})
DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "team", "demo", "d1")
SERVICE = ObjectRef("v1", "Service", "team", "demo", "s1")
CANARY = ObjectRef("apps/v1", "Deployment", "team", "demo-canary", "d2")
REVISION = parse_template(template("embed", generation=3)).revision
AND_INSTANCE = "and generation 2 of the instance."


@pytest.mark.parametrize(
    ("verb", "observed", "followed", "expected"),
    [
        (Verb.CREATED, -1, None, ("ChildCreated", "Creating", "Created Deployment demo.")),
        (
            Verb.PRUNED,
            2,
            3,
            ("ChildDeleted", "Deleting", "Deleted Deployment demo, which is no longer desired."),
        ),
        (
            Verb.TAKEN_BACK,
            -1,
            None,
            (
                "ChildDeleted",
                "Deleting",
                "Deleted the new Deployment demo, as its Service could not be created.",
            ),
        ),
        (
            Verb.UPDATED,
            2,
            2,
            (
                "ChildUpdated",
                "Updating",
                f"Updated Deployment demo for revision {REVISION} of ModelTemplate embed.",
            ),
        ),
        (
            Verb.UPDATED,
            1,
            3,
            ("ChildUpdated", "Updating", "Updated Deployment demo for generation 2 of the instance."),
        ),
        (
            Verb.UPDATED,
            1,
            2,
            (
                "ChildUpdated",
                "Updating",
                f"Updated Deployment demo for revision {REVISION} of ModelTemplate embed {AND_INSTANCE}",
            ),
        ),
        (
            Verb.UPDATED,
            2,
            3,
            (
                "ChildUpdated",
                "Updating",
                "Updated Deployment demo because it differed from its desired state.",
            ),
        ),
    ],
)
def test_child(verb: Verb, observed: int, followed: int | None, expected: tuple[str, str, str]) -> None:
    obj = instance("demo", bound="t1")
    obj["metadata"]["generation"] = 2
    obj["status"]["observedGeneration"] = observed
    if followed is None:
        obj["status"] = {}
    else:
        obj["status"]["template"]["generation"] = followed
    action = ChildAction(verb, DEPLOYMENT)

    (event,) = child_events(
        DEMO, [action], parse_instance(obj)[0], parse_template(template("embed", generation=3)), {}
    )

    assert (event.reason, event.action, event.note) == expected
    assert (event.type, event.related) == (EventType.NORMAL, DEPLOYMENT)


@pytest.mark.parametrize(
    ("recorded", "note"),
    [
        ("a" * 12, f"for revision {'b' * 12} of ModelTemplate embed."),
        (None, f"for revision {'b' * 12} of ModelTemplate embed."),
        ("b" * 12, "because it differed from its desired state."),
    ],
)
def test_a_deployment_with_a_revision_of_its_own_changes_because_of_that(
    recorded: str | None, note: str
) -> None:
    obj = instance("demo", bound="t1")
    obj["metadata"]["generation"] = obj["status"]["observedGeneration"] = 2
    obj["status"]["deployments"] = [
        {"name": "demo", "status": "READY", **({"template_revision": recorded} if recorded else {})}
    ]
    now = parse_template(template("embed"))
    action = ChildAction(Verb.UPDATED, DEPLOYMENT)

    (event,) = child_events(DEMO, [action], parse_instance(obj)[0], now, {"demo": "b" * 12})

    assert event.note == f"Updated Deployment demo {note}"


def notes(*actions: ChildAction, observed: int = 2, **own: str) -> list[tuple[str, str]]:
    """Return reason and note of the Events for actions on an instance of generation 2."""
    obj = instance("demo", bound="t1")
    obj["metadata"]["generation"], obj["status"]["observedGeneration"] = 2, observed
    found = child_events(DEMO, actions, parse_instance(obj)[0], parse_template(template("embed")), own)
    return [(event.reason, event.note) for event in found]


@pytest.mark.parametrize(
    ("verb", "note"),
    [
        (Verb.CREATED, "Created {}."),
        (Verb.UPDATED, "Updated {} because they differed from their desired state."),
        (Verb.PRUNED, "Deleted {}, which are no longer desired."),
        (Verb.TAKEN_BACK, "Deleted the new {}, as their Services could not be created."),
    ],
)
def test_what_was_done_to_several_children_is_one_event(verb: Verb, note: str) -> None:
    said = note.format("Deployment demo, Service demo and Deployment demo-canary")
    for order in ([SERVICE, DEPLOYMENT, CANARY], [CANARY, DEPLOYMENT, SERVICE]):
        assert [told for _, told in notes(*(ChildAction(verb, child) for child in order))] == [said]


def test_an_event_about_several_children_is_related_to_none_of_them() -> None:
    actions = [ChildAction(Verb.CREATED, child) for child in (SERVICE, DEPLOYMENT)]
    (event,) = child_events(DEMO, actions, parse_instance(instance("demo"))[0], None, {})
    assert event.related is None


def test_verbs_and_causes_stay_apart() -> None:
    told = notes(
        ChildAction(Verb.UPDATED, SERVICE),
        ChildAction(Verb.CREATED, CANARY),
        ChildAction(Verb.UPDATED, DEPLOYMENT),
        ChildAction(Verb.PRUNED, DEPLOYMENT),
        ChildAction(Verb.UPDATED, CANARY),
        observed=1,
        **{"demo-canary": "b" * 12},
    )
    assert told == [
        ("ChildUpdated", "Updated Deployment demo and Service demo for generation 2 of the instance."),
        ("ChildCreated", "Created Deployment demo-canary."),
        ("ChildDeleted", "Deleted Deployment demo, which is no longer desired."),
        (
            "ChildUpdated",
            f"Updated Deployment demo-canary for revision {'b' * 12} of ModelTemplate embed {AND_INSTANCE}",
        ),
    ]


@pytest.mark.parametrize("verb", Verb)
def test_many_children_are_all_named_in_notes_that_the_api_server_takes(verb: Verb) -> None:
    names = [f"demo-{number:03}{'x' * 50}" for number in range(100)]
    children = [ObjectRef("apps/v1", "Deployment", "team", name, name) for name in names]
    told = [note for _, note in notes(*(ChildAction(verb, child) for child in children))]
    assert all(len(note.encode()) <= 1024 for note in told)
    assert [sum(f"Deployment {name}" in note for note in told) for name in names] == [1] * 100
    assert len(told) < 10


def event(reason: str, note: str, kind: EventType = EventType.NORMAL) -> Event:
    related = DEPLOYMENT if reason.startswith("Child") else None
    return Event(DEMO, kind, reason, "Doing", note, related)


CREATED = event("ChildCreated", "Created Deployment demo.")


@pytest.mark.parametrize("reason", ["Deploying", "RolledOut"])
def test_state_that_children_led_to_is_told_with_what_was_done_to_them(reason: str) -> None:
    together = reported_together(CREATED, event(reason, "So it is."))
    assert together == Event(
        DEMO, EventType.NORMAL, reason, "Doing", "Created Deployment demo. So it is.", DEPLOYMENT
    )


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (CREATED, event("CrashLooping", "no", EventType.WARNING)),
        (CREATED, event("ChildUpdated", "Updated Deployment demo.")),
        (event("Deploying", "It begins."), event("RolledOut", "So it is.")),
        (event("NotDeployed", "So it is."), event("ChildDeleted", "Deleted Deployment demo.")),
        (CREATED, event("RolledOut", "ü" * 500)),
    ],
    ids=["warning", "two actions", "two states", "state first", "too long"],
)
def test_what_needs_an_event_of_its_own_has_one(earlier: Any, later: Any) -> None:
    assert reported_together(earlier, later) is None
