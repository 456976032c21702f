"""The ceiling of the same requests: a bare client takes the place of the operator, all else is as with it.

The statuses that it writes are those of the operator, which runs first with one instance of the template.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import TYPE_CHECKING

from benchmarks import objects
from benchmarks.bare import Script
from benchmarks.client import BenchError
from benchmarks.place import Place
from model_operator.core.values.merge_patch import merge_patch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from benchmarks.client import Client
    from benchmarks.objects import Object

LEARNED = "learned"
"""Name of the instance whose statuses are taken over, and of its Deployment."""
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


@contextlib.asynccontextmanager
async def looked_on(place: Place) -> AsyncIterator[None]:
    """Have the watches and the stage of a place go on."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in (place.instances, place.deployments, place.stage)]
        for watch in (place.instances, place.deployments):
            await watch.has_begun.wait()
        yield
        for task in tasks:
            task.cancel()


async def learn(client: Client, namespace: str, limit: float) -> list[Object]:
    """Give the patches of a status that the operator, which runs, writes until Ready, and for an edit."""
    place = Place(client, namespace, [LEARNED], [], limit)
    template = objects.template(namespace=namespace)
    async with looked_on(place):
        await client.send(objects.creation(template))
        await place.create()
        first = place.instances.newest[LEARNED]["status"]
        await place.edit()
        second = place.instances.newest[LEARNED]["status"]
        await place.remove_all()
        await client.send(objects.deletion(template))
        await client.send(objects.clearance(objects.REVISIONS.format(namespace=namespace)))
    return [merge_patch({}, first), merge_patch(first, second)]


def script(namespace: str, statuses: list[Object]) -> Script:
    """Give what the bare client sends for an instance."""
    first = objects.children([LEARNED], namespace)
    edited = objects.children([LEARNED], namespace, objects.EDITED_TAG)
    requests = [
        [objects.application(obj) for obj in first],
        [objects.application(obj, force=True) for obj in edited if obj["kind"] == "Deployment"],
    ]
    children = [[list(request) for request in each] for each in requests]
    return Script(namespace, LEARNED, objects.uid(LEARNED), children, statuses)


@contextlib.asynccontextmanager
async def bare_client(kubeconfig: Path, given: Script, folder: Path) -> AsyncIterator[int]:
    """Run the bare client in a process of its own; give its process id.

    Raises
    ------
    BenchError
        When it does not start, or has ended before it is stopped.
    """
    file = folder / "script.json"
    file.write_text(json.dumps(given._asdict()))
    command = [sys.executable, "-m", "benchmarks.bare", str(kubeconfig), str(file)]
    log = folder / "bare.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
        try:
            assert process.stdout is not None
            line = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_START_SECONDS):
                    line = await process.stdout.readline()
            if not line:
                raise BenchError(f"the bare client did not start: {log.read_text()[-1000:]}")
            async with asyncio.TaskGroup() as group:
                alive = group.create_task(_fail_when_ended(process, log))
                yield process.pid
                alive.cancel()
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    async with asyncio.timeout(_STOP_SECONDS):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()


async def _fail_when_ended(process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait for the end of the bare client, without which nothing that is awaited happens."""
    await process.wait()
    said = await asyncio.to_thread(log.read_text)
    raise BenchError(f"the bare client has ended: {said[-1000:]}")
