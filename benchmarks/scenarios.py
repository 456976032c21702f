"""What is measured for one number of instances, in order, on a control plane of its own."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any

from benchmarks import objects
from benchmarks.comparison import Comparison
from benchmarks.distribution import percentiles
from benchmarks.failover import Failover
from benchmarks.objects import NAMESPACE
from benchmarks.place import CONCURRENCY, is_ready
from benchmarks.requests import timestamp
from benchmarks.setting import QUIET_SECONDS, SETTLED_QUIET_SECONDS, Figures
from benchmarks.stepped import SteppedEdit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from benchmarks.objects import Object

DRIFTED = 1000
_DRIFTED_SURGE = 3
_BEHIND = 500
"""By how many instances the deletion of children is behind that of their owners."""
STEPS = (
    "ceiling",
    "replay",
    "create",
    "single",
    "edit",
    "edit_in_steps",
    "drift",
    "restart",
    "failover",
    "rebuild",
    "delete",
)
"""What is measured, in this order."""
LARGE = 5000
"""From so many instances on, what no aim is about is left out unless it is wanted: it takes half an hour."""
LEFT_OUT = ("ceiling", "rebuild")


def usual_steps(count: int) -> tuple[str, ...]:
    """Give the steps that are measured with so many instances unless others are wanted."""
    return tuple(step for step in STEPS if count < LARGE or step not in LEFT_OUT)


class Bench(Comparison, SteppedEdit, Failover):
    """One run with one number of instances; a context manager that starts and stops what it takes."""

    async def run(
        self,
        tell: Callable[[str], None],
        wanted: Collection[str] = STEPS,
        keep: Callable[[Figures], None] = lambda _: None,
    ) -> Figures:
        """Measure.

        Parameters
        ----------
        tell
            Called with what is measured next.
        wanted
            The steps to go through; all but ``ceiling`` and ``replay`` need ``create``.
        keep
            Called with the figures so far after each step, so that a later failure loses none of them.

        Raises
        ------
        BenchError
            When something does not come to pass within its time, or is refused.
        """
        figures: Figures = {"instances": self._count, "concurrency": CONCURRENCY}
        if "single" not in wanted:
            self._place.singles = self._singles = []
        steps: dict[str, Callable[[], Awaitable[Figures]]] = {
            "ceiling": self._ceiling,
            "replay": self._replay,
            "create": self._create,
            "single": self._single,
            "edit": self._edit,
            "edit_in_steps": self._edit_in_steps,
            "drift": self._drift,
            "restart": self._restart,
            "failover": self._failover,
            "rebuild": self._rebuild,
            "delete": self._delete,
        }

        async def measure() -> None:
            for name in STEPS:
                if name in wanted:
                    await self._between()
                    tell(name)
                    figures[name] = await steps[name]()
                    keep(figures)

        await self._watching(measure)
        return figures

    async def _create(self) -> Figures:
        """Create all instances at once, with the operator running."""
        await self._send([objects.creation(objects.template())])
        await self._start_operator()
        # What a start costs is no cost of an instance.
        await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)
        return await self._watched(self._place.create)

    async def _single(self) -> Figures:
        """Create one instance after the other."""
        return await self._place.single()

    async def _edit(self) -> Figures:
        """Edit the template."""
        return {"edited": len(self._place.everything), **await self._watched(self._place.edit)}

    async def _drift(self) -> Figures:
        """Change a field of Deployments that the operator owns; the time until it has its value again."""
        drifted = self._names[:DRIFTED]
        drift = {"spec": {"strategy": {"rollingUpdate": {"maxSurge": _DRIFTED_SURGE}}}}
        begun: dict[str, float] = {}
        seen: set[str] = set()

        def is_repaired(_: str, obj: Object) -> bool:
            if surge(obj) == _DRIFTED_SURGE:
                seen.add(obj["metadata"]["name"])
            return obj["metadata"]["name"] in seen and surge(obj) != _DRIFTED_SURGE

        self._deployments.expect(drifted, is_repaired)
        left = iter(drifted)

        async def change() -> None:
            for name in left:
                obj = {"kind": "Deployment", "metadata": {"name": name, "namespace": NAMESPACE}}
                begun[name] = time.monotonic()
                await self._client.send(objects.merge(obj, drift))

        async def act() -> Figures:
            begin = time.monotonic()
            await asyncio.gather(*(change() for _ in range(CONCURRENCY)))
            repaired = await self._deployments.all_met(self._limit)
            taken = percentiles(repaired[name] - begun[name] for name in drifted)
            return {"repaired_seconds": max(repaired.values()) - begin, "to_repair_ms": taken}

        return {"drifted": len(drifted), **await self._watched(act)}

    async def _restart(self) -> Figures:
        """Restart the operator when there is nothing to do."""
        self._stop_operator()
        since, begin, before = timestamp(), time.monotonic(), self._cpu_seconds()
        await self._start_operator()
        ready = time.monotonic() - begin
        await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)
        return {"to_ready_seconds": ready, **self._asked(since), **self._used(before)}

    async def _rebuild(self) -> Figures:
        """Delete all children while no operator runs, and have it make them again, nothing else going on."""
        self._stop_operator()
        self._stage.pause()
        everything = [*self._names, *self._singles]
        await self._place.remove_children()
        self._deployments.expect(everything, lambda *_: True)
        since = timestamp()
        await self._start_operator()
        begin = time.monotonic()
        deployed = await self._deployments.all_met(self._limit)
        end = time.monotonic()
        self._stage.play()
        await self._requests.settled(QUIET_SECONDS, self._limit)
        self._instances.expect(everything, lambda _, obj: is_ready(obj))
        await self._instances.all_met(self._limit)
        return {
            "rebuilt": len(deployed),
            "deployments_seconds": end - min(begin, *deployed.values()),
            **self._asked(since),
        }

    async def _delete(self) -> Figures:
        """Delete all instances one by one, and, as garbage collection would, their children after them."""
        everything = [*self._names, *self._singles]
        for watch in (self._instances, self._deployments):
            watch.expect(everything, lambda event_type, _: event_type == "DELETED")
        since, begin = timestamp(), time.monotonic()
        requests = objects.deletions(everything, _BEHIND)
        if len(everything) <= _BEHIND:
            # A child that disappears while the operator does not know yet that its owner has, is made again.
            await self._send(itertools.islice(requests, len(everything)))
            await self._instances.all_met(self._limit)
            await self._requests.settled(QUIET_SECONDS, self._limit)
        await self._send(requests)
        for watch in (self._instances, self._deployments):
            await watch.all_met(self._limit)
        gone = time.monotonic() - begin
        await self._requests.settled(QUIET_SECONDS, self._limit)
        return {"seconds": gone, **self._asked(since)}


def surge(deployment: Object) -> Any:
    """Give how many more pods than wanted a roll-out may make."""
    return deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
