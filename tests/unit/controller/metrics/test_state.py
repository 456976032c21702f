"""What is read at a scrape: queue, caches, conditions, certificate."""

from __future__ import annotations

import datetime
from typing import Any

from prometheus_client import CollectorRegistry

from model_operator.api import TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.metrics.state import StateCollector
from model_operator.controller.queue import WorkQueue
from model_operator.controller.scope import Key
from model_operator.kube.resources import DEPLOYMENTS, MODEL_INSTANCES, MODEL_TEMPLATES
from tests.unit.controller.metrics.exposed import value, values

NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def instance(name: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    metadata = {"namespace": "team", "name": name, "uid": name, "resourceVersion": "1"}
    return {
        "kind": "ModelInstance",
        "metadata": metadata,
        "spec": {},
        "status": {"conditions": [*conditions]},
    }


def ready(reason: str) -> dict[str, Any]:
    return {"type": "Ready", "status": "False", "reason": reason}


def stalled(reason: str, time: str, status: str = "True") -> dict[str, Any]:
    return {
        "type": "Stalled",
        "status": status,
        "reason": reason,
        "lastTransitionTime": f"2026-01-01T{time}Z",
    }


class Scraper:
    """A collector, and what it tells of."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.state = ClusterState()
        self.queue: WorkQueue[Key] = WorkQueue(now=lambda: self.seconds)
        self.expires: datetime.datetime | None = None
        self.registry = CollectorRegistry()
        kinds = (MODEL_TEMPLATES, MODEL_INSTANCES, DEPLOYMENTS)
        self.registry.register(
            StateCollector(self.state, self.queue, kinds, lambda: self.expires, lambda: NOON)
        )


def test_instances_by_reason() -> None:
    scraper = Scraper()
    for name, reason in (("a", "RolledOut"), ("b", "RolledOut"), ("c", "Deploying"), ("d", "Nonsense")):
        scraper.state.instances.put(instance(name, ready(reason)))
    scraper.state.instances.put(instance("new"))
    assert values(scraper.registry, "instances") == {("RolledOut",): 2, ("Deploying",): 1, ("Unknown",): 2}

    gone = instance("a", ready("RolledOut"))
    gone["metadata"]["resourceVersion"] = "2"
    scraper.state.instances.remove(gone)
    assert value(scraper.registry, "instances", reason="RolledOut") == 1
    assert value(scraper.registry, "instances", reason="OOMKilled") == 0


def test_stalled_instances_and_how_long_the_first_has_been() -> None:
    scraper = Scraper()
    assert value(scraper.registry, "instances_stalled_longest_seconds") == 0

    scraper.state.instances.put(instance("a", stalled("NameConflict", "11:00:00")))
    scraper.state.instances.put(instance("b", stalled("NameConflict", "10:59:30")))
    scraper.state.instances.put(instance("c", stalled("InvalidParameters", "11:30:00")))
    scraper.state.instances.put(instance("d", stalled("InvalidParameters", "01:00:00", "False")))
    scraper.state.instances.put(instance("e", ready("RolledOut")))

    assert values(scraper.registry, "instances_stalled") == {("NameConflict",): 2, ("InvalidParameters",): 1}
    assert value(scraper.registry, "instances_stalled_longest_seconds") == 3630


def test_a_clock_that_is_behind_makes_no_negative_age() -> None:
    scraper = Scraper()
    scraper.state.instances.put(instance("a", stalled("NameConflict", "12:00:05")))
    assert value(scraper.registry, "instances_stalled_longest_seconds") == 0


def template(name: str, kind: TemplateKind, **rollout: Any) -> dict[str, Any]:
    metadata = {"namespace": "team", "name": name, "uid": name, "resourceVersion": "1"}
    if kind is TemplateKind.CLUSTER_MODEL_TEMPLATE:
        del metadata["namespace"]
    status = {"rollout": rollout} if rollout else {}
    return {"kind": kind.value, "metadata": metadata, "spec": {}, "status": status}


def test_roll_outs_by_state_and_their_instances() -> None:
    scraper = Scraper()
    states, instances = "rollouts", "rollout_instances"
    assert value(scraper.registry, states, state="HALTED") == 0, "no gap before the first"
    counts = {"arrived": 4, "moving": 1, "failed": 2, "waiting": 3, "pinned": 1, "instances": 11}
    own, shared = TemplateKind.MODEL_TEMPLATE, TemplateKind.CLUSTER_MODEL_TEMPLATE
    scraper.state.templates[own].put(template("a", own, state="HALTED", **counts))
    scraper.state.templates[shared].put(template("b", shared, state="COMPLETE", arrived=2, instances=2))
    scraper.state.templates[own].put(template("unused", own, state="AWAITING_APPROVAL", instances=0))
    scraper.state.templates[own].put(template("new", own))

    assert values(scraper.registry, states) == {("HALTED",): 1, ("COMPLETE",): 1}
    assert values(scraper.registry, instances) == {
        ("arrived",): 6,
        ("moving",): 1,
        ("failed",): 2,
        ("waiting",): 3,
        ("pinned",): 1,
    }

    gone = template("a", own)
    gone["metadata"]["resourceVersion"] = "2"
    scraper.state.templates[own].remove(gone)

    assert values(scraper.registry, states) == {("COMPLETE",): 1}
    assert values(scraper.registry, instances) == {("arrived",): 2}


def test_caches_by_resource() -> None:
    scraper = Scraper()
    scraper.state.instances.put(instance("a"))
    scraper.state.instances.put(instance("b"))
    assert values(scraper.registry, "cache_objects") == {("modelinstances",): 2}
    assert value(scraper.registry, "cache_objects", resource="deployments") == 0
    assert value(scraper.registry, "cache_objects", resource="services") is None, "not watched"


async def test_queue() -> None:
    scraper = Scraper()
    first, second, third, later = (Key("ModelInstance", "team", name) for name in "abcd")
    scraper.queue.add(first)
    scraper.seconds = 10
    scraper.queue.add(second)
    scraper.queue.add(third)
    scraper.queue.add(later, 60)
    assert await scraper.queue.get() == first
    scraper.seconds = 25
    # As often as it is added again, it has waited since the first time.
    scraper.queue.add(second)

    assert values(scraper.registry, "queue_keys") == {("waiting",): 2, ("active",): 1, ("delayed",): 1}
    assert value(scraper.registry, "queue_oldest_age_seconds") == 15
    assert value(scraper.registry, "reconcile_longest_running_seconds") == 15
    assert value(scraper.registry, "queue_failing_keys") == 0

    scraper.queue.retry(first, 60)
    scraper.queue.done(first)
    assert value(scraper.registry, "queue_failing_keys") == 1
    assert value(scraper.registry, "reconcile_longest_running_seconds") == 0

    scraper.queue.forget(first)
    for _ in range(2):
        scraper.queue.done(await scraper.queue.get())
    assert value(scraper.registry, "queue_oldest_age_seconds") == 0
    assert value(scraper.registry, "queue_failing_keys") == 0
    scraper.queue.close()


def test_certificate_is_told_of_where_there_is_one() -> None:
    scraper = Scraper()
    assert value(scraper.registry, "webhook_certificate_expiration_timestamp_seconds") is None

    scraper.expires = NOON
    assert value(scraper.registry, "webhook_certificate_expiration_timestamp_seconds") == NOON.timestamp()
