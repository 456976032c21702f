"""Connections to workers: one request on one connection, and what is known when it gets no response."""

from __future__ import annotations

import asyncio
import errno
import io
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any, Final

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from model_operator.core.gateway.balancing import Address
from model_operator.core.gateway.headers import Header
from model_operator.gateway.proxy_settings import ProxySettings

_STALE_SECONDS: Final = 1.0
"""A worker that closes an idle connection does so within a round trip of its reuse. One that closes it later
has begun to execute the request."""
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
_WHOLE_BYTES: Final = 2**20
"""A larger body is written in pieces; aiohttp warns otherwise."""


class WorkerError(Exception):
    """A worker gave no response."""


class ConnectError(WorkerError):
    """The worker could not be reached; nothing was sent."""


class ExhaustedError(WorkerError):
    """The gateway has no file descriptor, port or memory for another connection."""


class StaleConnectionError(WorkerError):
    """A reused connection ended at once, before any byte of a response: it was idle for too long."""


class EndedError(WorkerError):
    """The connection ended before the headers of a response; the request may be executed."""


class NoResponseError(WorkerError):
    """The worker did not respond within the time limit."""


class NotHttpError(WorkerError):
    """The response is no HTTP."""


class _Attempt:
    """One attempt: whether its connection is new, and the means to end it."""

    __slots__ = ("connection", "is_new")

    def __init__(self) -> None:
        self.is_new = False
        self.connection: asyncio.BaseTransport | None = None

    def abort(self) -> None:
        """End the connection, and drop what is not yet sent: a worker that does not read would hold it."""
        if isinstance(self.connection, asyncio.Transport):
            self.connection.abort()


_ATTEMPT: ContextVar[_Attempt] = ContextVar("attempt")


class _Connector(aiohttp.TCPConnector):
    """Reports to the attempt of the current task, and reuses no connection on which bytes are left."""

    async def connect(self, *args: Any, **options: Any) -> Any:
        attempt = _ATTEMPT.get()
        while True:
            connection = await super().connect(*args, **options)
            protocol = connection.protocol
            # A worker may have sent more than its response: the next client must not get that.
            if protocol is not None and protocol.should_close and not attempt.is_new:
                connection.close()
                continue
            attempt.connection = connection.transport
            return connection

    async def _create_connection(self, *args: Any, **options: Any) -> Any:
        _ATTEMPT.get().is_new = True
        return await super()._create_connection(*args, **options)


class Upstream:
    """Sends requests to workers; to be created while an event loop runs.

    Parameters
    ----------
    settings
        Time limits.
    """

    def __init__(self, settings: ProxySettings) -> None:
        self._first_byte_timeout = settings.first_byte_timeout
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=settings.connect_timeout, sock_read=settings.first_byte_timeout
        )
        self._pooled = self._session(_Connector(limit=0, keepalive_timeout=settings.idle_connection_seconds))
        self._single = self._session(_Connector(limit=0, force_close=True))

    async def close(self) -> None:
        """Close all connections."""
        await self._pooled.close()
        await self._single.close()

    async def send(
        self, address: Address, path: str, headers: Iterable[Header], body: bytes, *, is_fresh: bool = False
    ) -> aiohttp.ClientResponse:
        """Send one request and return the response once its headers are there.

        Parameters
        ----------
        address
            The worker.
        path
            Path at the worker, with a query if it has one.
        headers
            Headers that the worker gets.
        body
            The body.
        is_fresh
            Whether to use a new connection, which is not kept.

        Raises
        ------
        WorkerError
            When there is no response; the connection is closed then.
        """
        attempt = _Attempt()
        token = _ATTEMPT.set(attempt)
        session = self._single if is_fresh else self._pooled
        loop = asyncio.get_running_loop()
        sent = loop.time()
        try:
            async with asyncio.timeout(self._first_byte_timeout):
                response = await session.post(
                    _url(address.host, address.port, path),
                    data=body if len(body) <= _WHOLE_BYTES else io.BytesIO(body),
                    headers=CIMultiDict(headers),
                    allow_redirects=False,
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            number = getattr(error, "errno", None)
            raise (ExhaustedError if number in _EXHAUSTED else ConnectError) from error
        except TimeoutError as error:
            attempt.abort()
            raise NoResponseError from error
        except (aiohttp.ServerDisconnectedError, OSError) as error:
            attempt.abort()
            is_silent = not isinstance(error, aiohttp.ServerDisconnectedError) or isinstance(
                error.message, str
            )
            if is_silent and not attempt.is_new and loop.time() - sent < _STALE_SECONDS:
                raise StaleConnectionError from error
            raise EndedError from error
        except aiohttp.ClientError as error:
            attempt.abort()
            raise NotHttpError from error
        except BaseException:
            attempt.abort()
            raise
        finally:
            _ATTEMPT.reset(token)
        _end_with_connection(response)
        return response

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=self._timeout,
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE),
        )


def _end_with_connection(response: aiohttp.ClientResponse) -> None:
    """End the body when its connection ends.

    After a chunk whose size is no number, aiohttp closes the connection and leaves the reader of the body to
    wait, without its time limit.
    """
    content, connection = response.content, response.connection
    if connection is None or connection.protocol is None:
        return

    def end() -> None:
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the connection ended in the body"))

    def closes(future: asyncio.Future[None]) -> None:
        _retrieve(future)
        end()

    closed = connection.protocol.closed
    if closed is None:
        end()
    else:
        closed.add_done_callback(closes)
        content.on_eof(partial(_forget, closed, closes))


def _forget(future: asyncio.Future[None], callback: Callable[[asyncio.Future[None]], None]) -> None:
    """Replace the callback of a response that is complete; the connection outlives it."""
    future.remove_done_callback(callback)
    future.remove_done_callback(_retrieve)
    future.add_done_callback(_retrieve)


def _retrieve(future: asyncio.Future[None]) -> None:
    # asyncio reports an exception that nothing retrieves.
    future.exception()


def limit_silence(response: aiohttp.ClientResponse, seconds: float) -> None:
    """Set the time limit between two chunks of a response that has begun."""
    connection = response.connection
    if connection is not None and connection.protocol is not None:
        connection.protocol.read_timeout = seconds
        connection.protocol.start_timeout()


def abort(response: aiohttp.ClientResponse) -> None:
    """Close the connection of a response at once, unless the response is complete."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


@lru_cache(maxsize=4096)
def _url(host: str, port: int, path: str) -> URL:
    shown = f"[{host}]" if ":" in host else host
    return URL(f"http://{shown}:{port}{path if path.startswith('/') else f'/{path}'}", encoded=True)
