"""A proxy between the operator and the API server that knows HTTP and has faults.

It speaks plain HTTP with the operator, on loopback, and TLS with the API server. Its event loop runs in a
thread of its own.
"""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

from tests.chaos.faults import WRITES, Choice, Fault, Request

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Callable, Coroutine

CHUNK = 1 << 16
BODY_LIMIT = 1 << 24
STALL_SECONDS = (3.0, 8.0)
SLOW_SECONDS = (0.05, 0.5)
# A watch meets its fault after so many bytes, or after so many seconds when there is not that much to tell.
WATCH_BYTES = (50, 60_000)
WATCH_SECONDS = (1.0, 6.0)
DRIP_BYTES = 700

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length"})
INJECTED = {
    Fault.REFUSED_409: (HTTPStatus.CONFLICT, "Conflict"),
    Fault.EXPIRED_410: (HTTPStatus.GONE, "Expired"),
    Fault.BUSY_429: (HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests"),
    Fault.FAILED_500: (HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError"),
    Fault.FAILED_500_AFTER: (HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError"),
    Fault.LATE_504: (HTTPStatus.GATEWAY_TIMEOUT, "Timeout"),
    Fault.LATE_504_AFTER: (HTTPStatus.GATEWAY_TIMEOUT, "Timeout"),
}
AFTER = frozenset({Fault.FAILED_500_AFTER, Fault.LATE_504_AFTER, Fault.CUT_AFTER, Fault.STALLED, Fault.SLOW})


class Proxy:
    """The running proxy; a context manager.

    Parameters
    ----------
    server
        Base URL of the API server.
    tls
        How its certificate is judged.
    port
        The port on 127.0.0.1 to listen on.

    Attributes
    ----------
    choice
        Which request meets what; none does while it is None. May be set at any time.
    is_cut
        Whether nothing gets through; see `cut`.
    witness
        Called with each write once it has taken effect, before it is answered; with True, it never is.
    """

    def __init__(self, server: str, tls: ssl.SSLContext, port: int) -> None:
        self.choice: Choice | None = None
        self.is_cut = False
        self.witness: Callable[[Request], bool] | None = None
        self.url = f"http://127.0.0.1:{port}"
        self._server = server.rstrip("/")
        self._tls = tls
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._open: list[web.Request] = []
        self._session: aiohttp.ClientSession
        self._runner: web.AppRunner

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Cut every connection, and each new one, until `mend`."""
        self.is_cut = True
        self._call(self._abort_all())

    def mend(self) -> None:
        """Let requests through again."""
        self.is_cut = False

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        application = web.Application(client_max_size=BODY_LIMIT)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def _stop(self) -> None:
        await self._abort_all()
        await self._runner.cleanup()
        await self._session.close()
        # Handlers of connections that were cut end a moment later.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _abort_all(self) -> None:
        for request in self._open:
            _abort(request)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._open.append(request)
        try:
            if self.is_cut:
                return _abort(request)
            return await self._serve(request)
        except (aiohttp.ClientError, OSError):
            # The API server is away, or the operator is: each hears of it as without a proxy.
            return _abort(request)
        finally:
            self._open.remove(request)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = _asked(request)
        if self.witness is not None and asked.method in WRITES:
            status, headers, content = await self._ask(request, body)
            if self.witness(asked):
                return _abort(request)
            return web.Response(status=status, headers=headers, body=content)
        choice = self.choice
        fault, source = choice.of(asked) if choice is not None else (None, None)
        if fault is None or source is None:
            return await self._pass_on(request, body)
        if asked.is_watch:
            return await self._faulty_watch(request, fault, source)
        if fault in AFTER:
            status, headers, content = await self._ask(request, body)
            if fault is Fault.SLOW:
                await asyncio.sleep(source.uniform(*SLOW_SECONDS))
                return web.Response(status=status, headers=headers, body=content)
            if fault is Fault.STALLED:
                await asyncio.sleep(source.uniform(*STALL_SECONDS))
        return _injected(fault) if fault in INJECTED else _abort(request)

    async def _ask(self, request: web.Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        async with self._forward(request, body) as answer:
            return answer.status, _end_to_end(answer.headers), await answer.read()

    async def _pass_on(self, request: web.Request, body: bytes) -> web.StreamResponse:
        async with self._forward(request, body) as answer:
            response = web.StreamResponse(status=answer.status, headers=_end_to_end(answer.headers))
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response

    async def _faulty_watch(
        self, request: web.Request, fault: Fault, source: random.Random
    ) -> web.StreamResponse:
        async with self._forward(request, b"") as answer:
            response = web.StreamResponse(status=answer.status, headers=_end_to_end(answer.headers))
            await response.prepare(request)
            if fault is Fault.WATCH_SLOW:
                async for chunk in answer.content.iter_any():
                    await _drip(response, chunk)
                return response
            is_complete = await _begin(answer.content, response, fault, source)
            if fault is Fault.WATCH_STALLED:
                await asyncio.sleep(source.uniform(*STALL_SECONDS))
            if fault is Fault.WATCH_EXPIRED and is_complete:
                expired = {"type": "ERROR", "object": _status(HTTPStatus.GONE, "Expired")}
                await response.write(json.dumps(expired).encode() + b"\n")
                return response
            return response if fault is Fault.WATCH_TRUNCATED else _abort(request)

    def _forward(self, request: web.Request, body: bytes) -> Any:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP_BY_HOP}
        return self._session.request(
            request.method,
            URL(self._server + request.raw_path, encoded=True),
            headers=headers,
            data=body or None,
            skip_auto_headers=("Accept-Encoding", "User-Agent", "Content-Type"),
        )


def _asked(request: web.Request) -> Request:
    is_watch = request.query.get("watch") in ("true", "1")
    is_list = request.method == "GET" and "limit" in request.query
    return Request(request.method, request.path, is_watch=is_watch, is_list=is_list)


async def _begin(
    content: aiohttp.StreamReader, response: web.StreamResponse, fault: Fault, source: random.Random
) -> bool:
    """Carry the beginning of a watch; tell whether what was carried ends with the end of an object."""
    left = int(source.uniform(*WATCH_BYTES))
    last = b"\n"
    with suppress(TimeoutError):
        async with asyncio.timeout(source.uniform(*WATCH_SECONDS)):
            while left > 0:
                chunk = await content.readany()
                if not chunk:
                    break
                part = chunk[:left] if fault in (Fault.WATCH_CUT, Fault.WATCH_TRUNCATED) else chunk
                await response.write(part)
                left -= len(part)
                last = part[-1:]
    return last == b"\n"


async def _drip(response: web.StreamResponse, data: bytes) -> None:
    for start in range(0, len(data), DRIP_BYTES):
        await response.write(data[start : start + DRIP_BYTES])
        await asyncio.sleep(0.002)


def _end_to_end(headers: Any) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() not in HOP_BY_HOP}


def _abort(request: web.Request) -> web.Response:
    """Cut the connection at once; the response is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _injected(fault: Fault) -> web.Response:
    code, reason = INJECTED[fault]
    headers = {"Retry-After": "1"} if fault is Fault.BUSY_429 else {}
    return web.json_response(_status(code, reason), status=code, headers=headers)


def _status(code: HTTPStatus, reason: str) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"injected: {reason}",
        "reason": reason,
        "code": int(code),
    }
