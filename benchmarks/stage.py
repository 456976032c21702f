"""What stands in for the Deployment controller and looks on: a stage, and watches that note times."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import aiohttp

from benchmarks.client import BenchError, Client, Request
from benchmarks.objects import merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Object = dict[str, Any]

STAGE_CONCURRENCY = 8
LONGEST_LINE = 1 << 24
_TIMES = {"lastUpdateTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}


class Watch:
    """Follows all objects of a kind in one namespace, and notes when they come to meet a condition.

    Parameters
    ----------
    client
        Requests.
    path
        Of the collection.
    """

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path
        self._met: Callable[[str, Object], bool] = lambda _type, _obj: False
        self._left: set[str] = set()
        self._done = asyncio.Event()
        self.has_begun = asyncio.Event()
        self.newest: dict[str, Object] = {}
        self.times: dict[str, float] = {}
        self.listeners: list[Callable[[Object], None]] = []

    async def run(self) -> None:
        """List and follow until cancelled.

        The API server ends a watch that takes events more slowly than they come; it goes on where it ended.

        Raises
        ------
        BenchError
            When the API server no longer has the events since then.
        """
        listed = json.loads(await self._client.send(Request("GET", self._path, "application/json", "")))
        for item in listed["items"] or []:
            self._take("ADDED", item)
        version = listed["metadata"]["resourceVersion"]
        self.has_begun.set()
        while True:
            version = await self._follow(version)

    async def _follow(self, version: str) -> str:
        """Follow from a version until the API server ends that; return the version that was reached."""
        query = f"?watch=true&resourceVersion={version}&timeoutSeconds=86400"
        async with self._client.session.get(
            self._client.server + self._path + query,
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=LONGEST_LINE,
        ) as response:
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise BenchError(f"the watch of {self._path} has ended: {event['object'].get('message')}")
                self._take(event["type"], event["object"])
                version = event["object"]["metadata"]["resourceVersion"]
        return version

    def expect(self, names: Iterable[str], met: Callable[[str, Object], bool]) -> None:
        """Begin to note when objects of these names first meet a condition.

        Parameters
        ----------
        names
            The objects.
        met
            Gets the type of a watch event and the object.
        """
        self._left, self.times, self._met = set(names), {}, met
        self._done.clear()
        for name, obj in self.newest.items():
            self._judge(name, "MODIFIED", obj)

    async def all_met(self, seconds: float) -> dict[str, float]:
        """Wait until all objects have met the condition; give the times by name.

        Raises
        ------
        BenchError
            When they have not within `seconds`.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._done.wait()
        except TimeoutError as error:
            some = sorted(self._left)[:3]
            shown = [self.newest.get(name, {}).get("status") for name in some[:1]]
            message = f"{len(self._left)} of {self._path} not as expected after {seconds:g} s: {some} {shown}"
            raise BenchError(message) from error
        return self.times

    def _take(self, event_type: str, obj: Object) -> None:
        name = obj["metadata"]["name"]
        if event_type == "DELETED":
            self.newest.pop(name, None)
        else:
            self.newest[name] = obj
            for listener in self.listeners:
                listener(obj)
        self._judge(name, event_type, obj)

    def _judge(self, name: str, event_type: str, obj: Object) -> None:
        if name in self._left and self._met(event_type, obj):
            self._left.discard(name)
            self.times[name] = time.monotonic()
            if not self._left:
                self._done.set()


class Stage:
    """Marks Deployments rolled out, as their controller does in its last write, as soon as they are changed.

    Parameters
    ----------
    client
        Requests.
    deployments
        What it acts upon.
    """

    def __init__(self, client: Client, deployments: Watch) -> None:
        self._client = client
        self._queue: deque[Object] = deque()
        self._available = asyncio.Event()
        self._plays = asyncio.Event()
        self._plays.set()
        deployments.listeners.append(self._on_deployment)

    def pause(self) -> None:
        """Leave Deployments as they are until `play`."""
        self._plays.clear()

    def play(self) -> None:
        """Act again, also upon what has been left."""
        self._plays.set()

    async def run(self) -> None:
        """Act until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(STAGE_CONCURRENCY):
                group.create_task(self._work())

    def _on_deployment(self, obj: Object) -> None:
        if (obj.get("status") or {}).get("observedGeneration") != obj["metadata"]["generation"]:
            self._queue.append(obj)
            self._available.set()

    async def _work(self) -> None:
        while True:
            await self._plays.wait()
            while not self._queue:
                self._available.clear()
                await self._available.wait()
            obj = {**self._queue.popleft(), "kind": "Deployment"}
            await self._client.send(merge(obj, {"status": rolled_out(obj)}, "/status"))


def rolled_out(deployment: Object) -> Object:
    """Give the status of a Deployment whose present generation is rolled out."""
    count = deployment["spec"]["replicas"]
    name = deployment["metadata"]["name"]
    available = ("Available", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    progressed = (
        "Progressing",
        "NewReplicaSetAvailable",
        f'ReplicaSet "{name}-5d4f8c7b9" has successfully progressed.',
    )
    return {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": count,
        "updatedReplicas": count,
        "readyReplicas": count,
        "availableReplicas": count,
        "conditions": [
            {"type": kind, "status": "True", "reason": reason, "message": message, **_TIMES}
            for kind, reason, message in (available, progressed)
        ],
    }
