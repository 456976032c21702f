"""Bytes and headers that pass, and those that do not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from model_operator.core.gateway.apis import Treatment
from tests.unit.gateway.proxies import CHAT, EXECUTE, ID, answer_of, gateway, raw_worker, read_raw, worker

BODY = b'{ "model" : "m","big":123456789012345678901234567890, "a":1.50,"a":1e-7 ,"x":[{"model":2}]}\n'
SECRETS = [
    "Authorization",
    "X-API-Key",
    "api-key",
    "Cookie",
    "Proxy-Authorization",
    "Proxy-Anything",
    "Forwarded",
    "X-Forwarded-For",
    "X_Forwarded_Host",
    "X-Real-IP",
    "X-ModelOperator-Caller",
    "X-Gateway-Model-Name",
    "X-Selected-Account-Id",
    "Impersonate-User",
    "X-Remote-User",
    "Keep-Alive",
    "TE",
    "Trailer",
    "X-Named",
]


async def test_bytes_pass_but_for_the_model() -> None:
    seen: list[tuple[bytes, bytes]] = []
    answered = b'{"model":"served","id":123456789012345678901234567890 , "x": 1.50}\n\n'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_raw(reader))
        writer.write(answer_of(answered))

    async with raw_worker(serve) as address, gateway(address) as served:
        response, body = await served.post(data=BODY)
        assert (response.status, body) == (200, answered)
        assert response.headers["x-modeloperator-model"] == ID
        assert response.headers["Content-Length"] == str(len(answered))
        await served.wait_until_idle()
    head, got = seen[0]
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert got == BODY.replace(b'"m"', b'"served"')
    (observed,) = served.observed
    assert [each.status for each in observed.ends] == [200]
    assert observed.first_bytes == 1


@pytest.mark.parametrize("served_name", [None, "m"])
async def test_a_body_that_names_what_the_server_expects_is_not_read(served_name: str | None) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=await request.read())

    data = b'{"model":"m", "a":1.50}'
    async with worker(answer) as address, gateway(address, served_name=served_name) as served:
        _, body = await served.post(data=data)
    assert body == data


async def test_headers_that_workers_never_see() -> None:
    seen: list[Any] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers.copy())
        return web.Response()

    secret = [f"{case(name)}: v" for name in SECRETS for case in (str, str.upper, str.lower, str.swapcase)]
    kept = ["traceparent: 00-1-1-00", "tracestate: a=b", "User-Agent: me", "X-Two: 1", "X-Two: 2"]
    lines = [
        f"POST {CHAT} HTTP/1.1",
        "Host: evil",
        *secret,
        *kept,
        "Connection: close, x-NAMED",
        "Content-Length: 13",
    ]
    async with worker(answer) as address, gateway(address) as served:
        reader, writer = await asyncio.open_connection(*served.address)
        writer.write("\r\n".join([*lines, "", '{"model":"m"}']).encode())
        assert b"200 OK" in await reader.read()
        writer.close()
    (got,) = seen
    names = {name.lower() for name in got}
    assert names == {
        "host",
        "content-length",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-two",
    }
    assert got["Host"] == f"127.0.0.1:{address.port}"
    assert got.getall("x-two") == ["1", "2"]
    assert (got["traceparent"], got["tracestate"], got["User-Agent"]) == ("00-1-1-00", "a=b", "me")


async def test_headers_that_clients_never_see() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_raw(reader)
        writer.write(
            answer_of(
                b"{}",
                "Set-Cookie: a=b",
                "SET-COOKIE: c=d",
                "Server: secret/1.0",
                "Connection: keep-alive, X-Named",
                "X-Named: 1",
                "Keep-Alive: timeout=5",
                "Proxy-Authenticate: Basic",
                "X-Accel-Redirect: /private",
                "X-ModelOperator-Model: other/model",
                "X-Request-Id: 7",
                "Date: then",
            )
        )

    async with raw_worker(serve) as address, gateway(address) as served:
        response, body = await served.post()
    assert body == b"{}"
    assert {name.lower(): value for name, value in response.headers.items()} == {
        "content-length": "2",
        "content-type": "application/json",
        "x-request-id": "7",
        "date": "then",
        "x-modeloperator-model": ID,
        "server": "model-operator",
    }


async def test_a_compressed_response_stays_compressed_and_no_other_is() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.headers["Accept-Encoding"] == "gzip":
            return web.Response(body=b"compressed", headers={"Content-Encoding": "gzip"})
        return web.Response(body=b"x" * 10_000)

    async with worker(answer) as address, gateway(address) as served:
        response, body = await served.post(headers={"Accept-Encoding": "gzip"})
        assert (response.headers["Content-Encoding"], body) == ("gzip", b"compressed")
        response, body = await served.post(headers={"Accept-Encoding": "deflate"})
        assert "Content-Encoding" not in response.headers
        assert body == b"x" * 10_000


async def test_cookies_are_not_kept_and_redirects_not_followed() -> None:
    seen: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers.get("Cookie", ""))
        return web.Response(
            status=307, headers={"Set-Cookie": "a=b; Path=/", "Location": f"http://{request.host}/other"}
        )

    async with worker(answer) as address, gateway(address) as served:
        for _ in range(2):
            response, body = await served.post()
            assert response.status == 502
            assert json.loads(body)["error"]["code"] == "worker_failed"
        await served.wait_until_idle()
    assert seen == ["", ""]


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
async def test_an_error_of_the_worker_passes_as_it_is(status: int) -> None:
    calls: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        calls.append(request.path)
        return web.Response(status=status, reason="Odd", body=b"{ odd", headers={"Retry-After": "7"})

    async with worker(answer) as one, worker(answer) as other, gateway(one, other) as served:
        response, body = await served.post()
        assert (response.status, response.reason, body) == (status, "Odd", b"{ odd")
        assert response.headers["Retry-After"] == "7"
    assert calls == [CHAT]


@pytest.mark.parametrize(("stream", "path"), [(False, "/predict"), (True, "/stream")])
async def test_execution_passes_the_body_as_it_is(stream: bool, path: str) -> None:
    seen: list[tuple[str, bytes]] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append((request.path_qs, await request.read()))
        return web.Response(body=b"any")

    data = b'{"model" : "kept", "stream":%s }' % (b"true" if stream else b"false")
    async with worker(answer) as address, gateway(address, treatment=Treatment.EXECUTE) as served:
        _, body = await served.post(f"{EXECUTE}?a=b", data=data)
    assert (body, seen) == (b"any", [(path, data)])


@pytest.mark.parametrize("size", [1, 2**10, 2**16 + 1, 2**20 + 1, 33 * 2**20])
async def test_bodies_of_any_size_pass(size: int) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=await request.content.read())

    data = b'{"model":"m","x":"' + b"x" * size + b'"}'
    async with worker(answer) as address, gateway(address) as served:
        _, body = await served.post(data=data)
        assert body == data.replace(b'"m"', b'"served"')
        await served.wait_until_idle()


async def test_a_header_that_is_no_text_does_no_harm() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"fine")

    async with worker(answer) as address, gateway(address) as served:
        reader, writer = await asyncio.open_connection(*served.address)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\xfe\r\nContent-Length: 13\r\n"
            b"Connection: close\r\n\r\n" + b'{"model":"m"}'
        )
        assert b"200 OK" in await reader.read()
        writer.close()
