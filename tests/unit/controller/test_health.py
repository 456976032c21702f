"""``/healthz``, ``/readyz`` and ``/metrics``: the answers, and that strangers keep nobody from them."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from model_operator.controller.health import Check, health_bounds, serve_health
from model_operator.metrics.exposition import MetricsPage
from model_operator.process.connection_slots import Bounds, Closing
from model_operator.process.sockets import bind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOPBACK = "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "alive", "ready", "expected"),
    [
        ("/healthz", None, None, (200, "ok\n")),
        ("/healthz", None, "not yet", (200, "ok\n")),
        ("/healthz", "it is over", None, (503, "it is over\n")),
        ("/readyz", None, None, (200, "ok\n")),
        ("/readyz", None, "not yet", (503, "not yet\n")),
        ("/metrics", "it is over", "not yet", (200, "")),
        ("/", None, None, (404, "404: Not Found")),
    ],
)
async def test_answer(path: str, alive: str | None, ready: str | None, expected: tuple[int, str]) -> None:
    async with serving(lambda: alive, lambda: ready) as port, aiohttp.ClientSession() as session:
        url = f"http://{LOOPBACK}:{port}{path}"
        async with session.get(url) as answer:
            assert (answer.status, await answer.text()) == expected
        async with session.post(url) as answer:
            assert answer.status in {404, 405}


async def test_it_answers_while_the_loop_that_works_is_busy() -> None:
    async with serving(lambda: None, lambda: None) as port:
        answers = []
        for _ in range(3):
            # Blocks the loop in which the checks run until the answer is there.
            answers.append(_get(port, "/healthz", LOOPBACK))
            await asyncio.sleep(0.15)
    # Before its first answer nothing is known of the loop.
    assert answers[0].startswith(b"HTTP/1.1 503 ")
    assert answers[0].endswith(b"the event loop has not responded yet\n")
    assert [answer[:13] for answer in answers[1:]] == [b"HTTP/1.1 200 "] * 2


async def test_a_slow_head_is_cut_off_on_the_first_request_and_on_each_later_one() -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    counts = Counter[Closing]()
    bounds = replace(health_bounds(8), head_seconds=0.2)
    async with serving(lambda: None, lambda: None, bounds, counts) as port:
        for whole in (b"", request, request * 2):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            for _ in range(len(whole) // len(request)):
                writer.write(request)
                assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200 ")
            for part in (b"GET /heal", b"thz HTTP/1.1\r\nHo"):
                writer.write(part)
            assert await _end(reader) == b""
            writer.close()
    assert counts == {Closing.DEADLINE: 3}


async def test_an_idle_connection_has_the_idle_time() -> None:
    counts = Counter[Closing]()
    bounds = replace(health_bounds(8), head_seconds=0.1, idle_seconds=0.5)
    async with serving(lambda: None, lambda: None, bounds, counts) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            await reader.readuntil(b"ok\n")
            await asyncio.sleep(0.25)
        assert await _end(reader) == b""
        writer.close()
    assert counts == {Closing.DEADLINE: 1}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * 5000, b" 400 "),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 5000, b" 400 "),
        (b"GET / HTTP/1.1\r\n" + b"A: a\r\n" * 100, b" 400 "),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", b" 404 "),
    ],
    ids=["path", "header", "headers", "body"],
)
async def test_sizes_are_bounded(sent: bytes, status: bytes) -> None:
    async with serving(lambda: None, lambda: None) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(sent)
        assert (await _end(reader))[8:13] == status
        writer.close()


async def test_endless_trailers_are_cut_off() -> None:
    async with serving(lambda: None, lambda: None) as port:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        with pytest.raises(ConnectionError):
            await _send_without_end(writer, b"A: a\r\n" * 100)
        writer.close()


async def test_strangers_take_no_place_from_the_kubelet() -> None:
    counts = Counter[Closing]()
    async with serving(lambda: None, lambda: None, health_bounds(8), counts) as port:
        strangers = []
        for number in range(40):
            source = f"127.0.0.{2 + number % 4}"
            strangers.append(await asyncio.open_connection(LOOPBACK, port, local_addr=(source, 0)))
        answer = await asyncio.to_thread(_get, port, "/healthz", LOOPBACK)
        assert answer.startswith(b"HTTP/1.1 200 ")
        for _, writer in strangers:
            writer.close()
    # Eight stayed, and one of them made way for the kubelet.
    assert counts == {Closing.EVICTED: 33}


@asynccontextmanager
async def serving(
    alive: Check, ready: Check, bounds: Bounds | None = None, counts: Counter[Closing] | None = None
) -> AsyncIterator[int]:
    bound = bind(LOOPBACK, 0)
    counted: Counter[Closing] = Counter() if counts is None else counts
    async with serve_health(
        bound,
        alive=alive,
        ready=ready,
        metrics=MetricsPage(CollectorRegistry()),
        bounds=bounds or health_bounds(64),
        count=lambda reason: counted.update([reason]),
    ):
        yield bound.getsockname()[1]


def _get(port: int, path: str, source: str) -> bytes:
    with socket.create_connection((LOOPBACK, port), 10, (source, 0)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


async def _send_without_end(writer: asyncio.StreamWriter, sent: bytes) -> None:
    while True:
        writer.write(sent)
        await writer.drain()


async def _end(reader: asyncio.StreamReader) -> bytes:
    """Give all that comes until the server ends the connection."""
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""
