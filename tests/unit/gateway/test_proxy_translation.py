"""Responses that are translated."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from model_operator.core.gateway.apis import Treatment
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.translation.base import ServerRequest, StreamTranslator
from model_operator.gateway import delivery
from tests.unit.gateway.proxies import CHAT, gateway, raw_worker, read_raw, worker

TYPED = "/v4/models/d/completions"


class Upper:
    """A translation that can be seen, and that fails on a sign."""

    def __init__(self, requested: str) -> None:
        self.requested = requested
        self.kept = b""
        self.failure: Failure | None = None

    def request(self, body: bytes) -> ServerRequest:
        if b"refused" in body:
            raise Failure(FailureReason.UNSUPPORTED_FIELD, "field: not known", ("field",))
        return ServerRequest("/served?a=b", body.upper(), b"stream" in body, {"X-Made": "1"})

    def response(self, body: bytes) -> bytes:
        _check(body)
        return self.requested.encode() + body.upper()

    def stream(self) -> StreamTranslator:
        return self

    def feed(self, chunk: bytes) -> bytes:
        if b"reports" in chunk:
            self.failure = Failure(FailureReason.WORKER_FAILED, "the server reports an error")
        _check(chunk)
        *whole, self.kept = (self.kept + chunk).split(b"\n\n")
        return b"".join(each.upper() + b"\n\n" for each in whole)

    def end(self) -> bytes:
        return b"END"


def _check(data: bytes) -> None:
    if b"bad" in data:
        raise Failure(FailureReason.WORKER_FAILED, "no protocol")


def translating() -> dict[str, Any]:
    return {
        "treatment": Treatment.TRANSLATE,
        "translate": lambda _route, _deployment, requested, _stamp: Upper(requested),
    }


async def test_a_request_and_its_response() -> None:
    seen: list[tuple[str, Any, bytes]] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append((request.path_qs, request.headers, await request.read()))
        return web.Response(body=b"answer", headers={"Set-Cookie": "a=b", "X-Odd": "1"})

    async with worker(answer) as address, gateway(address, **translating()) as served:
        headers = {
            "Authorization": "Bearer x",
            "Accept-Encoding": "gzip",
            "traceparent": "t",
            "Content-Type": "text/x",
        }
        response, body = await served.post(headers=headers)
        assert (response.status, body) == (200, b"mANSWER")
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["x-modeloperator-model"] == "team-a/qwen"
        assert not {"X-Odd", "Set-Cookie"} & set(response.headers)
    ((path, got, sent),) = seen
    assert (path, sent) == ("/served?a=b", b'{"MODEL":"M"}')
    assert got["Content-Type"] == "application/json"
    assert (got["Accept-Encoding"], got["traceparent"], got["X-Made"]) == ("identity", "t", "1")
    assert "Authorization" not in got


async def test_a_request_that_cannot_be_translated_reaches_no_worker() -> None:
    async with gateway(**translating()) as served:
        response, body = await served.post(data=b'{"model":"m","refused":1}')
        assert (response.status, json.loads(body)["error"]["param"]) == (400, "field")
        assert served.observed[0].ends[0].reason is FailureReason.UNSUPPORTED_FIELD


@pytest.mark.parametrize("status", [400, 404, 413, 422, 429, 500, 503])
@pytest.mark.parametrize(
    "shape", ['{"error":{"message":"too long"}}', '{"message":"too long"}', '{"detail":"too long"}']
)
async def test_an_error_of_the_worker_has_the_shape_of_the_api(status: int, shape: str) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, body=shape.encode(), headers={"Retry-After": "7"})

    async with worker(answer) as address, gateway(address, **translating()) as served:
        response, body = await served.post()
        error = json.loads(body)["error"]
        assert response.status == status
        assert error["code"] == ("worker_rejected" if status < 500 else "worker_failed")
        assert "too long" in error["message"]
        assert response.headers["Retry-After"] == "7"
        response, body = await served.post(TYPED)
        assert response.status == status
        assert "too long" in json.loads(body)["detail"]
        assert served.observed[0].ends[0].status == status


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b'{"detail":[{"loc":1}]}', b"[" * 100_000, b"\xff", b"x" * 10**6]
)
async def test_an_error_without_a_message(body: bytes) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=500, body=body)

    async with worker(answer) as address, gateway(address, **translating()) as served:
        response, got = await served.post()
        assert response.status == 500
        assert "status 500" in json.loads(got)["error"]["message"]
        await served.wait_until_idle()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [(200, {}, b"bad"), (302, {"Location": "/x"}, b""), (200, {"Content-Encoding": "gzip"}, b"x")],
)
async def test_a_response_that_is_not_of_the_protocol(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, headers=headers, body=body)

    async with worker(answer) as address, gateway(address, **translating()) as served:
        response, got = await served.post()
        assert (response.status, json.loads(got)["error"]["code"]) == (502, "worker_failed")


async def test_a_response_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAX_TRANSLATED_BYTES", 1000)

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x" * int(request.headers["X-Size"]))

    async with worker(answer) as address, gateway(address, **translating()) as served:
        response, body = await served.post(headers={"X-Size": "1000"})
        assert (response.status, len(body)) == (200, 1001)
        response, body = await served.post(headers={"X-Size": "1001"})
        assert (response.status, json.loads(body)["error"]["code"]) == (502, "worker_failed")
        await served.wait_until_idle()


async def test_a_worker_that_ends_in_a_response_that_is_translated() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_raw(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")

    async with raw_worker(serve) as address, gateway(address, **translating()) as served:
        response, body = await served.post()
        assert (response.status, json.loads(body)["error"]["code"]) == (502, "worker_failed")


async def stream_of(*parts: bytes, content_type: str = "text/event-stream") -> tuple[int, str, bytes]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        made = web.StreamResponse(headers={"Content-Type": content_type})
        await made.prepare(request)
        for part in parts:
            await made.write(part)
        return made

    async with worker(answer) as address, gateway(address, **translating()) as served:
        response, body = await served.post(CHAT, data=b'{"model":"m","stream":true}')
        await served.wait_until_idle()
        return response.status, response.headers["Content-Type"], body


async def test_a_stream() -> None:
    assert await stream_of(b"data: a\n", b"\ndata: b\n\n") == (
        200,
        "text/event-stream",
        b"DATA: A\n\nDATA: B\n\nEND",
    )


@pytest.mark.parametrize("last", [b"data: bad\n\n", b"data: reports\n\n"])
async def test_a_stream_that_is_not_of_the_protocol_ends_with_an_error(last: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_raw(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ndata: a\n\n")
        await go_on.wait()
        writer.write(last)
        await reader.read()

    go_on = asyncio.Event()
    async with (
        raw_worker(serve) as address,
        gateway(address, **translating()) as served,
        served.session.post(served.url + CHAT, data=b'{"model":"m","stream":true}') as response,
    ):
        assert await response.content.readany() == b"DATA: A\n\n"
        go_on.set()
        *events, error, end = (await response.read()).split(b"\n\n")
        assert events == ([b"DATA: REPORTS"] if b"reports" in last else [])
        assert b'"code":"worker_failed"' in error
        assert end == b""
        await served.wait_until_idle()


async def test_a_document_is_no_stream() -> None:
    status, content_type, body = await stream_of(b"{}", content_type="application/json; charset=utf-8")
    assert (status, content_type) == (502, "application/json")
    assert b"streaming_predict_route" in body
