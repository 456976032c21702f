"""Another replica takes over while all instances run: from a leader that ends, and from one that is killed.

Both replicas have the default Lease. An instance is created as soon as the leader's process has ended, and
its Deployment shows that the other one works. To what runs, the other one writes nothing.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import objects
from benchmarks.place import is_ready
from benchmarks.requests import timestamp
from benchmarks.setting import AS_INSTALLED, SETTLED_QUIET_SECONDS, Figures, Setting
from benchmarks.usage import usage
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

_COUNTS = "modeltemplates/status"
"""What is written of the new instance to its template."""


class Failover(Setting):
    """The step ``failover``."""

    async def _failover(self) -> Figures:
        """Have a standby take over, then another one from that."""
        self._stop_operator()
        self._operator = await self._replica("first")
        leads = partial(_leads, self._operator)
        await asyncio.to_thread(wait_for, leads, self._limit, "the first replica leads")
        return {
            "sigterm": await self._taken_over("sigterm", OperatorProcess.stop),
            "sigkill": await self._taken_over("sigkill", OperatorProcess.kill),
        }

    async def _taken_over(self, signal: str, end: Callable[[OperatorProcess], int]) -> Figures:
        """Start a standby and end the leader; give how long it takes and what the standby uses."""
        leader = self._operator
        assert leader is not None
        standby = await self._replica(signal)
        await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)
        waiting = usage(standby.pid)
        name = f"after-{signal}"
        self._deployments.expect([name], lambda *_: True)
        self._instances.expect([name], lambda _, obj: is_ready(obj))
        # From here on the standby is the one that must not end by itself.
        self._operator = standby
        since, begin = timestamp(), time.monotonic()
        await asyncio.to_thread(end, leader)
        ended = time.monotonic()
        # It is one of those that are created one by one: the steps that follow have it, too.
        self._singles.append(name)
        await self._send([objects.creation(objects.instance(name))])
        deployed = (await self._deployments.all_met(self._limit))[name]
        ready = (await self._instances.all_met(self._limit))[name]
        await self._requests.settled(SETTLED_QUIET_SECONDS, self._limit)
        leading = usage(standby.pid)
        others = [each for each in self._requests.written(since) if not _is_of(name, each)]
        return {
            "ended_seconds": ended - begin,
            "deployment_seconds": deployed - begin,
            "ready_seconds": ready - begin,
            "writes_to_others": len(others),
            "standby": {"cpu_seconds": waiting.cpu_seconds, "peak_mb": round(waiting.peak_mb, 1)},
            "leader": {
                "cpu_seconds": round(leading.cpu_seconds - waiting.cpu_seconds, 2),
                "peak_mb": round(leading.peak_mb, 1),
            },
            **self._asked(since),
        }

    async def _replica(self, name: str) -> OperatorProcess:
        """Start an operator with leader election, and wait until it is ready, be it as standby."""
        start = partial(
            OperatorProcess.start,
            self._as_operator,
            log=self.folder / f"replica-{name}.log",
            seconds=self._limit,
            environment={**AS_INSTALLED, "MODEL_OPERATOR_LEADER_ELECTION": "on"},
        )
        operator = await asyncio.to_thread(start)
        # Whatever happens, it is stopped before the control plane.
        return self._stack.enter_context(operator)


def _leads(operator: OperatorProcess) -> bool:
    return "became leader" in operator.log.read_text()


def _is_of(name: str, written: tuple[str, str]) -> bool:
    resource, of = written
    return of == name or resource == _COUNTS
