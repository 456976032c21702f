"""The HTTPS server of the webhooks: authenticated callers, JSON only, bounded sizes, a deadline per step."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import hdrs, web

from model_operator.controller.metrics.instruments import WEBHOOK_KEY
from model_operator.controller.serving.admission_gate import AdmissionGate, OverloadedError, ReviewBody
from model_operator.controller.webhooks.review import MalformedReviewError
from model_operator.core.webhooks.callers import Caller, CallerPolicy, Webhook
from model_operator.process.connection_slots import Bounds, Slots
from model_operator.process.inbound import Handler, Inbound, Middleware, server_runner

RespondToReview = Callable[[bytes, Caller], Awaitable[bytes]]
"""From the body of a review and its caller to the body of the response; raises
:class:`MalformedReviewError` for anything else."""

MAX_BODY = 4 * 1024 * 1024
"""Bytes. A review contains the new and the old object. etcd limits each to 1.5 MiB, so the API server refuses
an object with a larger review in any case."""

_HEAD_SECONDS = 5.0
_BODY_SECONDS = 5.0
"""The API server sends a review at once, and waits for the response five seconds in total."""
_BUSY_SECONDS = 15.0
"""More than body and review may take together, so that only a defect reaches it."""
_IDLE_SECONDS = 120.0
"""Longer than the API server keeps an idle connection (90 s), so that the API server closes it first."""
_LINGER_SECONDS = 0.2
_READ_BYTES = 32 * 1024
"""aiohttp buffers up to twice as much of an unread body."""


def webhook_bounds(connections: int, per_address: int, handshakes: int) -> Bounds:
    """Return the bounds of the port, with the webhooks' deadlines and sizes."""
    return Bounds(
        connections=connections,
        per_address=per_address,
        handshakes=handshakes,
        head_seconds=_HEAD_SECONDS,
        busy_seconds=_BUSY_SECONDS,
        idle_seconds=_IDLE_SECONDS,
        # With room for the headers, and for the framing of chunks of a reasonable size.
        request_bytes=MAX_BODY + 1024 * 1024,
    )


@asynccontextmanager
async def serve_webhooks(
    reviewers: Mapping[Webhook, RespondToReview],
    callers: Callable[[], CallerPolicy],
    bound: socket.socket,
    ssl_context: ssl.SSLContext,
    gate: AdmissionGate,
    slots: Slots,
    middlewares: Iterable[Middleware] = (),
) -> AsyncIterator[None]:
    """Serve while the context is open; requests under way at its end are completed.

    Parameters
    ----------
    reviewers
        Respond to the reviews.
    callers
        Returns the credentials that callers must present now. Every path that it does not admit is the same
        404: any other response there would admit writes that a mistyped configuration meant to check.
    bound
        Socket to listen on, from :func:`~model_operator.process.sockets.bind`.
    ssl_context
        The serving certificate; it may be reloaded meanwhile.
    gate
        Bounds the reviews.
    slots
        Bounds the connections.
    middlewares
        Middlewares for each request.
    """
    inbound = Inbound(slots)
    # Not aiohttp's application: its router's dict lookup takes longer the more characters of a token are
    # right, and routing, signals and contexts take a quarter of the time of a request.
    handle: Handler = _handler(reviewers, callers, gate, inbound)
    for middleware in (*reversed([*middlewares]), inbound.middleware):
        handle = _wrapped(middleware, handle)
    runner = server_runner(
        handle,
        "webhooks",
        MAX_BODY,
        auto_decompress=False,
        keepalive_timeout=_IDLE_SECONDS,
        lingering_time=_LINGER_SECONDS,
        read_bufsize=_READ_BYTES,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    serve = runner.server
    assert serve is not None  # noqa: S101 -- set up just now
    try:
        async with inbound.accept(bound, serve, ssl_context):
            yield
    finally:
        await runner.cleanup()


def _handler(
    reviewers: Mapping[Webhook, RespondToReview],
    callers: Callable[[], CallerPolicy],
    gate: AdmissionGate,
    inbound: Inbound,
) -> Callable[[web.BaseRequest], Awaitable[web.Response]]:
    async def handle(request: web.BaseRequest) -> web.Response:
        call = callers().admit(request.rel_url.raw_path)
        if call is None:
            return _refusal(HTTPStatus.NOT_FOUND, "not found")
        request[WEBHOOK_KEY] = call.webhook
        refused = _refused(request)
        if refused is not None:
            return refused
        length = MAX_BODY if request.content_length is None else request.content_length
        try:
            with gate.admit(length):
                try:
                    body = await _body(request)
                except TimeoutError:
                    return _refusal(
                        HTTPStatus.REQUEST_TIMEOUT, f"expected the body within {_BODY_SECONDS:g} s"
                    )
                inbound.has_body(request)
                answered = await gate.respond(_bound(reviewers[call.webhook], call.caller), body)
        except MalformedReviewError as error:
            return _refusal(HTTPStatus.BAD_REQUEST, str(error))
        except OverloadedError as error:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return web.Response(body=answered, content_type="application/json")

    return handle


def _refused(request: web.BaseRequest) -> web.Response | None:
    """Return the refusal of a request whose headers are not those of a review."""
    if request.method != hdrs.METH_POST:
        return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "expected POST")
    if request.content_type != "application/json":
        return _refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json")
    if hdrs.EXPECT in request.headers:
        return _refusal(HTTPStatus.EXPECTATION_FAILED, "expected the body at once")
    if (request.content_length or 0) > MAX_BODY:
        return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {MAX_BODY} bytes")
    return None


def _wrapped(middleware: Middleware, handler: Handler) -> Handler:
    return lambda request: middleware(request, handler)


async def _body(request: web.BaseRequest) -> bytes:
    """Return the body, which has mostly arrived together with the headers."""
    if request.content.is_eof():
        return await request.read()
    async with asyncio.timeout(_BODY_SECONDS):
        return await request.read()


def _bound(review: RespondToReview, caller: Caller) -> ReviewBody:
    """Bind a reviewer to one caller."""

    async def bound(body: bytes) -> bytes:
        return await review(body, caller)

    return bound


def _refusal(code: HTTPStatus, message: str) -> web.Response:
    response = web.Response(status=code, text=f"{message}\n")
    # The rest of the body is not read.
    response.force_close()
    return response
