"""Nothing keeps anything of what was deleted, whatever was going on at that moment.

Not only the tables that are known are looked into: everything that the operator's parts reach is searched for
the names and uids of what is gone. Tombstones, which are bounded, are the one exception.
"""

from __future__ import annotations

import asyncio
import datetime
import gc
import random
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from structlog.testing import capture_logs

from model_operator.api import TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.events import EventRecorder
from model_operator.controller.metrics.instruments import Metrics
from model_operator.controller.queue import WorkQueue
from model_operator.controller.reconcile.diagnosis import PodDiagnostics
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.controller.reconcile.template_dry_run import TemplateDryRunner
from model_operator.controller.reconcile.templates import TemplateReconciler
from model_operator.controller.reconcile.worker_pool import WorkerPool
from model_operator.controller.scope import Key, Scope
from model_operator.controller.watch.triggers import Triggers
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.client import Object
from model_operator.kube.resources import (
    CHILD_KIND,
    EVENTS,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    REVISION_KINDS,
    ResourceKind,
)
from tests.unit.controller import virtual_clock
from tests.unit.controller.fake_api import FakeApi
from tests.unit.controller.objects import instance, template
from tests.unit.controller.reconcile.test_diagnosis_in_time import COMPLETE, UNDER_WAY
from tests.unit.core.values.rfc7386 import apply_merge_patch

KINDS = {
    kind.kind: kind for kind in (MODEL_INSTANCES, MODEL_TEMPLATES, *REVISION_KINDS, *CHILD_KIND.values())
}
EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
CYCLES = 40
MARK = "doomed"
"""Begins the name and the uid of everything that is created, so that it is found wherever it is kept."""


