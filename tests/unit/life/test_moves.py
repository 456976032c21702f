"""Each breach of the rules of roll-outs is found in a history, and a true history has none."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.life.fleet import ANNOTATION, REVISION
from tests.life.history import History, Version
from tests.life.moves import judge_moves, moves, resting_faults
from tests.life.profiles import SIMULATED, TEMPLATE

Object = dict[str, Any]
Event = tuple[float, Object]
Change = Callable[[dict[str, Event]], object]

OLD, NEW, BEFORE = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "2026-01-01T09:00:00Z"
EDITIONS = {OLD: "v1", NEW: "v2"}
STARTED = "2026-01-01T10:00:00Z"


def template(
    state: str | None, *, latest: str = NEW, stable: str | None = OLD, generation: int = 2, **rollout: Any
) -> Object:
    """Return the template with a status about a roll-out in a state."""
    obj = SIMULATED.template(EDITIONS[latest])
    steps = [{"name": "canary", "labels": {"tier": "canary"}}]
    obj["spec"]["rollout"] = {"max_unavailable": 1, "soak_seconds": 10, "steps": steps, **rollout}
    obj["metadata"] |= {"uid": "uid-template", "generation": generation}
    counts = {"instances": 3, "arrived": 0, "moving": 0, "failed": 0, "waiting": 3, "pinned": 0}
    obj["status"] = {"latest_revision": latest, "stable_revision": stable}
    if state is not None:
        obj["status"]["rollout"] = {"revision": latest, "state": state, "started_at": STARTED, **counts}
    return obj


def revision(name: str) -> Object:
    """Return a stored revision."""
    spec = {
        "template": {"name": TEMPLATE},
        "hash": name,
        "template_spec": SIMULATED.template(EDITIONS[name])["spec"],
    }
    return {
        "kind": REVISION,
        "metadata": {"name": f"{TEMPLATE}-{name}", "uid": f"uid-{name}", "generation": 1},
        "spec": spec,
    }


def instance(name: str, at: str, ready: bool, *, stalled: bool = False, **spec: Any) -> Object:
    """Return an instance at a revision."""
    obj = SIMULATED.instance(**spec)
    obj["metadata"] = {
        "name": name,
        "namespace": "team",
        "uid": f"uid-{name}",
        "generation": 1,
        "creationTimestamp": BEFORE,
        "labels": {"tier": name},
    }
    conditions = {"Ready": ready, "Stalled": stalled, "UpToDate": at == NEW}
    obj["status"] = {
        "observedGeneration": 1,
        "template": {"name": TEMPLATE, "revision": at},
        "conditions": [{"type": kind, "status": str(value)} for kind, value in conditions.items()],
    }
    return obj


def deployment(name: str, at: str, *, runs: str | None = None, workers: int = 1) -> Object:
    """Return the Deployment of an instance as it was applied of a revision."""
    environment = {"EDITION": EDITIONS[runs or at], "MODEL_NAME": "first"}
    container = {
        "name": "model",
        "image": SIMULATED.image,
        "env": [{"name": key, "value": value} for key, value in environment.items()],
    }
    return {
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "uid": f"uid-deployment-{name}",
            "generation": 1 if at == OLD else 2,
            "annotations": {ANNOTATION: at},
            "labels": {"modeloperator.dev/instance": name},
            "ownerReferences": [{"uid": f"uid-{name}", "controller": True}],
        },
        "spec": {"replicas": workers, "template": {"spec": {"containers": [container]}}},
    }


def true_events() -> dict[str, Event]:
    """Return what happens in a roll-out that keeps all rules, by names, with the times in seconds."""
    events: dict[str, Event] = {
        "old stored": (0, revision(OLD)),
        "template": (0, template("COMPLETE", latest=OLD, generation=1)),
    }
    for name in ("canary", "a", "b"):
        events[f"{name} is there"] = (1, deployment(name, OLD))
        events[f"{name} is Ready"] = (1, instance(name, OLD, ready=True))
    events["new stored"] = (100, revision(NEW))
    events["edit"] = (100, template("ROLLING_OUT"))
    for at, name in ((101, "canary"), (130, "a"), (160, "b")):
        events[f"{name} moves"] = (at, deployment(name, NEW))
        events[f"{name} is moving"] = (at + 0.1, instance(name, NEW, ready=False))
        events[f"{name} has arrived"] = (at + 10, instance(name, NEW, ready=True))
    events["complete"] = (180, template("COMPLETE", stable=NEW))
    return events


def history(events: dict[str, Event]) -> History:
    """Return the history of events, in the order of their times."""
    found = History()
    for number, (seconds, given) in enumerate(sorted(events.values(), key=lambda each: each[0])):
        obj = copy.deepcopy(given)
        is_gone = obj["metadata"].pop("gone", False)
        found.add(Version(number + 1, seconds, obj["kind"], obj["metadata"]["name"], obj, gone=is_gone))
    return found


def at(name: str, seconds: float, obj: Object) -> Change:
    """Add an event."""
    return lambda events: events.update({name: (seconds, obj)})


def without(*names: str) -> Change:
    """Drop events."""
    return lambda events: [events.pop(name) for name in names]


def gone(name: str) -> Object:
    """Return a revision as it is deleted."""
    obj = revision(name)
    obj["metadata"]["gone"] = True
    return obj


def test_a_true_history_has_no_fault() -> None:
    found = history(true_events())
    assert judge_moves(found) == []
    assert [*resting_faults(found)] == []
    assert moves(found) == [("canary", NEW), ("a", NEW), ("b", NEW)]


LIES: dict[str, tuple[list[Change], str]] = {
    "over the budget": (
        [at("b moves", 130.5, deployment("b", NEW))],
        r"b moves to b+: over the budget of 1: \['a'\] have it and are not Ready",
    ),
    "before the canary": ([at("a moves", 101, deployment("a", NEW))], r"\['canary'\] of an earlier step"),
    "before it has soaked": ([at("a moves", 115, deployment("a", NEW))], "step 0 has soaked for 4.0 s only"),
    "before it is approved": (
        [
            at(
                "edit",
                100,
                template(
                    "ROLLING_OUT",
                    steps=[{"name": "canary", "labels": {"tier": "canary"}, "needs_approval": True}],
                ),
            )
        ],
        "a moves to b+: step 0 is not approved",
    ),
    "after a halt was written": (
        [at("halt", 120, template("HALTED"))],
        "a moves to b+: the roll-out was HALTED",
    ),
    "after a pause was written": (
        [at("pause", 120, template("PAUSED", paused=True))],
        "a moves to b+: the roll-out was PAUSED",
    ),
    "a pause that nobody wants": (
        [at("pause", 170, template("PAUSED", generation=3))],
        "PAUSED, but it is not",
    ),
    "a halt without a failure": (
        [at("halt", 170, template("HALTED"))],
        "HALTED, but no instance has failed at its revision",
    ),
    "counts that do not add up": (
        [lambda events: events["edit"][1]["status"]["rollout"].update(moving=1)],
        "do not add up",
    ),
    "a revision that is not stored": ([without("new stored")], f"revision {NEW} is not stored"),
    "a revision that is stored too late": (
        [at("new stored", 100.5, revision(NEW))],
        f"ModelTemplate .*: revision {NEW} is not stored",
    ),
    "stable too early": (
        [at("complete", 145, template("ROLLING_OUT", stable=NEW))],
        f"{NEW} becomes stable, but b has not arrived at it",
    ),
    "stable is deleted": ([at("deleted", 150, gone(OLD))], "it is deleted though its template names it"),
    "what runs is deleted": (
        [
            lambda events: events["template"][1]["status"].pop("stable_revision"),
            lambda events: events["edit"][1]["status"].pop("stable_revision"),
            at("deleted", 150, gone(OLD)),
        ],
        "it is deleted though b names it",
    ),
    "runs another revision than it says": (
        [at("a moves", 130, deployment("a", NEW, runs=OLD))],
        "it does not run what its revision b+ asks for",
    ),
    "drift of one that waits": (
        [
            at(
                "drift",
                120,
                {
                    **deployment("b", OLD, runs=NEW),
                    "metadata": {**deployment("b", NEW)["metadata"], "annotations": {ANNOTATION: OLD}},
                },
            )
        ],
        "it does not run what its revision a+ asks for",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_breach_is_found(lie: str) -> None:
    changes, message = LIES[lie]
    events = true_events()
    for change in changes:
        change(events)
    found = judge_moves(history(events))
    assert any(re.search(message, fault) for fault in found), found


def test_an_instance_without_workers_delays_nobody() -> None:
    events = true_events()
    events["canary is there"] = (1, deployment("canary", OLD, workers=0))
    for name in ("canary moves", "canary is moving", "canary has arrived"):
        del events[name]
    events["complete"] = (180, template("COMPLETE", stable=OLD))
    assert judge_moves(history(events)) == []


def test_what_is_wrong_at_rest_is_found() -> None:
    events = true_events()
    del events["b moves"], events["b is there"]
    events["a is stale"] = (170, deployment("a", OLD))
    found = "\n".join(resting_faults(history(events)))
    assert "Deployment b is missing" in found
    assert f"Deployment a is not what revision {NEW} asks for" in found
