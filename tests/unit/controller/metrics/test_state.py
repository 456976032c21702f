"""What is read at a scrape: queue, caches, conditions, certificate."""

from __future__ import annotations

import datetime
from typing import Any

from prometheus_client import CollectorRegistry

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


class World:
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
    world = World()
    for name, reason in (("a", "RolledOut"), ("b", "RolledOut"), ("c", "Deploying"), ("d", "Nonsense")):
        world.state.instances.put(instance(name, ready(reason)))
    world.state.instances.put(instance("new"))
    assert values(world.registry, "instances") == {("RolledOut",): 2, ("Deploying",): 1, ("Unknown",): 2}

    gone = instance("a", ready("RolledOut"))
    gone["metadata"]["resourceVersion"] = "2"
    world.state.instances.remove(gone)
    assert value(world.registry, "instances", reason="RolledOut") == 1
    assert value(world.registry, "instances", reason="OOMKilled") == 0


def test_stalled_instances_and_how_long_the_first_has_been() -> None:
    world = World()
    assert value(world.registry, "instances_stalled_longest_seconds") == 0

    world.state.instances.put(instance("a", stalled("NameConflict", "11:00:00")))
    world.state.instances.put(instance("b", stalled("NameConflict", "10:59:30")))
    world.state.instances.put(instance("c", stalled("InvalidParameters", "11:30:00")))
    world.state.instances.put(instance("d", stalled("InvalidParameters", "01:00:00", "False")))
    world.state.instances.put(instance("e", ready("RolledOut")))

    assert values(world.registry, "instances_stalled") == {("NameConflict",): 2, ("InvalidParameters",): 1}
    assert value(world.registry, "instances_stalled_longest_seconds") == 3630


def test_a_clock_that_is_behind_makes_no_negative_age() -> None:
    world = World()
    world.state.instances.put(instance("a", stalled("NameConflict", "12:00:05")))
    assert value(world.registry, "instances_stalled_longest_seconds") == 0


def test_caches_by_resource() -> None:
    world = World()
    world.state.instances.put(instance("a"))
    world.state.instances.put(instance("b"))
    assert values(world.registry, "cache_objects") == {("modelinstances",): 2}
    assert value(world.registry, "cache_objects", resource="deployments") == 0
    assert value(world.registry, "cache_objects", resource="services") is None, "not watched"


async def test_queue() -> None:
    world = World()
    first, second, third, later = (Key("ModelInstance", "team", name) for name in "abcd")
    world.queue.add(first)
    world.seconds = 10
    world.queue.add(second)
    world.queue.add(third)
    world.queue.add(later, 60)
    assert await world.queue.get() == first
    world.seconds = 25
    # As often as it is added again, it has waited since the first time.
    world.queue.add(second)

    assert values(world.registry, "queue_keys") == {("waiting",): 2, ("active",): 1, ("delayed",): 1}
    assert value(world.registry, "queue_oldest_age_seconds") == 15
    assert value(world.registry, "reconcile_longest_running_seconds") == 15
    assert value(world.registry, "queue_failing_keys") == 0

    world.queue.retry(first, 60)
    world.queue.done(first)
    assert value(world.registry, "queue_failing_keys") == 1
    assert value(world.registry, "reconcile_longest_running_seconds") == 0

    world.queue.forget(first)
    for _ in range(2):
        world.queue.done(await world.queue.get())
    assert value(world.registry, "queue_oldest_age_seconds") == 0
    assert value(world.registry, "queue_failing_keys") == 0
    world.queue.close()


def test_certificate_is_told_of_where_there_is_one() -> None:
    world = World()
    assert value(world.registry, "webhook_certificate_expiration_timestamp_seconds") is None

    world.expires = NOON
    assert value(world.registry, "webhook_certificate_expiration_timestamp_seconds") == NOON.timestamp()
