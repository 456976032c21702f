"""Whole operators on a cluster in memory: their requests and watch events take a random time.

So caches lag. An operator can be killed before or after any write, and paused.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, Unpack, cast

from model_operator.controller.metrics.instruments import Metrics
from model_operator.controller.queue import WorkQueue
from model_operator.controller.reconcile.contention import Contests
from model_operator.controller.reconcile.diagnosis import PodDiagnostics
from model_operator.controller.reconcile.grace import GracePeriods
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.controller.reconcile.rollout_courses import RolloutCourses
from model_operator.controller.reconcile.status_pace import StatusPace
from model_operator.controller.reconcile.template_dry_run import TemplateDryRunner
from model_operator.controller.reconcile.templates import TemplateReconciler
from model_operator.controller.reconcile.worker_pool import WorkerPool
from model_operator.controller.scope import Key
from model_operator.core.diagnosis.cause import Diagnosis
from model_operator.core.objects.ownership import MANAGER
from model_operator.core.reasons.reasons import Reason
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.client import ApiClient, Object, Selection
from model_operator.kube.errors import LeadershipLostError, error_for
from model_operator.kube.resources import ResourceKind
from model_operator.settings import TemplateDryRun
from tests.unit.controller.rollouts.cluster import Cluster, now
from tests.unit.controller.world import KINDS, World
from tests.unit.core.values.rfc7386 import apply_merge_patch

REQUEST_SECONDS = (0.005, 0.05)
WATCH_SECONDS = (0.005, 0.3)
WORKERS = 4
Answer = TypeVar("Answer")


class Link(ApiClient):
    """The way of one operator to the API server.

    Parameters
    ----------
    cluster
        The API server.
    replica
        The operator.
    """

    def __init__(self, cluster: Cluster, replica: Replica) -> None:
        self._cluster = cluster
        self._replica = replica

    async def get(self, kind: ResourceKind, namespace: str, name: str) -> Object:
        return await self._send(None, lambda: self._cluster.get(kind, namespace, name))

    async def pages(
        self, kind: ResourceKind, namespace: str = "", **selection: Unpack[Selection]
    ) -> AsyncIterator[tuple[Sequence[Object], str]]:
        del selection
        await self._replica.flows()
        async for page in self._cluster.pages(kind, namespace):
            yield page

    async def apply(
        self,
        kind: ResourceKind,
        obj: Mapping[str, Any],
        *,
        force: bool,
        dry_run: bool = False,
        manager: str = MANAGER,
    ) -> Object:
        return await self._send(
            f"apply {kind.kind} {obj['metadata']['name']}",
            lambda: self._cluster.apply(kind, obj, force=force, dry_run=dry_run, manager=manager),
        )

    async def create(self, kind: ResourceKind, obj: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        return await self._send(
            f"create {kind.kind} {obj['metadata']['name']}",
            lambda: self._cluster.create(kind, obj, dry_run=dry_run),
        )

    async def delete(
        self, kind: ResourceKind, namespace: str, name: str, uid: str, version: str | None = None
    ) -> bool:
        return await self._send(
            f"delete {kind.kind} {name}", lambda: self._cluster.delete(kind, namespace, name, uid, version)
        )

    async def patch_status(
        self,
        kind: ResourceKind,
        namespace: str,
        name: str,
        status: Mapping[str, Any],
        resource_version: str,
    ) -> Object:
        async def patch() -> Object:
            live = await self._cluster.get(kind, namespace, name)
            if live["metadata"]["resourceVersion"] != resource_version:
                raise error_for(409, {"message": "the object has been modified"}, f"PATCH {name}")
            return self._cluster.put(apply_merge_patch(live, {"status": dict(status)}))

        return await self._send(f"status {kind.kind} {name}", patch)

    async def _send(self, write: str | None, act: Callable[[], Awaitable[Answer]]) -> Answer:
        replica, source = self._replica, self._cluster.source
        await replica.flows()
        if write is not None and replica.is_deposed:
            raise LeadershipLostError("another one leads")
        is_slow = write is not None and " Deployment " in write
        await asyncio.sleep(
            source.uniform(*(self._cluster.deployment_seconds if is_slow else REQUEST_SECONDS))
        )
        await replica.flows()
        if write is not None:
            await replica.reach(write, "before")
        answer = await act()
        if write is not None:
            await replica.reach(write, "after")
        await asyncio.sleep(source.uniform(*REQUEST_SECONDS))
        await replica.flows()
        return answer


class Crashes:
    """Finds why the pods of a Deployment do not start, as a look at them would."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def find(
        self, _instance: Any, undiagnosed: Sequence[Object], _reported: str
    ) -> tuple[Mapping[str, Diagnosis], float | None]:
        """Return the causes by the name of the Deployment."""
        found = {}
        for live in undiagnosed:
            name = live["metadata"]["name"]
            if name in self._cluster.crashing:
                found[name] = Diagnosis(Reason.CrashLooping, 'container "model" keeps crashing')
        return found, None

    def forget(self, _key: Any) -> None:
        """Know nothing."""


