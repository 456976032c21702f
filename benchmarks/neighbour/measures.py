"""What is measured of one part, on a control plane and an operator process of its own."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from benchmarks import objects
from benchmarks.client import BenchError, innermost
from benchmarks.distribution import percentiles
from benchmarks.objects import NAMESPACE
from benchmarks.place import Place, is_ready
from benchmarks.requests import timestamp
from benchmarks.scenarios import surge
from benchmarks.setting import SETTLED_QUIET_SECONDS, Figures, Setting
from benchmarks.usage import usage
from tests.cluster.kube_api import KubeApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from benchmarks.stage import Watch

    Act = Callable[[int], Awaitable[bool]]

QUIET = "quiet"
"""The namespace in which single instances are created."""
EDITED, CHURNED = 200, 5000
"""How many instances the noisy namespace has."""
NOISE_SECONDS = 0.1
"""Between two edits, and between two replacements."""
MOST_CHANGES = 8
"""That are sent at a time, where the API server takes longer than these pauses."""
ROUNDS = 3
CREATES = 20
"""Of each round."""
PAUSE_SECONDS = 0.33
"""Between two creates: they meet the noise, which recurs, at all its stages."""
WARM_SECONDS = 3.0
"""After which the queue has its usual length."""
CONTEST_SECONDS = 60.0
RIVAL_SECONDS = 0.02
"""How often the other manager looks whether its value has been corrected."""
_RIVALS_SURGE = 3
_LONGEST_SECONDS = 60.0

Times = tuple[float, float]
"""Seconds from the request to the Deployment, and to Ready."""


class NeighbourBench(Setting):
    """A run beside a namespace with so many instances.

    Parameters
    ----------
    count
        The number of instances in the noisy namespace.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count, singles=0)
        self._numbers = itertools.count()

    async def __aenter__(self) -> Self:
        """Start the control plane and the watches."""
        await super().__aenter__()
        api = KubeApi(self._cluster.kubeconfig)
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": QUIET}})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        api.in_namespace(QUIET).create(account)
        api.close()
        self._quiet = Place(self._client, QUIET, [], [], _LONGEST_SECONDS)
        return self

    def _watches(self) -> tuple[Watch, ...]:
        return (*super()._watches(), self._quiet.instances, self._quiet.deployments)

    async def beside_edits(self, tell: Callable[[str], None]) -> Figures:
        """Measure single creates while the template of the other namespace is edited again and again."""
        return await self._run(lambda: self._beside(tell, self._edit_once))

    async def beside_churn(self, tell: Callable[[str], None]) -> Figures:
        """Measure them while its instances are replaced, one after the other."""
        return await self._run(lambda: self._beside(tell, self._replace))

    async def contest(self, tell: Callable[[str], None]) -> Figures:
        """Measure the CPU time that it costs of correcting a field that another manager sets again."""
        return await self._run(lambda: self._contested(tell))

    async def _run(self, measure: Callable[[], Coroutine[Any, Any, Figures]]) -> Figures:
        figures: Figures = {}

        async def act() -> None:
            stage = asyncio.create_task(self._quiet.stage.run())
            try:
                for namespace in (NAMESPACE, QUIET):
                    await self._client.send(objects.creation(objects.template(namespace=namespace)))
                await self._start_operator()
                await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)
                figures.update(await measure())
            finally:
                stage.cancel()

        await self._watching(act)
        return figures

    async def _beside(self, tell: Callable[[str], None], act: Act) -> Figures:
        await self._singles_in_turn(3)
        tell("alone")
        alone = await self._singles_in_turn(ROUNDS * CREATES)
        tell(f"{self._count:,} instances")
        await self._place.create()
        await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)
        idle: list[Times] = []
        noised: list[Times] = []
        changes, cpu, seconds, since = 0, 0.0, 0.0, timestamp()
        for number in range(ROUNDS):
            tell(f"round {number + 1} of {ROUNDS}")
            idle += await self._singles_in_turn(CREATES // 2)
            async with self._going_on(act) as done:
                await asyncio.sleep(WARM_SECONDS)
                before, begin, used = done[0], time.monotonic(), self._cpu_seconds()["operator"]
                noised += await self._singles_in_turn(CREATES)
                changes += done[0] - before
                seconds += time.monotonic() - begin
                cpu += self._cpu_seconds()["operator"] - used
            await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)
        return {
            "instances": self._count,
            "changes_per_second": round(changes / seconds, 1),
            "operator_share": round(cpu / seconds, 3),
            "alone": _distributions(alone),
            "idle": _distributions(idle),
            "beside": _distributions(noised),
            **self._asked(since),
        }

    async def _singles_in_turn(self, count: int) -> list[Times]:
        """Create instances in the quiet namespace, one after the other."""
        times = []
        for _ in range(count):
            name = f"single-{next(self._numbers):04}"
            self._quiet.deployments.expect([name], lambda *_: True)
            self._quiet.instances.expect([name], lambda _, obj: is_ready(obj))
            request = objects.creation(objects.instance(name, QUIET))
            begin = time.monotonic()
            await self._client.send(request)
            ready = (await self._quiet.instances.all_met(_LONGEST_SECONDS))[name]
            deployed = (await self._quiet.deployments.all_met(_LONGEST_SECONDS))[name]
            times.append((deployed - begin, ready - begin))
            await asyncio.sleep(PAUSE_SECONDS)
        return times

    @asynccontextmanager
    async def _going_on(
        self, act: Act, pause: float = NOISE_SECONDS, most: int = MOST_CHANGES
    ) -> AsyncIterator[list[int]]:
        """Have something happen so many seconds apart; the list given has how often it has.

        `act` returns whether it has changed anything.

        Raises
        ------
        BenchError
            When it failed: nothing was measured beside it.
        """
        done, stopped, free = [0], asyncio.Event(), asyncio.Semaphore(most)

        async def once() -> None:
            try:
                has_changed = await act(next(self._numbers))
                # Only now: several are under way, and the number read before a wait is out of date after it.
                done[0] += has_changed
            finally:
                free.release()

        async def run() -> None:
            begin = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for number in itertools.count():
                    # By the clock: what happens takes time, too.
                    await asyncio.sleep(begin + number * pause - time.monotonic())
                    await free.acquire()
                    if stopped.is_set():
                        return
                    group.create_task(once())

        running = asyncio.create_task(run())
        try:
            yield done
        finally:
            stopped.set()
            (failure,) = await asyncio.gather(running, return_exceptions=True)
        if failure is not None:
            raise BenchError(f"what was to go on has failed: {innermost(failure)}") from failure

    async def _edit_once(self, number: int) -> bool:
        tag = {"spec": {"vendor_configuration": {"bundle_config": {"tag": f"edit-{number}"}}}}
        await self._client.send(objects.merge(objects.template(), tag))
        return True

    async def _replace(self, number: int) -> bool:
        """Create an instance, and delete the oldest one that is Ready, with its children.

        That is what garbage collection would do. The stage is done with the Deployment of one that is Ready,
        and its Service exists, too.
        """
        added = f"added-{number:05}"
        oldest = self._oldest_ready()
        if oldest is None:
            return False
        self._names.remove(oldest)
        self._names.append(added)
        await self._client.send(objects.creation(objects.instance(added)))
        await self._client.send(objects.deletion(objects.instance(oldest)))
        for kind in ("Deployment", "Service"):
            child = {"kind": kind, "metadata": {"name": oldest, "namespace": NAMESPACE}}
            await self._client.send(objects.deletion(child))
        return True

    def _oldest_ready(self) -> str | None:
        seen = self._instances.newest
        return next((name for name in self._names if name in seen and is_ready(seen[name])), None)

    async def _contested(self, tell: Callable[[str], None]) -> Figures:
        assert self._operator is not None
        await self._singles_in_turn(1)
        (name,) = self._quiet.deployments.newest
        await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)
        tell("without a contest")
        idle = await self._cpu_during(CONTEST_SECONDS)
        change = {"spec": {"strategy": {"rollingUpdate": {"maxSurge": _RIVALS_SURGE}}}}
        deployment = {"kind": "Deployment", "metadata": {"name": name, "namespace": QUIET}}

        async def rival(_: int) -> bool:
            is_corrected: bool = surge(self._quiet.deployments.newest[name]) != _RIVALS_SURGE
            if is_corrected:
                await self._client.send(objects.merge(deployment, change))
            return is_corrected

        tell("contest")
        async with self._going_on(rival, RIVAL_SECONDS, most=1) as done:
            contested = await self._cpu_during(CONTEST_SECONDS)
        return {
            "seconds": CONTEST_SECONDS,
            "changes": done[0],
            "cpu_seconds": {"idle": round(idle, 2), "contested": round(contested, 2)},
        }

    async def _cpu_during(self, seconds: float) -> float:
        assert self._operator is not None
        before = usage(self._operator.pid).cpu_seconds
        await asyncio.sleep(seconds)
        return usage(self._operator.pid).cpu_seconds - before


def _distributions(times: list[Times]) -> Figures:
    deployed, ready = zip(*times, strict=True)
    return {"to_deployment_ms": percentiles(deployed), "to_ready_ms": percentiles(ready)}
