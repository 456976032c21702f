"""Takes the operator's place without its work: ``python -m benchmarks.bare KUBECONFIG SCRIPT``.

It has the operator's watches open and sends the operator's requests when these report what the operator
would act upon, but the requests are prepared: it only puts in the names. What it takes is what the API server
takes, so the operator's time over it is what the operator costs. It prints a line when its watches are open,
and runs until SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import orjson

from benchmarks.client import BenchError, Client, Request, connect
from benchmarks.place import CONCURRENCY
from benchmarks.stage import LONGEST_LINE
from model_operator.kube.resources import (
    CHILD_KINDS,
    DEPLOYMENTS,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    REVISION_KINDS,
    TEMPLATE_KINDS,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_operator.kube.resources import ResourceKind

Object = dict[str, Any]

AGENT = "model-operator/bare"
"""Its requests are counted as the operator's are."""
WATCHED = (*TEMPLATE_KINDS, *REVISION_KINDS, MODEL_INSTANCES, *CHILD_KINDS)
"""What an operator for all namespaces watches."""


class Script(NamedTuple):
    """What to send, for an instance whose name and uid are put in.

    Attributes
    ----------
    namespace
        Where.
    name, uid
        What stands for the name and the uid of an instance.
    children
        By generation of the template, from 1: the requests for the children, which are sent at once.
    statuses
        By the same: the merge patches of the instance's status, for when its Deployment is rolled out.
    """

    namespace: str
    name: str
    uid: str
    children: list[list[list[str]]]
    statuses: list[Object]


class Bare:
    """A client that answers events with prepared requests.

    As in the operator, children come before the statuses of others.

    Parameters
    ----------
    client
        Requests.
    script
        What to send.
    """

    def __init__(self, client: Client, script: Script) -> None:
        self._client = client
        self._script = script
        self._statuses = [json.dumps(each) for each in script.statuses]
        self._instances: dict[str, tuple[str, str]] = {}
        self._reported: dict[str, int] = {}
        self._generation = 1
        self._children: deque[Request] = deque()
        self._late: deque[tuple[str, int]] = deque()
        self._work = asyncio.Semaphore(0)

    async def run(self) -> None:
        """Watch and send until cancelled."""
        actions = {
            MODEL_INSTANCES: self._on_instance,
            MODEL_TEMPLATES: self._on_template,
            DEPLOYMENTS: self._on_deployment,
        }
        opened = [asyncio.Event() for _ in WATCHED]
        async with asyncio.TaskGroup() as group:
            for kind, event in zip(WATCHED, opened, strict=True):
                group.create_task(self._watch(kind, actions.get(kind), event))
            for _ in range(CONCURRENCY):
                group.create_task(self._send())
            for event in opened:
                await event.wait()
            print("watching", flush=True)

    async def _watch(
        self, kind: ResourceKind, act: Callable[[str, Object], None] | None, opened: asyncio.Event
    ) -> None:
        query = {"watch": "true", "timeoutSeconds": "86400"}
        if kind.label_selector:
            query["labelSelector"] = kind.label_selector
        while True:
            version = await self._follow(kind, query, act, opened)
            if not version:
                raise BenchError(f"the watch of {kind} has ended before its first event")
            # The API server ends a watch that takes events more slowly than they come.
            query["resourceVersion"] = version

    async def _follow(
        self,
        kind: ResourceKind,
        query: dict[str, str],
        act: Callable[[str, Object], None] | None,
        opened: asyncio.Event,
    ) -> str:
        """Take events until the API server ends the watch; return the version that was reached."""
        version = query.get("resourceVersion", "")
        async with self._client.session.get(
            self._client.server + kind.path(),
            params=query,
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=LONGEST_LINE,
        ) as response:
            response.raise_for_status()
            opened.set()
            async for line in response.content:
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise BenchError(f"the watch of {kind} has ended: {event['object'].get('message')}")
                metadata = event["object"]["metadata"]
                version = metadata["resourceVersion"]
                if act is not None and metadata["namespace"] == self._script.namespace:
                    act(event["type"], event["object"])
        return version

    def _on_instance(self, event_type: str, obj: Object) -> None:
        metadata = obj["metadata"]
        name = metadata["name"]
        if event_type == "DELETED":
            self._instances.pop(name, None)
            self._reported.pop(name, None)
            return
        is_new = name not in self._instances
        self._instances[name] = metadata["uid"], metadata["resourceVersion"]
        if is_new:
            self._apply(name)

    def _on_template(self, _: str, obj: Object) -> None:
        if obj["metadata"]["generation"] > self._generation:
            self._generation = obj["metadata"]["generation"]
            for name in self._instances:
                self._apply(name)

    def _on_deployment(self, event_type: str, obj: Object) -> None:
        metadata = obj["metadata"]
        name, generation = metadata["name"], metadata["generation"]
        is_rolled_out = (obj.get("status") or {}).get("observedGeneration") == generation
        if event_type == "DELETED" or not is_rolled_out or self._reported.get(name) == generation:
            return
        self._reported[name] = generation
        self._late.append((name, generation))
        self._work.release()

    def _apply(self, name: str) -> None:
        uid, _ = self._instances[name]
        for request in self._script.children[self._generation - 1]:
            method, path, content_type, body = (
                each.replace(self._script.name, name).replace(self._script.uid, uid) for each in request
            )
            self._children.append(Request(method, path, content_type, body))
            self._work.release()

    async def _send(self) -> None:
        while True:
            await self._work.acquire()
            request = self._children.popleft() if self._children else self._status(*self._late.popleft())
            await self._client.send(request)

    def _status(self, name: str, generation: int) -> Request:
        _, version = self._instances[name]
        status = self._statuses[generation - 1].replace(self._script.name, name)
        return Request(
            "PATCH",
            MODEL_INSTANCES.object_path(self._script.namespace, name, "status"),
            "application/merge-patch+json",
            f'{{"metadata":{{"resourceVersion":"{version}"}},"status":{status}}}',
        )


async def main(kubeconfig: Path, script: Script) -> None:
    """Run as the user of a kubeconfig."""
    async with connect(kubeconfig, AGENT) as client:
        await Bare(client, script).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Script(**json.loads(Path(sys.argv[2]).read_text()))))
