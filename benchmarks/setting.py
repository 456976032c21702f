"""A control plane with an operator, and what is used to measure with it; the steps are in the subclasses.

There are no nodes and no controllers: a stage marks Deployments rolled out, and what garbage collection would
delete the benchmark deletes. The webhooks are not called; they are measured by themselves.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from benchmarks import objects
from benchmarks.client import connect
from benchmarks.objects import CEILING_NAMESPACE, NAMESPACE, REPLAY_NAMESPACE
from benchmarks.place import CONCURRENCY, Place
from benchmarks.requests import Requests, split, timestamp
from benchmarks.stage import Watch
from benchmarks.usage import children, usage
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping

    from benchmarks.client import Request

SINGLES = 40
AS_INSTALLED = {"MODEL_OPERATOR_LOG_FORMAT": "json"}
"""What the manifests set and the defaults do not: lines for developers take more than twice the time."""
QUIET_SECONDS = 2.0
SETTLED_QUIET_SECONDS = 5.0
"""A template's counts are written a second after the last change, Events before long."""
_ALIVE_SECONDS = 1.0

Figures = dict[str, Any]


class Setting:
    """Starts and stops what one run with one number of instances takes; a context manager.

    Parameters
    ----------
    count
        The number of instances.
    singles
        How many are created one by one.

    Attributes
    ----------
    folder
        Where its files are while it runs.
    """

    def __init__(self, count: int, singles: int = SINGLES) -> None:
        self._count = count
        self._limit = 60 + count * 0.2
        self._names = objects.names("model", count)
        self._singles = objects.names("single", singles)
        self.folder = Path(tempfile.mkdtemp(prefix="model-operator-bench-"))
        self._stack = AsyncExitStack()
        self._operator: OperatorProcess | None = None
        self._bare: int | None = None

    async def __aenter__(self) -> Self:
        """Start the control plane and the watches."""
        stack = self._stack
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        try:
            self._cluster = stack.enter_context(ControlPlane.start(bare=True))
            self._programs = children(self._cluster.pid or 0)
            self._as_operator = self._cluster.operator_kubeconfig()
            api = KubeApi(self._cluster.kubeconfig)
            stack.callback(api.close)
            for namespace in (NAMESPACE, CEILING_NAMESPACE, REPLAY_NAMESPACE):
                api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
                # Templates are tried with a pod, which is refused without it.
                account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
                api.in_namespace(namespace).create(account)
            for kind in ("ModelInstance", "ModelTemplate", "ModelTemplateRevision"):
                wait_for(partial(api.is_served, kind), message=f"objects of kind {kind} are served")
            self._client = await stack.enter_async_context(connect(self._cluster.kubeconfig))
            self._requests = Requests(self._cluster.directory / "audit.log")
            stack.callback(self._requests.close)
            stack.callback(self._stop_operator)
            self._place = Place(self._client, NAMESPACE, self._names, self._singles, self._limit)
            self._instances, self._deployments = self._place.instances, self._place.deployments
            self._stage = self._place.stage
            self._templates = Watch(self._client, objects.TEMPLATES.format(namespace=NAMESPACE))
        except BaseException:
            await stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything."""
        await self._stack.aclose()

    async def _between(self) -> None:
        """Wait until the operator rests: Events are posted when no instance waits."""
        await self._requests.settled(QUIET_SECONDS, self._limit, with_events=True)

    async def _watching(self, measure: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Measure with the stage and the watches going on."""
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(watch.run()) for watch in self._watches()]
            others += [group.create_task(each) for each in (self._stage.run(), self._fail_when_ended())]
            # Rendering thousands of objects keeps the loop busy longer than a server waits for a handshake.
            for watch in self._watches():
                await watch.has_begun.wait()
            await group.create_task(measure())
            for other in others:
                other.cancel()

    def _watches(self) -> tuple[Watch, ...]:
        return self._instances, self._deployments, self._templates

    async def _watched(self, act: Callable[[], Awaitable[Figures]]) -> Figures:
        """Have something happen; give what that gives, what was asked of the server and what was used."""
        before, since = self._cpu_seconds(), timestamp()
        figures = await act()
        await self._requests.settled(QUIET_SECONDS, self._limit)
        return {**figures, **self._asked(since), **self._used(before)}

    def _asked(self, since: str) -> Figures:
        writes, reads, apart = split(self._requests.counts(since))
        failures = self._requests.failures(since)
        return {"writes": writes, "reads": reads, "apart": apart, "failures": failures}

    def _used(self, before: Mapping[str, float]) -> Figures:
        (pid,) = self._subject().values()
        peaks = {name: round(usage(server).peak_mb) for name, server in self._programs.items()}
        used = {"peak_mb": round(usage(pid).peak_mb, 1), "peak_server_mb": peaks}
        return {"cpu_seconds": self._cpu_since(before), **used}

    def _subject(self) -> dict[str, int]:
        """Give the process id of the operator, or of the bare client in its place."""
        if self._operator is not None:
            return {"operator": self._operator.pid}
        return {} if self._bare is None else {"bare": self._bare}

    def _cpu_since(self, before: Mapping[str, float]) -> dict[str, float]:
        now = self._cpu_seconds()
        return {name: round(seconds - before.get(name, 0.0), 2) for name, seconds in now.items()}

    def _cpu_seconds(self) -> dict[str, float]:
        programs = {**self._subject(), **self._programs, "benchmark": os.getpid()}
        return {name: usage(pid).cpu_seconds for name, pid in programs.items()}

    async def _send(self, requests: Iterable[Request]) -> None:
        await self._client.send_all(requests, CONCURRENCY)

    async def _start_operator(self) -> None:
        log = self.folder / "operator.log"
        # In a thread, since the stage and the watches go on.
        self._operator = await asyncio.to_thread(
            OperatorProcess.start,
            self._as_operator,
            log=log,
            seconds=self._limit,
            environment=AS_INSTALLED,
        )

    async def _fail_when_ended(self) -> None:
        """Fail when the operator ends by itself: what is waited for would not come to pass."""
        while True:
            await asyncio.sleep(_ALIVE_SECONDS)
            if self._operator is not None:
                self._operator.check_running()

    def _stop_operator(self) -> None:
        if self._operator is not None:
            self._operator.stop()
            self._operator = None
