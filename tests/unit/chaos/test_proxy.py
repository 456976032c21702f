"""Each fault of the proxy is what its name says: what the client sees, and whether the server did it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.chaos import proxy as proxy_module
from tests.chaos.faults import Choice, Fault
from tests.chaos.proxy import Proxy
from tests.cluster.ports import free_ports

EVENT = json.dumps({"type": "ADDED", "object": {"metadata": {"name": "x" * 500}}}).encode() + b"\n"
EVENTS = 200


class Server:
    """An API server that remembers what it was asked."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.raw_path}")
        if "watch" not in request.query:
            return web.json_response({"got": (await request.read()).decode()})
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(EVENTS):
            await response.write(EVENT)
        await asyncio.sleep(0.5)
        return response


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_module, "STALL_SECONDS", (1.0, 1.0))
    monkeypatch.setattr(proxy_module, "WATCH_BYTES", (1000, 2000))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    (port,) = free_ports(1)
    server = Server(port)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield server
    await runner.cleanup()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.url, ssl.create_default_context(), free_ports(1)[0]) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=0.7)
    async with aiohttp.ClientSession(proxy.url, timeout=timeout) as session:
        yield session


def always(fault: Fault) -> Choice:
    return Choice("seed", {fault: 1.0})


async def test_without_faults_everything_gets_through(
    server: Server, proxy: Proxy, client: aiohttp.ClientSession
) -> None:
    url = URL(f"{proxy.url}/apis/x?labelSelector=a%2Fb%3Dc", encoded=True)
    async with aiohttp.request("PATCH", url, data=b"body") as answer:
        assert answer.status == 200
        assert await answer.json() == {"got": "body"}
    async with client.get("/apis/x?watch=true") as answer:
        assert (await answer.read()).count(EVENT) == EVENTS
    assert server.asked == ["PATCH /apis/x?labelSelector=a%2Fb%3Dc", "GET /apis/x?watch=true"]


@pytest.mark.parametrize(
    ("fault", "code", "is_done"),
    [
        (Fault.REFUSED_409, 409, False),
        (Fault.BUSY_429, 429, False),
        (Fault.FAILED_500, 500, False),
        (Fault.FAILED_500_AFTER, 500, True),
        (Fault.LATE_504, 504, False),
        (Fault.LATE_504_AFTER, 504, True),
        (Fault.SLOW, 200, True),
    ],
)
async def test_answers(
    server: Server, proxy: Proxy, client: aiohttp.ClientSession, fault: Fault, code: int, is_done: bool
) -> None:
    proxy.choice = always(fault)
    async with client.patch("/apis/x", data=b"body") as answer:
        assert answer.status == code
        assert ("Retry-After" in answer.headers) is (code == 429)
        if code != 200:
            assert (await answer.json())["code"] == code
    assert bool(server.asked) is is_done
    assert proxy.choice.counts == {fault: 1}


@pytest.mark.parametrize(
    ("fault", "is_done"), [(Fault.CUT, False), (Fault.CUT_AFTER, True), (Fault.STALLED, True)]
)
async def test_no_answer(
    server: Server, proxy: Proxy, client: aiohttp.ClientSession, fault: Fault, is_done: bool
) -> None:
    proxy.choice = always(fault)
    expected = TimeoutError if fault is Fault.STALLED else aiohttp.ServerDisconnectedError
    with pytest.raises(expected):
        await client.patch("/apis/x", data=b"body")
    assert bool(server.asked) is is_done


async def test_a_list_has_expired(proxy: Proxy, client: aiohttp.ClientSession) -> None:
    proxy.choice = always(Fault.EXPIRED_410)
    async with client.get("/apis/x?limit=500") as answer:
        assert answer.status == 410
    async with client.get("/apis/x/name") as answer:
        assert answer.status == 200


@pytest.mark.parametrize("fault", [Fault.WATCH_CUT, Fault.WATCH_TRUNCATED, Fault.WATCH_STALLED])
async def test_watches_that_end(proxy: Proxy, client: aiohttp.ClientSession, fault: Fault) -> None:
    proxy.choice = always(fault)
    got, is_cut = b"", False
    async with client.get("/apis/x?watch=true", timeout=aiohttp.ClientTimeout(total=5)) as answer:
        try:
            async for chunk in answer.content.iter_any():
                got += chunk
        except aiohttp.ClientPayloadError:
            is_cut = True
    assert is_cut is (fault is not Fault.WATCH_TRUNCATED)
    assert 0 < len(got) < EVENTS * len(EVENT)
    if fault is not Fault.WATCH_STALLED:
        assert not got.endswith(b"\n")


async def test_a_watch_has_expired(proxy: Proxy, client: aiohttp.ClientSession) -> None:
    proxy.choice = always(Fault.WATCH_EXPIRED)
    async with client.get("/apis/x?watch=true") as answer:
        *events, last = (await answer.read()).splitlines()
    assert json.loads(last)["object"]["code"] == 410
    assert all(json.loads(event)["type"] == "ADDED" for event in events)


async def test_a_slow_watch_loses_nothing(proxy: Proxy, client: aiohttp.ClientSession) -> None:
    proxy.choice = always(Fault.WATCH_SLOW)
    async with client.get("/apis/x?watch=true", timeout=aiohttp.ClientTimeout(total=10)) as answer:
        assert await answer.read() == EVENT * EVENTS


async def test_a_cut_ends_what_is_open_and_refuses_what_comes(
    proxy: Proxy, client: aiohttp.ClientSession
) -> None:
    async with client.get("/apis/x?watch=true") as answer:
        await answer.content.readany()
        await asyncio.to_thread(proxy.cut)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.patch("/apis/x", data=b"body")
    proxy.mend()
    async with client.patch("/apis/x", data=b"body") as answer:
        assert answer.status == 200
