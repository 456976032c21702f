"""Responses in pieces: each is written at once, and what is cut never looks complete."""

from __future__ import annotations

import asyncio
import contextlib
import json

import aiohttp
import openai
import pytest

from model_operator.core.gateway.apis import Treatment
from tests.unit.gateway.proxies import CHAT, Gateway, Raw, answer_of, gateway, raw_worker, read_raw, until

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: public\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
JSON_HEAD = HEAD.replace(b"text/event-stream", b"application/json")
CHAT_EVENT = b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"x","choices":[]}\n\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def sends(*parts: bytes) -> Raw:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_raw(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
            # The reads of the gateway are those of the pieces, as a rule.
            await asyncio.sleep(0.01)

    return serve


async def test_headers_and_each_chunk_arrive_before_the_next_is_sent() -> None:
    """The worker sends a piece only once the client has the one before."""
    turn: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_raw(reader)
        writer.write(HEAD)
        while data := await turn.get():
            writer.write(chunk(data))
        writer.write(b"0\r\n\r\n")

    async with raw_worker(serve) as address, gateway(address) as served:
        async with served.session.post(served.url + CHAT, data=b'{"model":"m","stream":true}') as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            assert response.headers.getall("Cache-Control") == ["no-cache"]
            assert response.headers["X-Accel-Buffering"] == "no"
            assert served.observed[0].first_bytes == 0
            for data in (b"data: 1\n\n", b"da", b"t", b"a: 2\n\n", b": comment\n\n", b"x"):
                turn.put_nowait(data)
                assert await response.content.readany() == data
                assert served.observed[0].first_bytes == 1
            turn.put_nowait(b"")
            assert await response.content.readany() == b""
        await served.wait_until_idle()
        (outcome,) = served.observed[0].ends
        assert (outcome.status, outcome.reason, outcome.is_stream) == (200, None, True)


async def test_the_usage_of_a_stream_is_reported() -> None:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'
    parts = [
        HEAD,
        chunk(CHAT_EVENT),
        chunk(usage[:30]),
        chunk(usage[30:]),
        chunk(b"data: [DONE]\n\n"),
        b"0\r\n\r\n",
    ]
    async with raw_worker(sends(*parts)) as address, gateway(address) as served:
        await served.post()
        assert served.observed[0].tokens == [(7, 3)]


@pytest.mark.parametrize("size", [50 * 2**20])
async def test_large_responses_pass(size: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_raw(reader)
        writer.write(answer_of(b"x" * size))

    async with raw_worker(serve) as address, gateway(address) as served:
        _, body = await served.post()
        assert body == b"x" * size


async def test_a_slow_client_slows_the_worker() -> None:
    """100 MB without a line break are not held for a client that does not read."""
    written = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_raw(reader)
        writer.write(HEAD)
        for _ in range(100):
            writer.write(chunk(b"x" * 2**20))
            await writer.drain()
            written += 1
        writer.write(b"0\r\n\r\n")

    async with (
        raw_worker(serve) as address,
        gateway(address) as served,
        served.session.post(served.url + CHAT, data=b'{"model":"m"}') as response,
    ):
        last = -1
        while written != last:
            last = written
            await asyncio.sleep(0.2)
        assert written < 30
        size = 0
        while part := await response.content.readany():
            size += len(part)
        assert size == 100 * 2**20


CUTS = [
    [chunk(CHAT_EVENT)],
    [chunk(CHAT_EVENT), chunk(CHAT_EVENT[:-1]), chunk(b"\n")],
    [chunk(CHAT_EVENT), chunk(b'data: {"id"')],
    [chunk(CHAT_EVENT), b"40\r\ndata: {"],
    [],
]


@pytest.mark.parametrize("parts", CUTS)
async def test_a_stream_that_is_cut_ends_with_an_error(parts: list[bytes]) -> None:
    async with raw_worker(sends(HEAD, *parts)) as address, gateway(address) as served:
        response, body = await served.post()
        assert response.status == 200
        *_, last, end = body.split(b"\n\n")
        assert end == b""
        assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "worker_failed"
        assert b"[DONE]" not in body
        await served.wait_until_idle()
        (outcome,) = served.observed[0].ends
        assert (outcome.status, outcome.reason, outcome.is_cut) == (200, "worker_failed", True)


async def test_the_length_of_a_stream_that_is_cut_is_not_promised() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100\r\n\r\n"
    async with raw_worker(sends(head, b"data: 1\n\n")) as address, gateway(address) as served:
        _, body = await served.post()
        assert body.startswith(b"data: 1\n\ndata: {")
        assert body.endswith(b"}\n\n")


async def test_no_event_is_added_to_a_compressed_stream() -> None:
    head = HEAD.replace(b"Cache-Control: public", b"Content-Encoding: gzip")
    async with raw_worker(sends(head, chunk(b"zipped"))) as address, gateway(address) as served:
        with pytest.raises(aiohttp.ClientError):
            await served.post()


async def test_the_openai_client_raises_for_a_stream_that_is_cut() -> None:
    async with (
        raw_worker(sends(HEAD, chunk(CHAT_EVENT))) as address,
        gateway(address) as served,
        openai.AsyncOpenAI(api_key="x", base_url=f"{served.url}/v1", max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], stream=True
        )
        assert (await anext(stream)).id == "1"
        with pytest.raises(openai.APIError, match="closed the connection"):
            await anext(stream)


@pytest.mark.parametrize("path", ["/v2/rerank", "/v4/models/d/completions"])
async def test_the_error_has_the_shape_of_the_api(path: str) -> None:
    async with (
        raw_worker(sends(HEAD, chunk(b"data: 1\n\n"))) as address,
        gateway(address, treatment=Treatment.EXECUTE) as served,
    ):
        _, body = await served.post(path)
        first, error, end = body.split(b"\n\n")
        assert (first, end) == (b"data: 1", b"")
        assert error.startswith(b"event: error\ndata: {")


@pytest.mark.parametrize(
    "parts",
    [
        [JSON_HEAD, chunk(b'{"a":1')],
        [JSON_HEAD, chunk(b'{"a":1}')],
        [JSON_HEAD],
        [answer_of(b"x" * 100)[:-1]],
        [answer_of(b"x" * 100_000)[:-1]],
        [JSON_HEAD, chunk(b'{"a":'), b"zz\r\n"],
    ],
)
async def test_a_document_that_is_cut_never_looks_complete(parts: list[bytes]) -> None:
    async with raw_worker(sends(*parts)) as address, gateway(address) as served:
        with pytest.raises(aiohttp.ClientError):
            await served.post()
        await served.wait_until_idle()
        (outcome,) = served.observed[0].ends
        assert (outcome.status, outcome.is_cut, outcome.is_client_gone) == (200, True, False)


async def test_nor_for_a_client_of_http_1_0() -> None:
    async with raw_worker(sends(JSON_HEAD, chunk(b'{"a":1'))) as address, gateway(address) as served:
        reader, writer = await asyncio.open_connection(*served.address)
        writer.write(f"POST {CHAT} HTTP/1.0\r\nContent-Length: 13\r\n\r\n".encode() + b'{"model":"m"}')
        await reader.readuntil(b'{"a":1')
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *parts: bytes) -> None:
    await read_raw(reader)
    for part in parts:
        writer.write(part)
    await reader.read()


def stalls(*parts: bytes) -> Raw:
    return lambda reader, writer: silent(reader, writer, *parts)


async def test_a_worker_that_sends_no_headers_in_time() -> None:
    async with (
        raw_worker(stalls()) as address,
        gateway(address, settings={"first_byte_timeout": 0.1}) as served,
    ):
        response, body = await served.post()
        assert (response.status, json.loads(body)["error"]["code"]) == (504, "worker_timeout")
        await served.wait_until_idle()


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"first_byte_timeout": 0.1}, [HEAD]),
        ({"idle_timeout": 0.1}, [HEAD, chunk(CHAT_EVENT)]),
    ],
)
async def test_a_stream_that_falls_silent_ends_with_an_error(
    settings: dict[str, float], parts: list[bytes]
) -> None:
    async with raw_worker(stalls(*parts)) as address, gateway(address, settings=settings) as served:
        _, body = await served.post()
        assert b'"code":"worker_timeout"' in body
        await served.wait_until_idle()


