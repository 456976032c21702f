"""Clients that cost little: raw HTTP/1.1 over asyncio, on loopback, bounded in time and number."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine

_PATIENCE_SECONDS = 15.0


class AnswerError(Exception):
    """An answer that is not 200 or 201, or a connection that ended."""


@dataclass
class Answer:
    """One answer.

    Attributes
    ----------
    seconds
        Until its last byte.
    first_seconds
        Until the first byte of its body.
    reads
        How often bytes of the body arrived.
    body
        The last bytes of the body, as they were sent.
    """

    seconds: float = 0.0
    first_seconds: float = 0.0
    reads: int = 0
    body: bytes = b""


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._is_lost = False
        self._done: asyncio.Future[Answer] | None = None
        self._first: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, host: str, port: int, context: ssl.SSLContext | None = None) -> Connection:
        """Connect, by TLS if there is a context for it."""
        _, protocol = await asyncio.get_running_loop().create_connection(cls, host, port, ssl=context)
        return protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that waits."""
        self._is_lost = True
        if self._done is not None and not self._done.done():
            self._done.set_exception(AnswerError(f"the server has ended the connection: {exc}"))

    def call(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; the answer comes later."""
        self._done = asyncio.get_running_loop().create_future()
        if self._is_lost:
            self._done.set_exception(AnswerError("the server has ended the connection"))
            return self._done
        self._buffer = bytearray()
        self._head = -1
        self._answer = Answer()
        self._begin = time.perf_counter()
        self._transport.write(request)
        return self._done

    async def begun(self) -> None:
        """Wait for the first bytes of the answer's body, or for its end."""
        assert self._done is not None
        self._first = asyncio.get_running_loop().create_future()
        await asyncio.wait((self._first, self._done), return_when=asyncio.FIRST_COMPLETED)

    def abort(self) -> None:
        """Leave."""
        self._transport.abort()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take in an answer, or a part of one."""
        self._buffer += data
        if self._head < 0:
            self._head = self._buffer.find(b"\r\n\r\n")
            if self._head < 0:
                return
            head = bytes(self._buffer[: self._head]).lower()
            self._status = head[9:12]
            del self._buffer[: self._head + 4]
            at = head.find(b"content-length:")
            self._length = int(head[at + 15 :].split(b"\r\n")[0]) if at >= 0 else None
        answer = self._answer
        if self._buffer:
            answer.reads += bool(data)
            if not answer.first_seconds:
                answer.first_seconds = time.perf_counter() - self._begin
                if self._first is not None and not self._first.done():
                    self._first.set_result(None)
        if self._length is None:
            is_complete = self._buffer.endswith(b"0\r\n\r\n")
            if not is_complete and len(self._buffer) > 4096:
                del self._buffer[:-64]
        else:
            is_complete = len(self._buffer) >= self._length
        if is_complete:
            self._end()

    def _end(self) -> None:
        answer = self._answer
        answer.seconds = time.perf_counter() - self._begin
        answer.body = bytes(self._buffer)
        if self._done is None or self._done.done():
            return
        if self._status in (b"200", b"201"):
            self._done.set_result(answer)
        else:
            self._done.set_exception(AnswerError(f"HTTP {self._status.decode()}: {answer.body[:500]!r}"))


@dataclass
class Results:
    """What a run of requests gave.

    Attributes
    ----------
    seconds
        Durations of the answers, or until their first byte.
    reads
        How often bytes of bodies arrived.
    failures
        What went wrong; a run goes on without those requests.
    """

    seconds: list[float] = field(default_factory=list)
    reads: int = 0
    failures: list[str] = field(default_factory=list)


Target = tuple[str, int]
"""Address and port."""


async def closed_loop(target: Target, request: bytes, *, connections: int, seconds: float) -> Results:
    """Have each connection send its next request as soon as it has the answer to its last."""
    results = Results()
    deadline = time.perf_counter() + seconds

    async def run() -> None:
        connection = await Connection.open(*target)
        while time.perf_counter() < deadline:
            try:
                results.seconds.append((await connection.call(request)).seconds)
            except AnswerError as error:
                results.failures.append(str(error))
                connection = await Connection.open(*target)
        connection.close()

    await _bounded(asyncio.gather(*(run() for _ in range(connections))), seconds, results)
    return results


async def open_loop(target: Target, request: bytes, *, each: float, seconds: float) -> Results:
    """Send a request each so many seconds, whether the last ones are answered or not."""
    results = Results()
    idle: list[Connection] = []

    async def one() -> None:
        connection = idle.pop() if idle else await Connection.open(*target)
        try:
            answer = await _answered(connection, request)
        except AnswerError as error:
            results.failures.append(str(error))
        else:
            results.seconds.append(answer.seconds)
            idle.append(connection)

    await _bounded(_paced(one, each, seconds), seconds, results)
    for connection in idle:
        connection.close()
    return results


async def streams(
    target: Target, request: bytes, *, each: float, seconds: float, skipped: float = 0.0
) -> Results:
    """Begin a stream each so many seconds, on its own connection; note the time until its first byte.

    Parameters
    ----------
    target, request
        What is called.
    each, seconds
        Time between two streams, and for which streams begin.
    skipped
        Time at the start of which the streams do not count: until there are as many as later.
    """
    results = Results()
    begin = time.perf_counter()

    async def one() -> None:
        counts = time.perf_counter() - begin >= skipped
        connection = await Connection.open(*target)
        try:
            answer = await _answered(connection, request)
        except AnswerError as error:
            results.failures.append(str(error))
        else:
            results.reads += answer.reads
            if counts:
                results.seconds.append(answer.first_seconds)
        connection.close()

    await _bounded(_paced(one, each, seconds), seconds, results)
    return results


async def _answered(connection: Connection, request: bytes) -> Answer:
    """Give the answer; the connection is cut when it is no longer waited for."""
    try:
        return await connection.call(request)
    except asyncio.CancelledError:
        connection.abort()
        raise


async def _paced(one: Callable[[], Coroutine[Any, Any, None]], each: float, seconds: float) -> None:
    begin = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(round(seconds / each)):
            await asyncio.sleep(begin + number * each - time.perf_counter())
            group.create_task(one())


async def _bounded(run: Awaitable[object], seconds: float, results: Results) -> None:
    """Wait for a run; what a contender that does not keep up has not answered by then is cancelled."""
    try:
        async with asyncio.timeout(seconds + _PATIENCE_SECONDS):
            await run
    except TimeoutError:
        results.failures.append(f"not all answered {_PATIENCE_SECONDS:g} s after the last was sent")