class Server(FakeApi):
    """Takes time for each request, fails some, and tells a watch of what has changed."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self.told: list[tuple[str, Object]] = []
        self.posted: list[str] = []
        self.failures = 0.2

    def put(self, obj: Object) -> Object:
        metadata = {"uid": f"{MARK}-{obj['kind']}-{self._chance.random()}", **obj["metadata"]}
        stored = super().put({**obj, "metadata": metadata})
        self.told.append(("MODIFIED", stored))
        return stored

    def remove(self, obj: Object) -> None:
        super().remove(obj)
        metadata = {**obj["metadata"], "resourceVersion": str(next(self._versions))}
        self.told.append(("DELETED", {**obj, "metadata": metadata}))

    async def _travel(self) -> None:
        await asyncio.sleep(self._chance.uniform(0, 0.5))

    async def apply(self, kind: ResourceKind, obj: Mapping[str, Any], **options: Any) -> Object:
        await self._travel()
        if options.pop("dry_run", False):
            return dict(obj)
        return await super().apply(kind, obj, **options)

    async def create(self, kind: ResourceKind, obj: Mapping[str, Any], **_: Any) -> Object:
        await self._travel()
        if kind in REVISION_KINDS:
            return await super().create(kind, obj)
        if kind is EVENTS:
            self.posted.append(obj["reason"])
        return dict(obj)

    async def patch(self, *_: Any) -> Object:
        await self._travel()
        return {}

    async def patch_status(
        self, kind: ResourceKind, namespace: str, name: str, status: Mapping[str, Any], version: str
    ) -> Object:
        await self._travel()
        self._judge(f"status {name}")
        live = await self.get(kind, namespace, name)
        if live["metadata"]["resourceVersion"] != version:
            self._refuse(409)
        return self.put(apply_merge_patch(live, {"status": dict(status)}))

    async def list(self, *_: Any, **__: Any) -> AsyncIterator[Object]:
        await self._travel()
        nothing: list[Object] = []
        for obj in nothing:
            yield obj

    def _judge(self, request: str) -> None:
        if self._chance.random() < self.failures:
            self._refuse(self._chance.choice([409, 503, 422]))
        super()._judge(request)

    def _refuse(self, code: int) -> None:
        self.refusals["this"] = (code, {})
        try:
            super()._judge("this")
        finally:
            del self.refusals["this"]


class Operator:
    """All of the operator that knows of objects, but for kopf and the webhooks."""

    def __init__(self, chance: random.Random) -> None:
        self.server = Server(chance)
        self.state = ClusterState(stored=list(TemplateKind))
        self.queue: WorkQueue[Key] = WorkQueue(random.Random(1), now)
        self.triggers = Triggers(self.state, self.queue, Scope([], []))
        self.metrics = Metrics()
        self.events = EventRecorder(
            self.server, self.metrics, lambda: EPOCH + datetime.timedelta(seconds=now())
        )
        instances = InstanceReconciler(
            self.server,
            self.state,
            RenderSettings(),
            self.triggers,
            self.events.record,
            PodDiagnostics(self.server, now),
        )
        dry_runs = TemplateDryRunner(self.server, self.state, RenderSettings(), "home", clock=now)
        templates = TemplateReconciler(self.server, self.state, dry_runs, self.triggers, self.events.record)
        self.workers = WorkerPool(self.queue, instances, templates, self.metrics)

    def hear(self) -> None:
        """Have the watches tell what has changed."""
        told, self.server.told = self.server.told, []
        for event, obj in told:
            self.triggers.observe(KINDS[obj["kind"]], event, obj)


def now() -> float:
    return asyncio.get_running_loop().time()


async def live(operator: Operator, chance: random.Random, number: int) -> None:
    """Have a template and an instance come, live for some time, and go, in any order."""
    server, name = operator.server, f"{MARK}-{number}"
    made = [
        server.put(template(f"{name}-template", uid=f"{MARK}-t{number}")),
        server.put(instance(name, uid=f"{MARK}-i{number}", template_id=f"{name}-template")),
    ]
    made[1]["metadata"]["generation"] = 1
    for _ in range(chance.randrange(20)):
        await asyncio.sleep(chance.uniform(0, 1.0))
        operator.hear()
        deployment = server.find("Deployment", name)
        if deployment is not None and chance.random() < 0.3:
            server.put({**deployment, "status": chance.choice([UNDER_WAY, COMPLETE])})
    children = [found for kind in CHILD_KIND if (found := server.find(kind, name))]
    going = [(obj["kind"], obj["metadata"]["name"]) for obj in (*made, *children)]
    chance.shuffle(going)
    for kind, each in going:
        found = server.find(kind, each)
        if found is not None:
            server.remove(found)
        if chance.random() < 0.5:
            await asyncio.sleep(chance.uniform(0, 1.0))
        operator.hear()


async def clean_up(operator: Operator) -> None:
    """Remove what was still being made meanwhile, as the garbage collector would."""
    server = operator.server
    server.failures = 0
    for _ in range(20):
        for obj in list(server._objects.values()):
            server.remove(obj)
        operator.hear()
        await asyncio.sleep(60)


def kept(root: object, exempt: set[int]) -> Iterator[str]:
    """Yield where something of the doomed is kept, by the attributes that lead there from `root`."""
    seen: set[int] = set(exempt)
    pending: list[tuple[str, object]] = [("operator", root)]
    while pending:
        path, obj = pending.pop()
        if id(obj) in seen or isinstance(
            obj, type | ModuleType | FunctionType | BuiltinFunctionType | CodeType | re.Pattern | int | float
        ):
            continue
        seen.add(id(obj))
        if isinstance(obj, str):
            if MARK in obj:
                yield f"{path}: {obj}"
        elif isinstance(obj, dict):
            pending += [(f"{path}[key]", key) for key in obj]
            pending += [(f"{path}[…]", value) for value in obj.values()]
        else:
            fields = getattr(obj, "__dict__", None)
            if fields is not None:
                pending += [(f"{path}.{name}", value) for name, value in fields.items()]
            # Slots, items of containers, cells: whatever the garbage collector knows of.
            pending += [(f"{path}.*", each) for each in gc.get_referents(obj) if each is not fields]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_of_deleted_objects_is_kept(seed: int) -> None:
    chance = random.Random(seed)

    async def main() -> tuple[list[str], list[str]]:
        operator = Operator(chance)
        tasks = [
            asyncio.create_task(operator.workers.run(4)),
            asyncio.create_task(operator.events.run()),
        ]
        lives = [asyncio.create_task(live(operator, chance, number)) for number in range(CYCLES)]
        await asyncio.sleep(3)
        parts = [operator.state, operator.queue, operator.triggers, operator.workers, operator.events]
        server = {id(operator.server)}
        early = list(kept(parts, server))
        await asyncio.gather(*lives)
        await clean_up(operator)
        # An object's budget of Events is remembered until it is full again; that of one is used up at most.
        await asyncio.sleep(3 * 3600)
        tombstones = {id(operator.state.cache_of(kind)._removed) for kind in KINDS.values()}
        tombstones.add(id(operator.state.changes))
        late = list(kept(parts, server | tombstones))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        operator.queue.close()
        assert operator.server.posted, "events were posted"
        return early, late

    with capture_logs() as logs:
        early, late = virtual_clock.run(main())

    tables = {path.partition(":")[0] for path in early}
    assert len(tables) > 10, "while they lived much was known of them"
    assert any(entry["event"] == "API server unavailable" for entry in logs)
    assert late == []


def test_the_search_finds_what_is_kept() -> None:
    state = ClusterState()
    state.cache_of(MODEL_TEMPLATES).put(template(f"{MARK}-1", uid="t1"))
    found = state.by_name(TemplateKind.MODEL_TEMPLATE, "team", f"{MARK}-1")
    assert found is not None
    state.cache_of(MODEL_TEMPLATES).remove(template(f"{MARK}-1", uid="t1"))
    tombstones = {id(state.cache_of(MODEL_TEMPLATES)._removed)}

    assert any("_compiled" in path for path in kept([state], tombstones))
    state.forget_template("t1")
    assert list(kept([state], tombstones)) == []