async def test_a_document_that_falls_silent_is_cut() -> None:
    parts = [JSON_HEAD, chunk(b"{")]
    async with (
        raw_worker(stalls(*parts)) as address,
        gateway(address, settings={"idle_timeout": 0.1}) as served,
    ):
        with pytest.raises(aiohttp.ClientError):
            await served.post()
        await served.wait_until_idle()


async def test_no_limit_of_the_whole_time() -> None:
    """Many silences, each shorter than the limits, add up to many times these."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_raw(reader)
        writer.write(HEAD)
        for _ in range(30):
            await asyncio.sleep(0.05)
            writer.write(chunk(CHAT_EVENT))
        writer.write(b"0\r\n\r\n")

    settings = {"first_byte_timeout": 0.5, "idle_timeout": 0.5}
    async with raw_worker(serve) as address, gateway(address, settings=settings) as served:
        _, body = await served.post()
        assert body == CHAT_EVENT * 30


async def test_a_silent_client_connection_is_no_silent_worker() -> None:
    """The limit between two chunks of the worker does not run while the client does not read."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_raw(reader)
        writer.write(HEAD)
        with contextlib.suppress(ConnectionError):
            for _ in range(30):
                writer.write(chunk(b"x" * 2**20))
                await writer.drain()
            writer.write(b"0\r\n\r\n")

    async def read_late(served: Gateway) -> int:
        async with served.session.post(served.url + CHAT, data=b'{"model":"m"}') as response:
            await until(lambda: served.observed[0].first_bytes)
            await asyncio.sleep(0.3)
            return len(await response.read())

    settings = {"first_byte_timeout": 0.2, "idle_timeout": 20}
    async with raw_worker(serve) as address, gateway(address, settings=settings) as served:
        assert await read_late(served) == 30 * 2**20
