"""What is measured for one number of instances, in order, on a control plane of its own.

There are no nodes and no controllers: a stage marks Deployments rolled out, and what garbage collection would
delete the benchmark deletes. The webhooks are not called; they are measured by themselves.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from benchmarks import objects
from benchmarks.ceiling import ceiling
from benchmarks.client import connect
from benchmarks.distribution import percentiles
from benchmarks.objects import CEILING_NAMESPACE, NAMESPACE, REPLAY_NAMESPACE
from benchmarks.place import CONCURRENCY, Place, is_ready
from benchmarks.replay import bare_client, learn, looked_on, script
from benchmarks.requests import Requests, split, timestamp
from benchmarks.usage import children, usage
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Collection,
        Coroutine,
        Iterable,
        Mapping,
        Sequence,
    )

    from benchmarks.bare import Script
    from benchmarks.client import Request
    from benchmarks.objects import Object
    from benchmarks.stage import Watch

WARM_UP = 50
SINGLES = 40
DRIFTED = 1000
QUIET_SECONDS = 2.0
SETTLED_QUIET_SECONDS = 5.0
"""A template's counts are written a second after the last change, Events before long."""
_DRIFTED_SURGE = 3
STEPS = ("ceiling", "replay", "create", "single", "edit", "drift", "restart", "rebuild", "delete")
"""What is measured, in this order."""

Figures = dict[str, Any]


class Bench:
    """One run with one number of instances; a context manager that starts and stops what it takes.

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
        except BaseException:
            await stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything."""
        await self._stack.aclose()

    async def run(self, tell: Callable[[str], None], wanted: Collection[str] = STEPS) -> Figures:
        """Measure.

        Parameters
        ----------
        tell
            Called with what is measured next.
        wanted
            The steps to go through; all but ``ceiling`` and ``replay`` need ``create``.

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
            "drift": self._drift,
            "restart": self._restart,
            "rebuild": self._rebuild,
            "delete": self._delete,
        }

        async def measure() -> None:
            for name in STEPS:
                if name in wanted:
                    await self._between()
                    tell(name)
                    figures[name] = await steps[name]()

        await self._watching(measure)
        return figures

    async def _between(self) -> None:
        """Wait until the operator rests: Events are posted when no instance waits."""
        await self._requests.settled(QUIET_SECONDS, self._limit, with_events=True)

    async def _watching(self, measure: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Measure with the stage and the watches going on."""
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(watch.run()) for watch in self._watches()]
            others.append(group.create_task(self._stage.run()))
            # Rendering thousands of objects keeps the loop busy longer than a server waits for a handshake.
            for watch in self._watches():
                await watch.has_begun.wait()
            await group.create_task(measure())
            for other in others:
                other.cancel()

    def _watches(self) -> tuple[Watch, ...]:
        return self._instances, self._deployments

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
            return {
                "create": await self._watched(place.create),
                "single": await place.single(),
                "edit": {"edited": len(place.everything), **await self._watched(place.edit)},
            }

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
        await self._remove_children(everything)
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
        """Delete all instances, then, as garbage collection would, their children."""
        everything = [*self._names, *self._singles]
        self._instances.expect(everything, lambda event_type, _: event_type == "DELETED")
        requests = [objects.deletion(objects.instance(name)) for name in everything]
        since, begin = timestamp(), time.monotonic()
        await self._send(requests)
        await self._instances.all_met(self._limit)
        gone = time.monotonic() - begin
        await self._remove_children(everything)
        await self._requests.settled(QUIET_SECONDS, self._limit)
        return {"instances_seconds": gone, **self._asked(since)}

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
        return {"cpu_seconds": self._cpu_since(before), "peak_mb": round(usage(pid).peak_mb, 1)}

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

    async def _measure(self, requests: Iterable[Request], kubeconfig: Path | None = None) -> float:
        """Give the seconds that requests take from a process of its own, by default as the operator."""
        user = self._as_operator if kubeconfig is None else kubeconfig
        return await ceiling(user, list(requests), self.folder, CONCURRENCY, self._limit)

    async def _remove_children(self, names: Sequence[str]) -> None:
        self._deployments.expect(names, lambda event_type, _: event_type == "DELETED")
        wanted: list[Object] = objects.children(names, NAMESPACE)
        await self._send(map(objects.deletion, wanted))
        await self._deployments.all_met(self._limit)

    async def _start_operator(self) -> None:
        log = self.folder / "operator.log"
        # In a thread, since the stage and the watches go on.
        self._operator = await asyncio.to_thread(
            OperatorProcess.start, self._as_operator, log=log, seconds=self._limit
        )

    def _stop_operator(self) -> None:
        if self._operator is not None:
            self._operator.stop()
            self._operator = None


def surge(deployment: Object) -> Any:
    """Give how many more pods than wanted a roll-out may make."""
    return deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
