"""A client that leaves ends the work of the worker, at any moment and on any route."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from model_operator.core.gateway.apis import ROUTES, Route, Treatment
from model_operator.core.gateway.balancing import Address
from model_operator.core.gateway.failures import Failure
from model_operator.core.gateway.translation.base import ServerRequest, StreamTranslator
from tests.cluster.waiting import patience
from tests.unit.gateway.proxies import CHAT, Gateway, gateway, raw_worker, read_raw, until

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
MOMENTS = {
    "before the headers": (b"", b""),
    "before the first byte": (HEAD, b"\r\n\r\n"),
    "in a chunk": (HEAD + b"400\r\ndata: a", b"data: a"),
    "in a document": (JSON_HEAD + b'{"a":', b'{"a":'),
}


class Identity:
    """A translation that changes nothing."""

    def __init__(self, *, is_stream: bool = False) -> None:
        self.is_stream = is_stream
        self.failure: Failure | None = None

    def request(self, body: bytes) -> ServerRequest:
        return ServerRequest("/translated", body, self.is_stream)

    def response(self, body: bytes) -> bytes:
        return body

    def stream(self) -> StreamTranslator:
        return self

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def end(self) -> bytes:
        return b""


@dataclass
class Stalling:
    """A worker that sends some bytes, then nothing, and sees its connections end."""

    sent: bytes
    begun: int = 0
    ended: list[float] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_raw(reader)
        writer.write(self.sent)
        await writer.drain()
        self.begun += 1
        with contextlib.suppress(ConnectionError):
            await reader.read()
        self.ended.append(asyncio.get_running_loop().time())


@contextlib.asynccontextmanager
async def client(
    of: Gateway, path: str = CHAT, body: bytes = b'{"model":"m"}'
) -> AsyncIterator[asyncio.StreamReader]:
    """Send a request, and leave at the end of the context."""
    reader, writer = await asyncio.open_connection(*of.address)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    try:
        yield reader
    finally:
        writer.close()


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("way", ["end", "reset"])
async def test_the_worker_is_left_within_a_second(moment: str, way: str) -> None:
    sent, awaited = MOMENTS[moment]
    stalling = Stalling(sent)
    async with raw_worker(stalling.serve) as address, gateway(address) as served:
        async with client(served) as reader:
            await until(lambda: stalling.begun)
            if awaited:
                await reader.readuntil(awaited)
            assert served.workers.in_flight == 1
            if way == "reset":
                connection = reader._transport.get_extra_info("socket")  # type: ignore[attr-defined]
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            left = asyncio.get_running_loop().time()
        await until(lambda: stalling.ended)
        assert stalling.ended[0] - left < patience()
        await served.wait_until_idle()
        (outcome,) = served.observed[0].ends
        assert outcome.is_client_gone
        assert outcome.status == (200 if sent else 499)
        assert not served.proxy._upstream._pooled.connector._conns  # type: ignore[union-attr]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
@pytest.mark.parametrize("is_stream", [False, True])
async def test_each_route_leaves_the_worker(route: Route, is_stream: bool) -> None:
    path = route.pattern.replace("{", "").replace("}", "")
    stalling = Stalling(HEAD + b"10\r\ndata: a" if is_stream else b"")
    translate = lambda *_: Identity(is_stream=is_stream)  # noqa: E731 -- one line
    treatment = Treatment.TRANSLATE
    async with (
        raw_worker(stalling.serve) as address,
        gateway(address, treatment=treatment, translate=translate) as served,
    ):
        async with client(served, path):
            await until(lambda: stalling.begun)
        await until(lambda: stalling.ended)
        await served.wait_until_idle()


async def test_a_client_that_leaves_while_a_worker_does_not_read() -> None:
    """What is not sent yet is dropped: a connection that waits to send it would stay open."""
    accepted: list[asyncio.StreamReader] = []
    go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(reader)
        await go_on.wait()

    body = b'{"model":"m","x":"' + b"x" * 30 * 2**20 + b'"}'
    async with raw_worker(serve) as address, gateway(address) as served:
        pool: Any = served.proxy._upstream._pooled.connector
        async with client(served, body=body):
            await until(lambda: accepted and any(each.writing_paused for each in pool._acquired))
            (protocol,) = pool._acquired
            connection = protocol.transport.get_extra_info("socket")
            assert connection.fileno() >= 0
        await until(lambda: connection.fileno() < 0)
        await served.wait_until_idle()
        go_on.set()


async def test_a_client_that_leaves_while_connecting() -> None:
    """Nothing accepts: the queue of connections is full, as that of a pod that hangs."""
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(2):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with gateway(Address(*full.getsockname()), settings={"connect_timeout": 600}) as served:
            async with client(served):
                await until(lambda: served.workers.in_flight)
            await served.wait_until_idle()
            assert served.observed[0].ends[0].is_client_gone


async def test_two_hundred_streams_that_are_left() -> None:
    stalling = Stalling(HEAD + b"10\r\ndata: a")
    async with raw_worker(stalling.serve) as address, gateway(address) as served:

        async def one() -> None:
            async with client(served) as reader:
                await reader.readuntil(b"data: a")

        for _ in range(4):
            await asyncio.gather(*(one() for _ in range(50)))
        await until(lambda: len(stalling.ended) == 200)
        await served.wait_until_idle()
        assert sum(outcome.is_client_gone for each in served.observed for outcome in each.ends) == 200


async def test_a_client_that_takes_nothing_is_cut() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_raw(reader)
        writer.write(HEAD)
        try:
            while True:
                writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            closed.set()

    async with raw_worker(serve) as address, gateway(address, settings={"idle_timeout": 0.3}) as served:
        _, writer = await asyncio.open_connection(*served.address, limit=1)
        writer.write(
            f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n".encode() + b'{"model":"m"}'
        )
        await until(closed.is_set)
        await served.wait_until_idle()
        assert served.observed[0].ends[0].is_client_gone
        writer.close()


async def test_the_next_request_on_the_clients_connection_is_answered() -> None:
    """Only a client that leaves cancels: one that keeps its connection is served again."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await read_raw(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async with raw_worker(serve) as address, gateway(address, served_name=None) as served:
        reader, writer = await asyncio.open_connection(*served.address)
        for number in range(3):
            body = b'{"model":"%d"}' % number
            writer.write(
                f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(body)) == body
        writer.close()
