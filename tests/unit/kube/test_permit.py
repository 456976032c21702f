"""What goes through the gate before each write, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection
from model_operator.kube.errors import ApiError, ApiUnavailableError, LeadershipLostError
from model_operator.kube.kubeconfig import ClusterConfiguration
from model_operator.kube.resources import DEPLOYMENTS, EVENTS, LEASES, MODEL_INSTANCES
from tests.unit.kube.local_server import connected

OBJECT = {"metadata": {"namespace": "team", "name": "demo", "uid": "u", "resourceVersion": "1"}}
WRITES: dict[str, Callable[[ApiClient], Awaitable[object]]] = {
    "apply": lambda client: client.apply(DEPLOYMENTS, OBJECT, force=True),
    "apply new": lambda client: client.apply_new(DEPLOYMENTS, OBJECT),
    "status": lambda client: client.patch_status(MODEL_INSTANCES, "team", "demo", {}, "1"),
    "create": lambda client: client.create(EVENTS, OBJECT),
    "replace": lambda client: client.replace(LEASES, OBJECT),
    "patch": lambda client: client.patch(EVENTS, "team", "demo", {}),
    "delete": lambda client: client.delete(DEPLOYMENTS, "team", "demo", "u"),
}


class Server:
    """Notes the methods of requests; `lines` begin an answer that does not end, unless it is cut."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self.stalls = asyncio.Event()
        self.lines = b""
        self.is_cut = False

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.methods.append(request.method)
        if self.lines:
            stream = web.StreamResponse()
            await stream.prepare(request)
            await stream.write(self.lines)
            if not self.is_cut:
                await self.stalls.wait()
            return stream
        if request.path.endswith("/events"):
            await self.stalls.wait()
        return web.json_response({})


@contextlib.asynccontextmanager
async def world(permit: Callable[[], float] | None) -> AsyncIterator[tuple[Server, ApiClient]]:
    server = Server()
    async with connected(server.answer) as (connection, _):
        yield server, ApiClient(connection, permit)
        server.stalls.set()


def refuse() -> float:
    raise LeadershipLostError("no")


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_nothing_is_sent_without_permission(write: Callable[[ApiClient], Awaitable[object]]) -> None:
    async with world(refuse) as (server, client):
        with pytest.raises(LeadershipLostError):
            await write(client)
        await client.get(DEPLOYMENTS, "team", "demo")

    assert server.methods == ["GET"], "reading takes none"


def test_the_loss_of_leadership_is_no_failure_of_a_request() -> None:
    assert not issubclass(LeadershipLostError, ApiError)


async def test_a_write_is_given_up_when_its_time_is_over() -> None:
    async with world(lambda: 0.3) as (server, client):
        begin = time.monotonic()
        with pytest.raises(ApiUnavailableError):
            await client.create(EVENTS, OBJECT)
        assert 0.3 <= time.monotonic() - begin < 5

    assert server.methods == ["POST"]


async def test_every_write_asks() -> None:
    asked: list[int] = []

    def permit() -> float:
        asked.append(1)
        return 10

    async with world(permit) as (_, client):
        for name, write in WRITES.items():
            if name != "create":
                await write(client)

    assert len(asked) == len(WRITES) - 1


async def test_waiting_for_a_change_ends_with_the_first_one() -> None:
    async with world(None) as (server, client):
        server.lines = b'{"type": "MODIFIED", "object": {}}\n'
        async with asyncio.timeout(5):
            await client.next_change(LEASES, "system", "model-operator", "1")


async def test_a_watch_that_fails_says_so() -> None:
    async with world(None) as (server, client):
        server.lines = b'{"type": "ERROR", "object": {"code": 410, "message": "too old"}}\n'
        with pytest.raises(ApiError, match="too old"):
            await client.next_change(LEASES, "system", "model-operator", "1")


async def test_a_watch_that_ends_within_an_event_says_so() -> None:
    async with world(None) as (server, client):
        server.lines, server.is_cut = b'{"type": "MODIFIED", "obj', True
        with pytest.raises(ApiUnavailableError, match="ended in the middle of an event"):
            await client.next_change(LEASES, "system", "model-operator", "1")


async def test_what_is_not_taken_is_dropped_by_the_kernel_before_the_request_is_given_up() -> None:
    """A process that has given up, or ended, leaves to the kernel what is under way."""
    is_over = asyncio.Event()

    async def take_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await is_over.wait()
        writer.transport.abort()

    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(take_nothing, sock=small, limit=1)
    configuration = ClusterConfiguration()
    configuration.host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    configuration.proxy = None
    connection = Connection(lambda: configuration, timeout=60, undelivered=0.5)
    much = {**OBJECT, "data": "x" * 900_000}
    begin = time.monotonic()
    with pytest.raises(ApiUnavailableError, match="timed out"):
        await ApiClient(connection).create(EVENTS, much)
    assert time.monotonic() - begin < 30, "by the kernel, not by the request's own time limit"
    is_over.set()
    await connection.close()
    server.close()
    await server.wait_closed()
