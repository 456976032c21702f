"""Follows an instance, its Deployments and its pods by watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Unpack

from model_operator.cli.plugin.cluster import Cluster, of_instance
from model_operator.cli.plugin.queries import QueryError
from model_operator.core.inspection.facts import Facts
from model_operator.kube.client import Object, Selection
from model_operator.kube.resources import DEPLOYMENTS, MODEL_INSTANCES, PODS, REPLICA_SETS, ResourceKind

_TOGETHER_SECONDS = 0.1
"""Changes within this time are reported as one: a roll-out changes many objects at once."""
_PAUSE_SECONDS = 1.0
"""Time until the next attempt after the end of a watch or a failed request."""


class Mirror:
    """A cache of the objects of one kind that match a selector.

    Parameters
    ----------
    cluster, kind
        The cluster, and the kind.
    changed
        Set with every change.
    selection
        Selects objects of the namespace.
    """

    def __init__(
        self, cluster: Cluster, kind: ResourceKind, changed: asyncio.Event, **selection: Unpack[Selection]
    ) -> None:
        self._cluster = cluster
        self._kind = kind
        self._changed = changed
        self._selection = selection
        self._objects: dict[str, Object] = {}
        self.is_filled = False

    @property
    def objects(self) -> list[Object]:
        """The current objects."""
        return list(self._objects.values())

    async def run(self) -> None:
        """Keep the cache up to date until it is cancelled; transient errors are retried."""
        client, namespace = self._cluster.client, self._cluster.namespace
        while True:
            try:
                with self._cluster.query_errors("list", self._kind, namespace):
                    found, version = await client.list_to_watch(self._kind, namespace, **self._selection)
                self._fill({each["metadata"]["uid"]: each for each in found})
                with self._cluster.query_errors("watch", self._kind, namespace):
                    async for event, obj in client.watch(self._kind, namespace, version, **self._selection):
                        self._take(event, obj)
            except QueryError as error:
                if not self.is_filled or not error.is_transient:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    def _fill(self, objects: Mapping[str, Object]) -> None:
        self._objects = dict(objects)
        self.is_filled = True
        self._changed.set()

    def _take(self, event: str, obj: Object) -> None:
        uid = obj["metadata"]["uid"]
        if event == "DELETED":
            self._objects.pop(uid, None)
        else:
            self._objects[uid] = obj
        self._changed.set()


async def follow(cluster: Cluster, name: str) -> AsyncGenerator[Facts]:
    """Yield an instance with its objects, now and after each change, until it is deleted.

    Raises
    ------
    QueryError
        When there is no such instance, or watching it is forbidden.
    """
    await cluster.instance(name)
    changed = asyncio.Event()
    labels = of_instance(name)
    instances = Mirror(cluster, MODEL_INSTANCES, changed, fields=f"metadata.name={name}")
    deployments = Mirror(cluster, DEPLOYMENTS, changed, labels=labels)
    sets = Mirror(cluster, REPLICA_SETS, changed, labels=labels, metadata_only=True)
    pods = Mirror(cluster, PODS, changed, labels=labels)
    async with aclosing(_changes(changed, instances, deployments, sets, pods)) as changes:
        async for _ in changes:
            if not instances.objects:
                return
            facts = Facts(instances.objects[0], deployments.objects, sets.objects, pods.objects)
            try:
                yield await cluster.completed(facts)
            except QueryError as error:
                if not error.is_transient:
                    raise
                yield facts


async def follow_alone(
    cluster: Cluster, name: str, kind: ResourceKind = MODEL_INSTANCES
) -> AsyncGenerator[Object | None]:
    """Yield an object, now and after each change, without end; None while it does not exist.

    Parameters
    ----------
    cluster, name, kind
        The object, by default an instance.

    Raises
    ------
    QueryError
        When watching it is forbidden.
    """
    changed = asyncio.Event()
    mirror = Mirror(cluster, kind, changed, fields=f"metadata.name={name}")
    async with aclosing(_changes(changed, mirror)) as changes:
        async for _ in changes:
            yield next(iter(mirror.objects), None)


async def _changes(changed: asyncio.Event, *mirrors: Mirror) -> AsyncGenerator[None]:
    """Run mirrors; yield once all are filled, and then after each change."""
    tasks = [asyncio.create_task(mirror.run()) for mirror in mirrors]
    try:
        while True:
            await _next(changed, tasks)
            await asyncio.sleep(_TOGETHER_SECONDS)
            changed.clear()
            if all(mirror.is_filled for mirror in mirrors):
                yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _next(changed: asyncio.Event, tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for a change; raise the error that ended a mirror."""
    waiting = asyncio.create_task(changed.wait())
    try:
        done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    for task in done:
        task.result()
