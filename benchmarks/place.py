"""Instances in one namespace: they are created, at once or one by one, and their template is edited.

The same with the operator and with the bare client that takes its place, so that the times can be compared.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from benchmarks import objects
from benchmarks.client import NoAnswerError
from benchmarks.distribution import percentiles
from benchmarks.stage import Stage, Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.client import Client
    from benchmarks.objects import Object

CONCURRENCY = 16
"""Requests at a time of all clients: the operator's own default number of workers."""

_PAUSE_SECONDS = 1.0

Figures = dict[str, Any]


class Place:
    """A namespace with a template, and those who look on: watches that note times, and the stage.

    Parameters
    ----------
    client
        Requests.
    namespace
        Which exists.
    names, singles
        Of the instances that are created at once, and of those that are created one by one.
    limit
        How many seconds each of the actions may take.
    """

    def __init__(
        self, client: Client, namespace: str, names: Sequence[str], singles: Sequence[str], limit: float
    ) -> None:
        self._client = client
        self._limit = limit
        self.namespace = namespace
        self.names, self.singles = names, singles
        self.instances = Watch(client, objects.INSTANCES.format(namespace=namespace))
        self.deployments = Watch(client, objects.DEPLOYMENTS.format(namespace=namespace))
        self.stage = Stage(client, self.deployments)

    @property
    def everything(self) -> list[str]:
        """The names of all instances."""
        return [*self.names, *self.singles]

    async def create(self) -> Figures:
        """Create all instances at once, and wait until all are Ready."""
        self.deployments.expect(self.names, lambda *_: True)
        self.instances.expect(self.names, lambda _, obj: is_ready(obj))
        created: dict[str, float] = {}
        left = iter([(name, self._creation(name)) for name in self.names])

        async def create() -> None:
            for name, request in left:
                created[name] = time.monotonic()
                await self._client.send(request)

        begin = time.monotonic()
        await asyncio.gather(*(create() for _ in range(CONCURRENCY)))
        asked = time.monotonic()
        deployed = await self.deployments.all_met(self._limit)
        ready = await self.instances.all_met(self._limit)
        return {
            "asked_seconds": asked - begin,
            "deployments_seconds": max(deployed.values()) - begin,
            "ready_seconds": max(ready.values()) - begin,
            "to_deployment_ms": percentiles(deployed[name] - created[name] for name in created),
            "to_ready_ms": percentiles(ready[name] - created[name] for name in created),
        }

    async def single(self) -> Figures:
        """Create one instance after the other, each when the one before is Ready."""
        to_deployment, to_ready = [], []
        for name in self.singles:
            self.deployments.expect([name], lambda *_: True)
            self.instances.expect([name], lambda _, obj: is_ready(obj))
            request = self._creation(name)
            begin = time.monotonic()
            await self._client.send(request)
            to_ready.append((await self.instances.all_met(self._limit))[name] - begin)
            to_deployment.append((await self.deployments.all_met(self._limit))[name] - begin)
        return {"to_deployment_ms": percentiles(to_deployment), "to_ready_ms": percentiles(to_ready)}

    async def edit(self) -> Figures:
        """Edit the template: another tag for the image of all."""
        tag = {"spec": {"vendor_configuration": {"bundle_config": {"tag": objects.EDITED_TAG}}}}
        edit = objects.merge(objects.template(namespace=self.namespace), tag)
        self.deployments.expect(self.everything, lambda _, obj: objects.EDITED_TAG in image(obj))
        self.instances.expect(self.everything, lambda _, obj: is_ready(obj) and bound_generation(obj) == 2)
        begin = time.monotonic()
        await self._client.send(edit)
        applied = await self.deployments.all_met(self._limit)
        ready = await self.instances.all_met(self._limit)
        return {
            "deployments_seconds": max(applied.values()) - begin,
            "ready_seconds": max(ready.values()) - begin,
        }

    async def remove_all(self) -> None:
        """Delete all instances that there are, then, as garbage collection would, their children."""
        names = list(self.instances.newest)
        self.instances.expect(names, lambda event_type, _: event_type == "DELETED")
        await self._clear(objects.INSTANCES)
        await self.instances.all_met(self._limit)
        await self.remove_children()

    async def remove_children(self) -> None:
        """Delete all Services and Deployments that there are, both kinds at once."""
        names = list(self.deployments.newest)
        self.deployments.expect(names, lambda event_type, _: event_type == "DELETED")
        await asyncio.gather(*(self._clear(path) for path in (objects.SERVICES, objects.DEPLOYMENTS)))
        await self.deployments.all_met(self._limit)

    async def _clear(self, path: str) -> None:
        """Delete a collection by one request, which takes the server much less time than one for each.

        Raises
        ------
        BenchError
            When the server refuses it, or does not end it within the limit.
        """
        request = objects.clearance(path.format(namespace=self.namespace))
        deadline = time.monotonic() + self._limit
        while True:
            try:
                await self._client.send(request)
            except NoAnswerError:
                # The server takes a minute at most for a request; it does not make again what it has deleted.
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return

    def _creation(self, name: str) -> Any:
        return objects.creation(objects.instance(name, self.namespace))


def is_ready(instance: Object) -> bool:
    """Tell whether an instance is Ready with its present generation."""
    status = instance.get("status") or {}
    if status.get("observedGeneration") != instance["metadata"]["generation"]:
        return False
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", []))


def bound_generation(instance: Object) -> int:
    """Give the generation of its template that an instance's status is about."""
    generation: int = (instance["status"].get("template") or {}).get("generation", 0)
    return generation


def image(deployment: Object) -> str:
    """Give the image of the model's container."""
    written: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return written
