"""Accepts connections within bounds: all that a client can multiply is limited, every wait has a deadline.

The ports of operator and gateway use this. `connection_slots.py` decides which connections are kept; this
module has sockets, TLS and the deadlines.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
import time
from asyncio import sslproto
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from math import ceil, inf
from typing import Any

import structlog
from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError

from model_operator.process.connection_slots import Closing, Phase, Slot, Slots

log = structlog.get_logger(__name__)

_HEAD_LINE_BYTES = 4096
_HEAD_LINES = 64
"""Limits of aiohttp on a request's headers; they also apply to the trailers of a chunked body."""
_BACKLOG = 512
_BATCH = 8
"""Connections that are accepted before the loop runs anything else."""
_PAUSE_SECONDS = 0.002
"""Pause after a batch in which the port was full: at most 4,000 connections per second."""
_CLOSING = 16
"""Evicted connections that are not closed yet; beyond that number, new ones wait until some are."""
_EXHAUSTED_SECONDS = 1.0
"""Pause when the process has no file descriptor left."""
_SOCKET_BYTES = 128 * 1024
"""Kernel buffer of a connection per direction; the default grows to several MiB."""
_TLS_BYTES = 32 * 1024
"""Buffer of a TLS connection: asyncio's default is eight times as large and always allocated."""
_NO_LINGER = struct.pack("ii", 1, 0)

_LOG_SECONDS = 60.0

Handler = Callable[[Any], Awaitable[web.StreamResponse]]
"""Takes a ``Request`` where there is an application, else a ``BaseRequest``."""
Middleware = Callable[[web.BaseRequest, Handler], Awaitable[web.StreamResponse]]
Serve = Callable[[], web.RequestHandler]
"""Returns the protocol of a new connection, as an aiohttp ``Server`` does."""


