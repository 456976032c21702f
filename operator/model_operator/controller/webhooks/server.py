"""Serving the webhooks over HTTPS: exact paths, JSON only, bounded bodies, no patience with slow clients."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from model_operator.controller.webhooks.review import MalformedReviewError

ReviewBody = Callable[[bytes], Awaitable[bytes]]
"""From the body of a review to the body of the answer; :class:`MalformedReviewError` for anything else."""

MAX_BODY = 4 * 1024 * 1024
"""Bytes. A review carries the object and the one that it replaces. etcd takes 1.5 MiB of each, so what makes
a larger review is refused by the API server in any case."""

_HEAD_SECONDS = 5.0
_BODY_SECONDS = 5.0
"""The API server sends a review at once, and waits for the answer five seconds in all."""
_IDLE_SECONDS = 120.0
"""Longer than the API server keeps a connection without use (90 s), so that it is never the one surprised."""
_LINGER_SECONDS = 1.0
_BACKLOG = 512


@asynccontextmanager
async def serve_webhooks(
    reviewers: Mapping[str, ReviewBody],
    bound: socket.socket,
    ssl_context: ssl.SSLContext,
    middlewares: Iterable[Middleware] = (),
) -> AsyncIterator[None]:
    """Serve while the context is open; requests under way at its end are answered.

    Parameters
    ----------
    reviewers
        What answers the reviews, by path. Every other path is 404: an answer there would let in what a
        mistyped configuration meant to have checked.
    bound
        Where to listen, from :func:`~model_operator.controller.listening.bind`.
    ssl_context
        The serving certificate; it may be reloaded meanwhile.
    middlewares
        What is to learn of each request.
    """
    greeted = _Greeting()
    application = web.Application(client_max_size=MAX_BODY, middlewares=[greeted.middleware, *middlewares])
    for path, review in reviewers.items():
        application.router.add_post(path, _handler(review))
    runner = web.AppRunner(
        application,
        access_log=None,
        auto_decompress=False,
        handle_signals=False,
        keepalive_timeout=_IDLE_SECONDS,
        lingering_time=_LINGER_SECONDS,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    serve = runner.server
    assert serve is not None  # noqa: S101 -- set up just now
    server = await asyncio.get_running_loop().create_server(
        lambda: greeted.expect(serve()),
        sock=bound,
        backlog=_BACKLOG,
        ssl=ssl_context,
        ssl_handshake_timeout=_HEAD_SECONDS,
        ssl_shutdown_timeout=1.0,
    )
    try:
        yield
    finally:
        server.close()
        await runner.cleanup()
        greeted.close()


def _handler(review: ReviewBody) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json")
        if (request.content_length or 0) > MAX_BODY:
            return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {MAX_BODY} bytes")
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return _refusal(HTTPStatus.REQUEST_TIMEOUT, f"expected the body within {_BODY_SECONDS:g} s")
        try:
            answered = await review(body)
        except MalformedReviewError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, str(error))
        return web.Response(body=answered, content_type="application/json")

    return handle


def _refusal(code: HTTPStatus, message: str) -> web.Response:
    response = web.Response(status=code, text=f"{message}\n")
    # What is left of the body is not waited for.
    response.force_close()
    return response


class _Greeting:
    """Cuts off connections on which no request arrives; aiohttp's own patience is that with idle ones."""

    def __init__(self) -> None:
        self._timers: dict[asyncio.Protocol, asyncio.TimerHandle] = {}

    def expect(self, connection: web.RequestHandler) -> web.RequestHandler:
        """Give a new connection its time."""
        loop = asyncio.get_running_loop()
        self._timers[connection] = loop.call_later(_HEAD_SECONDS, self._cut_off, connection)
        return connection

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Note that a request has arrived."""
        timer = self._timers.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        return await handler(request)

    def close(self) -> None:
        """Stop all clocks."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _cut_off(self, connection: web.RequestHandler) -> None:
        self._timers.pop(connection, None)
        connection.force_close()
