"""Callers that take what a port gives: as many connections, bytes and time as they can.

All of them call 127.0.0.1, from addresses of 127.0.0.0/8 of their own, and end when they are cancelled or
have done what they were to do. As a process they end by themselves::

    python -m tests.cluster.callers PORT HEALTH_PORT SECONDS CALLERS KEPT TRIED
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import sys
from collections import Counter
from contextlib import suppress

LOOPBACK = "127.0.0.1"
BODY_BYTES = 4 * 1024 * 1024
PATH = "/validate-modelinstance"
_ERRORS = (OSError, asyncio.IncompleteReadError, TimeoutError)


def unverified() -> ssl.SSLContext:
    """Give what a stranger calls with."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def review_of(size: int) -> bytes:
    """Give a review whose body has so many bytes, most of them one string."""
    head = json.dumps(
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "1",
                "kind": {"group": "modeloperator.dev", "version": "v1alpha1", "kind": "ModelInstance"},
                "operation": "CREATE",
                "namespace": "default",
                "name": "large",
                "userInfo": {"username": "somebody"},
                "object": {
                    "apiVersion": "modeloperator.dev/v1alpha1",
                    "kind": "ModelInstance",
                    "metadata": {"name": "large", "namespace": "default"},
                    "spec": {"model_template_id": "none", "description": "@"},
                },
            },
        }
    ).encode()
    return head.replace(b"@", b"a" * (size - len(head) + 1))


class Callers:
    """Calls two ports.

    Parameters
    ----------
    port, health_port
        The webhooks' and the probes'.
    first
        The last number of the first address that is called from.
    addresses
        From how many.

    Attributes
    ----------
    seen
        What came of the calls: statuses, and ``ended`` for connections that were closed without an answer.
    """

    def __init__(self, port: int, health_port: int, *, first: int = 2, addresses: int = 8) -> None:
        self._port = port
        self._health_port = health_port
        self._context = unverified()
        self._sources = itertools.cycle([f"127.0.0.{first + number}" for number in range(addresses)])
        self.seen: Counter[str] = Counter()

    async def post(self, body: bytes) -> None:
        """Send one review, and read the answer."""
        head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        await self._exchange(f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body)

    async def flood(self, body: bytes) -> None:
        """Send reviews one after the other, for ever."""
        while True:
            await self.post(body)

    async def try_connections(self, count: int, at_once: int) -> None:
        """Open so many connections, one after the other at a time, and hold each until it is ended."""
        left = iter(range(count))

        async def work() -> None:
            for _ in left:
                with suppress(*_ERRORS):
                    _, writer = await self._open(self._port, None)
                    held.append(writer)
                self.seen["tried"] += 1

        held: list[asyncio.StreamWriter] = []
        try:
            await asyncio.gather(*(work() for _ in range(at_once)))
        finally:
            for writer in held:
                writer.transport.abort()

    async def keep(self, port: int, *, tls: bool, sent: bytes, pause: float) -> None:
        """Open connections for ever, and send something on each, a byte at a time, until it is ended."""
        while True:
            with suppress(*_ERRORS):
                reader, writer = await self._open(port, self._context if tls else None)
                ended = asyncio.ensure_future(reader.read())
                try:
                    for byte in sent:
                        writer.write(bytes([byte]))
                        await asyncio.wait([ended], timeout=pause)
                        if ended.done():
                            break
                    await ended
                finally:
                    ended.cancel()
                    writer.transport.abort()
            self.seen["ended"] += 1
            await asyncio.sleep(0.05)

    async def bodies(self, callers: int) -> None:
        """Have so many callers send reviews of 4 MB, for ever."""
        body = review_of(BODY_BYTES)
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(self.flood(body))

    async def connections(self, kept: int, connections: int) -> None:
        """Have connections of all kinds, for ever.

        Parameters
        ----------
        kept
            How many connections each of four kinds keeps: without a handshake, silent after it, with a slow
            head, and with a slow head on the port of the probes.
        connections
            How many are tried beside these, at full speed.
        """
        head = b"POST / HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"a" * 1000
        async with asyncio.TaskGroup() as group:
            for _ in range(kept):
                group.create_task(self.keep(self._port, tls=False, sent=b"", pause=1))
                group.create_task(self.keep(self._port, tls=True, sent=b"", pause=1))
                group.create_task(self.keep(self._port, tls=True, sent=head, pause=1))
                group.create_task(self.keep(self._health_port, tls=False, sent=head, pause=1))
            group.create_task(self.try_connections(connections, 50))

    async def _exchange(self, *parts: bytes) -> None:
        try:
            async with asyncio.timeout(30):
                reader, writer = await self._open(self._port, self._context)
                try:
                    for part in parts:
                        writer.write(part)
                    answer = await reader.readuntil(b"\r\n")
                    self.seen[answer[9:12].decode()] += 1
                finally:
                    writer.transport.abort()
        except _ERRORS:
            self.seen["ended"] += 1
            # Who was refused comes again at once, but not in a loop of its own.
            await asyncio.sleep(0.01)

    async def _open(
        self, port: int, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(10):
            return await asyncio.open_connection(
                LOOPBACK, port, ssl=context, local_addr=(next(self._sources), 0)
            )


async def _main(port: int, health_port: int, seconds: float, *, callers: int, kept: int, tried: int) -> None:
    # asyncio's own transports of 3.11 stumble where a connection breaks in the middle of a large write.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    strangers = Callers(port, health_port)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            group.create_task(strangers.bodies(callers))
            group.create_task(strangers.connections(kept, tried))
    print(json.dumps(strangers.seen))


if __name__ == "__main__":
    _callers, _kept, _tried = map(int, sys.argv[4:])
    asyncio.run(
        _main(
            int(sys.argv[1]),
            int(sys.argv[2]),
            float(sys.argv[3]),
            callers=_callers,
            kept=_kept,
            tried=_tried,
        )
    )
