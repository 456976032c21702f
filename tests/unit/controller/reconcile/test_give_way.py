"""With many instances at a time children come before statuses, and every status is told all the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.queue import WorkQueue
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.controller.scope import Key, Scope
from model_operator.controller.watch.triggers import Triggers
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.client import Object
from model_operator.kube.resources import MODEL_INSTANCES, MODEL_TEMPLATES, ResourceKind
from tests.unit.controller.fake_api import FakeApi
from tests.unit.controller.objects import instance, template
from tests.unit.core.values.rfc7386 import apply_merge_patch


class Server(FakeApi):
    """Keeps statuses, too."""

    async def patch_status(
        self, kind: ResourceKind, _namespace: str, name: str, status: Mapping[str, Any], *_: str
    ) -> Object:
        live = self.find(kind.kind, name)
        assert live is not None
        self.writes.append(f"status {name}")
        return self.put(apply_merge_patch(live, {"status": dict(status)}))


class Operator:
    """A reconciler with its queue; instances ``a``, ``b``… wait in it."""

    def __init__(self, names: str) -> None:
        self.server = Server()
        self.state = ClusterState()
        self.queue: WorkQueue[Key] = WorkQueue()
        triggers = Triggers(self.state, self.queue, Scope([], []))
        self.reconciler = InstanceReconciler(
            self.server,
            self.state,
            RenderSettings(),
            triggers,
            lambda events: [*events].clear(),
        )
        self.state.cache_of(MODEL_TEMPLATES).put(self.server.put(template("embed")))
        for name in names:
            obj = self.server.put(instance(name, uid=f"uid-{name}"))
            triggers.observe(MODEL_INSTANCES, "ADDED", obj)

    async def work(self) -> list[str]:
        """Work as one worker would until nothing waits; return the writes."""
        while len(self.queue):
            key = await self.queue.get()
            await self.reconciler.reconcile(key.namespace, key.name)
            self.queue.done(key)
        return self.server.writes


def created(name: str) -> list[str]:
    return [f"apply Service {name}", f"apply Deployment {name}"]


async def test_children_of_all_that_wait_come_before_statuses() -> None:
    writes = await Operator("abc").work()

    children = [*created("a"), *created("b"), *created("c")]
    # The last one gave way to those that had given way to it.
    assert writes == [*children, "status a", "status b", "status c"]


async def test_an_instance_alone_is_told_at_once() -> None:
    assert await Operator("a").work() == [*created("a"), "status a"]


async def test_a_status_is_told_though_children_change_at_every_look() -> None:
    operator = Operator("ab")
    writes = []
    for _ in range(2):
        # `b` waits all the time.
        await operator.reconciler.reconcile("team", "a")
        live = operator.server.find("Deployment", "a")
        assert live is not None
        live["spec"]["revisionHistoryLimit"] = 7
        operator.state.children["Deployment"].put(operator.server.put(live))
        writes.append(operator.server.writes[-1])

    assert writes == ["apply Deployment a", "status a"]


async def test_a_refusal_is_told_at_once() -> None:
    operator = Operator("ab")
    operator.server.refusals["apply Deployment a"] = (403, {"message": "no"})

    writes = await operator.work()

    assert writes[:2] == ["apply Service a", "status a"]


@pytest.mark.parametrize("names", ["a", "ab", "abcdefgh"])
async def test_every_status_is_told_exactly_once_for_one_state(names: str) -> None:
    writes = await Operator(names).work()

    assert sorted(each for each in writes if each.startswith("status")) == [
        f"status {name}" for name in names
    ]
