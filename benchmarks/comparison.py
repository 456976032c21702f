"""What the operator is compared with: the same requests by a client that does nothing else.

The newer comparison has the bare client take the operator's place; the older one sends the requests for the
children alone, without statuses, watches and a stage.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from benchmarks import objects
from benchmarks.ceiling import ceiling
from benchmarks.objects import CEILING_NAMESPACE, REPLAY_NAMESPACE
from benchmarks.place import CONCURRENCY, Place
from benchmarks.replay import bare_client, learn, looked_on, script
from benchmarks.setting import Figures, Setting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from benchmarks.bare import Script
    from benchmarks.client import Request

WARM_UP = 50


class Comparison(Setting):
    """The steps ``ceiling`` and ``replay``."""

    async def _ceiling(self) -> Figures:
        """Measure the same requests from a client that does nothing else, before there is an operator."""
        wanted = objects.children(self._names, CEILING_NAMESPACE)
        edited = objects.children(self._names, CEILING_NAMESPACE, objects.EDITED_TAG)
        instances = [objects.instance(name, CEILING_NAMESPACE) for name in self._names]
        warm = objects.children(objects.names("warm", WARM_UP), CEILING_NAMESPACE)
        await self._send(map(objects.application, warm))
        await self._send(map(objects.deletion, warm))
        before = self._cpu_seconds()
        figures: Figures = {"apply_seconds": await self._measure(map(objects.application, wanted))}
        figures["apply_cpu_seconds"] = self._cpu_since(before)
        figures["edit_seconds"] = await self._measure(
            objects.application(obj, force=True) for obj in edited if obj["kind"] == "Deployment"
        )
        await self._send(map(objects.deletion, wanted))
        figures["post_seconds"] = await self._measure(map(objects.creation, wanted))
        await self._send(map(objects.deletion, wanted))
        figures["instances_seconds"] = await self._measure(
            map(objects.creation, instances), self._cluster.kubeconfig
        )
        await self._send(map(objects.deletion, instances))
        return figures

    async def _replay(self) -> Figures:
        """Measure the same with a bare client that takes the operator's place."""
        async with self._replayed(await self._learned()) as place:
            figures = {"create": await self._watched(place.create)}
            if place.singles:
                figures["single"] = await place.single()
            return figures | {"edit": {"edited": len(place.everything), **await self._watched(place.edit)}}

    async def _learned(self) -> Script:
        """Run the operator for one instance; give what the bare client is to send."""
        await self._start_operator()
        statuses = await learn(self._client, REPLAY_NAMESPACE, self._limit)
        self._stop_operator()
        return script(REPLAY_NAMESPACE, statuses)

    @asynccontextmanager
    async def _replayed(self, given: Script) -> AsyncIterator[Place]:
        """Run the bare client; give its namespace, and remove what is there afterwards."""
        place = Place(self._client, REPLAY_NAMESPACE, self._names, self._singles, self._limit)
        template = objects.template(namespace=REPLAY_NAMESPACE)
        await self._send([objects.creation(template)])
        async with looked_on(place), bare_client(self._as_operator, given, self.folder) as pid:
            self._bare = pid
            yield place
            self._bare = None
            await place.remove_all()
        await self._send([objects.deletion(template)])

    async def _measure(self, requests: Iterable[Request], kubeconfig: Path | None = None) -> float:
        """Give the seconds that requests take from a process of its own, by default as the operator."""
        user = self._as_operator if kubeconfig is None else kubeconfig
        return await ceiling(user, list(requests), self.folder, CONCURRENCY, self._limit)