class Replica(World):
    """One operator, with caches that lag.

    Parameters
    ----------
    cluster
        Where it works.
    kill
        Number or text of the write, and whether ``before`` or ``after`` it, at which it is killed.

    Attributes
    ----------
    is_dead
        Whether it was killed.
    is_deposed
        Whether another one leads: it may begin no write.
    """

    def __init__(self, cluster: Cluster, kill: tuple[int | str, str] | None = None) -> None:
        queue: WorkQueue[Key] = WorkQueue(random.Random(cluster.source.random()), workers=WORKERS)
        super().__init__(cluster, queue, is_storing=True)
        self.cluster = cluster
        self.is_dead = self.is_deposed = False
        self._kill = kill
        self._count = 0
        self._running = asyncio.Event()
        self._running.set()
        self._arrivals: dict[str, float] = {}
        self._waiting: list[tuple[str, Object]] = []
        queue.close()
        for kind in KINDS:
            for obj in filter(_is_watched, cluster.all(kind)):
                self.triggers.observe(KINDS[kind], None, obj)
        cluster.watchers.append(self._notice)
        queue.open()
        self.triggers.enqueue_all()
        self._task = asyncio.create_task(self._pool().run(WORKERS))

    def _pool(self) -> WorkerPool:
        link, settings, clock = Link(self.cluster, self), RenderSettings(), asyncio.get_running_loop().time
        courses = RolloutCourses(self.state, self.triggers, now)
        instances = InstanceReconciler(
            link,
            self.state,
            settings,
            self.triggers,
            lambda _: None,
            cast("PodDiagnostics", Crashes(self.cluster)),
            now,
            GracePeriods(10, clock),
            courses,
        )
        vars(instances)["_contests"] = Contests(link, clock)
        dry_runs = TemplateDryRunner(link, self.state, settings, None, TemplateDryRun.OFF)
        templates = TemplateReconciler(
            link, self.state, dry_runs, self.triggers, lambda _: None, now, GracePeriods(10, clock), courses
        )
        vars(templates)["_pace"] = StatusPace(clock)
        return WorkerPool(self.queue, instances, templates, Metrics())

    def kill(self) -> None:
        """End it at once."""
        self.is_dead = True
        self.cluster.watchers.remove(self._notice)
        self._running.clear()
        self.queue.close()
        self._task.cancel()

    def pause(self) -> None:
        """Stop its clockwork until `resume`."""
        self._running.clear()

    def resume(self) -> None:
        """Have it go on, as one that leads no more: only the writes are sent that were on their way."""
        self.is_deposed = True
        # It ends by the error that another one leads.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._running.set()
        waiting, self._waiting = self._waiting, []
        for event, obj in waiting:
            self._observe(event, obj)

    async def flows(self) -> None:
        """Wait while it is paused; for ever once it is dead."""
        await self._running.wait()

    async def reach(self, write: str, where: str) -> None:
        """Count a write, and be killed at the one that was chosen."""
        if where == "before":
            self._count += 1
        else:
            self.cluster.written.append(write)
        if self._kill in ((self._count, where), (write, where)):
            self.kill()
        await self.flows()

    def _notice(self, event: str, obj: Object) -> None:
        if not _is_watched(obj):
            return
        loop, kind = asyncio.get_running_loop(), obj["kind"]
        at = max(self._arrivals.get(kind, 0), loop.time() + self.cluster.source.uniform(*WATCH_SECONDS))
        self._arrivals[kind] = at + 1e-6
        loop.call_at(at, self._observe, event, obj)

    def _observe(self, event: str, obj: Object) -> None:
        if self.is_dead:
            return
        if not self._running.is_set():
            self._waiting.append((event, obj))
            return
        self.triggers.observe(KINDS[obj["kind"]], event, obj)


def _is_watched(obj: Object) -> bool:
    """Return whether the label selector of its kind selects an object."""
    selector = KINDS[obj["kind"]].label_selector
    name, _, value = selector.partition("=")
    return not selector or obj["metadata"].get("labels", {}).get(name) == value