class Inbound:
    """The connections of one port.

    Parameters
    ----------
    slots
        The slots for them.
    keeps_after_errors
        Whether a connection is kept after any response to a completely read request.
    """

    def __init__(self, slots: Slots, *, keeps_after_errors: bool = False) -> None:
        self._slots = slots
        self._keeps_after_errors = keeps_after_errors
        self._guarded: dict[asyncio.Protocol, _Guarded] = {}
        self._sockets = 0
        self._opening: set[asyncio.Task[None]] = set()

    @web.middleware
    async def middleware(self, request: web.BaseRequest, handler: Handler) -> web.StreamResponse:
        """Track the begin and end of a request; must be the outermost middleware.

        A connection is kept only after a response to a completely read request, by default a successful one.
        """
        guarded = self._guarded.get(request.protocol)
        if guarded is None:  # The connection was evicted meanwhile.
            raise web.HTTPServiceUnavailable
        guarded.begin()
        is_done = False
        try:
            response = await handler(request)
            is_read = request.content.is_eof()
            is_done = response.status == HTTPStatus.OK and is_read
            if not is_done and not (is_read and self._keeps_after_errors):
                response.force_close()
        except web.HTTPException as error:
            error.force_close()
            raise
        finally:
            guarded.end(is_done)
        return response

    def has_body(self, request: web.BaseRequest) -> None:
        """Note that the body of a request is complete: its connection is no longer evicted."""
        guarded = self._guarded.get(request.protocol)
        if guarded is not None:
            guarded.work()

    @asynccontextmanager
    async def accept(
        self, bound: socket.socket, serve: Serve, ssl_context: ssl.SSLContext | None = None
    ) -> AsyncIterator[None]:
        """Accept connections while the context is open.

        Parameters
        ----------
        bound
            Socket to listen on; closed at the end.
        serve
            Handles the requests, through :meth:`middleware`.
        ssl_context
            TLS with the serving certificate; plain HTTP without it.
        """
        loop = asyncio.get_running_loop()
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            bound.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BYTES)
        bound.listen(_BACKLOG)
        acceptor = _Acceptor(
            loop,
            bound,
            lambda peer, address: self._open(peer, address, serve, ssl_context),
            lambda: self._sockets - len(self._slots) < _CLOSING,
        )
        acceptor.resume()
        try:
            yield
        finally:
            acceptor.close()
            for task in self._opening:
                task.cancel()

    def _open(
        self, peer: socket.socket, address: str, serve: Serve, ssl_context: ssl.SSLContext | None
    ) -> bool:
        """Take a slot for an accepted connection; return whether one was free without an eviction."""
        before = len(self._slots)
        slot = self._slots.take(address, Phase.HANDSHAKE if ssl_context else Phase.WAITING)
        if slot is None:
            _reset(peer)
            return False
        self._sockets += 1
        task = asyncio.get_running_loop().create_task(self._connect(peer, slot, serve, ssl_context))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return len(self._slots) > before

    async def _connect(
        self, peer: socket.socket, slot: Slot, serve: Serve, ssl_context: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        guarded = _Guarded(loop, self._slots, slot, serve(), self._guarded, self._forget)
        protocol: asyncio.BaseProtocol = guarded
        try:
            if ssl_context is not None:
                protocol = _Tls(loop, guarded, ssl_context)
            await loop.connect_accepted_socket(lambda: protocol, peer)
        except BaseException as error:
            guarded.release()
            peer.close()
            if not isinstance(error, OSError):  # OSError: the peer has closed it.
                raise

    def _forget(self, inner: asyncio.Protocol) -> None:
        self._sockets -= 1
        self._guarded.pop(inner, None)


class RateLimitFilter(logging.Filter):
    """Passes one record a minute, and none of malformed requests, which any client can send.

    Parameters
    ----------
    now
        Seconds from any start, never going back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._next = -inf

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log the record."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError) or self._now() < self._next:
            return False
        self._next = self._now() + _LOG_SECONDS
        return True


def app_runner(application: web.Application, port: str, **settings: Any) -> web.AppRunner:
    """Return a runner of an application with bounds on request headers and rate-limited logging.

    Parameters
    ----------
    application
        Handles the requests.
    port
        Name of the port in the log.
    settings
        Further arguments of :class:`aiohttp.web.AppRunner`; they override the bounds.
    """
    return web.AppRunner(application, access_log=None, handle_signals=False, **_bounded(port, settings))


def server_runner(
    handler: Handler, port: str, max_body: int, shutdown_timeout: float, **settings: Any
) -> web.ServerRunner:
    """Return a runner of a single handler, without routes; as `app_runner`, and faster.

    Parameters
    ----------
    handler
        Handles the requests.
    port
        Name of the port in the log.
    max_body
        Maximum size of the body in bytes.
    shutdown_timeout
        Seconds that requests under way may take at the end.
    settings
        Further arguments of :class:`aiohttp.web.Server`; they override the bounds.
    """
    loop = asyncio.get_running_loop()

    def request(
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=max_body)

    server = web.Server(handler, request_factory=request, access_log=None, **_bounded(port, settings))
    return web.ServerRunner(server, handle_signals=False, shutdown_timeout=shutdown_timeout)


def _bounded(port: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    logger = logging.getLogger(f"{__name__}.{port}")
    if not logger.filters:
        logger.addFilter(RateLimitFilter())
    bounds = {
        "max_field_size": _HEAD_LINE_BYTES,
        "max_headers": _HEAD_LINES,
        "max_line_size": _HEAD_LINE_BYTES,
    }
    return {"logger": logger, **bounds, **settings}


class _Acceptor:
    """Accepts in batches, and more slowly when connections are refused or no file descriptor is left.

    It never stops: a refusal is better for a client than an endless wait.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bound: socket.socket,
        take: Callable[[socket.socket, str], bool],
        may_accept: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._bound = bound
        self._take = take
        self._may_accept = may_accept
        self._timer: asyncio.TimerHandle | None = None

    def resume(self) -> None:
        """Start or continue to accept."""
        self._timer = None
        self._loop.add_reader(self._bound.fileno(), self._accept)

    def close(self) -> None:
        """Stop, and close the listening socket."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._bound.fileno())
        self._bound.close()

    def _accept(self) -> None:
        is_full = False
        for _ in range(_BATCH):
            if not self._may_accept():
                is_full = True
                break
            try:
                peer, address = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break
            except OSError as error:
                log.warning("cannot accept a connection", error=error.strerror)
                self._pause(_EXHAUSTED_SECONDS)
                return
            peer.setblocking(False)
            is_full |= not self._take(peer, address[0])
        if is_full:
            self._pause(_PAUSE_SECONDS)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._bound.fileno())
        self._timer = self._loop.call_later(seconds, self.resume)


def _reset(peer: socket.socket) -> None:
    """Close a connection with a reset, so that the kernel keeps no state of it."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    peer.close()


class _Guarded(asyncio.Protocol):
    """Wraps aiohttp's protocol of a connection, with a deadline in each phase."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        slots: Slots,
        slot: Slot,
        inner: web.RequestHandler,
        known: dict[asyncio.Protocol, _Guarded],
        forget: Callable[[asyncio.Protocol], None],
    ) -> None:
        self._loop = loop
        self._slots = slots
        self._bounds = slots.bounds
        self._slot = slot
        self._inner = inner
        self._known = known
        self._forget = forget
        self._transport: asyncio.Transport | None = None
        self._received = 0
        self._has_begun_head = True
        self._is_answering = False
        self._is_ended = False
        self._is_known = False
        self._is_released = False
        slot.evict = self._abort
        # For the handshake, and then again for the headers.
        self._deadline = loop.time() + self._bounds.head_seconds
        self._timer = loop.call_at(self._deadline, self._expire)

    @property
    def handshake_seconds(self) -> float:
        """Deadline of a handshake in seconds."""
        return self._bounds.head_seconds

    def attach(self, transport: asyncio.Transport) -> None:
        """Store the socket's transport, before a handshake."""
        self._transport = transport
        if self._is_ended:
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request within its deadline."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- of a stream socket
        if self._transport is None:
            self.attach(transport)
        else:
            # asyncio's default is eight times as large.
            transport.set_read_buffer_limits(_TLS_BYTES)  # type: ignore[attr-defined]
        if self._is_ended:
            return
        self._is_known = True
        self._slot.phase = Phase.WAITING
        self._known[self._inner] = self
        self._within(self._bounds.head_seconds)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Forward received data; the first byte of a request starts its deadline."""
        if self._is_ended:
            return
        self._received += len(data)
        if self._received > self._bounds.request_bytes:
            self._close(Closing.SIZE)
            return
        if not self._has_begun_head:
            self._has_begun_head = True
            self._within(self._bounds.head_seconds)
        self._inner.data_received(data)

    def begin(self) -> None:
        """Note that the headers of a request are complete."""
        self._has_begun_head = self._is_answering = True
        self._within(self._bounds.busy_seconds)

    def work(self) -> None:
        """Note that a request is complete."""
        self._slot.phase = Phase.BUSY

    def end(self, is_proven: bool) -> None:
        """Note that a request has its response."""
        self._slot.phase = Phase.WAITING
        self._slot.is_proven |= is_proven
        self._has_begun_head = self._is_answering = False
        self._received = 0
        self._within(self._bounds.idle_seconds if is_proven else self._bounds.head_seconds)

    def eof_received(self) -> bool | None:
        """Forward the end of the stream."""
        self._inner.eof_received()
        return None

    def pause_writing(self) -> None:
        """Start the deadline for the client to read the response."""
        if not self._has_own_deadlines:
            self._within(self._bounds.head_seconds)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Continue with the idle deadline."""
        if not self._has_own_deadlines:
            self._within(self._bounds.idle_seconds)
        self._inner.resume_writing()

    @property
    def _has_own_deadlines(self) -> bool:
        """Whether a handler is responding that watches over the time by itself."""
        return self._is_answering and self._bounds.busy_seconds is None

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the slot."""
        self.release()
        if self._is_known:
            self._inner.connection_lost(exc)

    def release(self) -> None:
        """Release the slot, also of a connection that never reached aiohttp's protocol."""
        if not self._is_released:
            self._is_released = self._is_ended = True
            self._timer.cancel()
            self._forget(self._inner)
            self._slots.leave(self._slot)

    def _within(self, seconds: float | None) -> None:
        # A cancelled handler ends after its connection: a timer would keep what is left of that in memory.
        if seconds is None or self._is_ended:
            self._timer.cancel()
            return
        self._deadline = self._loop.time() + seconds
        # A later deadline needs no new timer: when the present one ends, it starts the next.
        if self._timer.cancelled() or self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._expire)

    def _expire(self) -> None:
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._expire)
        else:
            self._close(Closing.DEADLINE)

    def _close(self, reason: Closing) -> None:
        self._slots.end(self._slot, reason)
        self._abort()

    def _abort(self) -> None:
        self._is_ended = True
        self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()


class _Tls(sslproto.SSLProtocol):
    """TLS with a smaller buffer, which reports connections that end during the handshake.

    ``SSLProtocol`` and ``max_size`` are not in Python's documentation; they are the same from 3.11 to 3.13.
    """

    max_size = _TLS_BYTES

    def __init__(self, loop: asyncio.AbstractEventLoop, guarded: _Guarded, context: ssl.SSLContext) -> None:
        self._guarded = guarded
        super().__init__(
            loop,
            guarded,
            context,
            waiter=None,  # type: ignore[arg-type]
            server_side=True,
            # The guard's deadline comes first.
            ssl_handshake_timeout=ceil(2 * guarded.handshake_seconds),
            ssl_shutdown_timeout=1,
        )

    def connection_made(self, transport: Any) -> None:
        """Begin the handshake."""
        self._guarded.attach(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Release the slot."""
        super().connection_lost(exc)
        self._guarded.release()
