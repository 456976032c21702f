"""Reading the body of a request within the bounds of one request and of the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import HttpVersion11, web

from model_operator.core.gateway.failures import Failure, FailureReason

_LEAST_COUNTED: Final = 64 * 1024
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Intake:
    """Bounds of what is held of the bodies of concurrent requests.

    Parameters
    ----------
    max_body_bytes
        Of one request.
    max_buffered_bytes
        Of all requests that run.
    max_requests
        Number of requests that run.
    body_seconds
        Time without a byte of a body.
    """

    def __init__(
        self, max_body_bytes: int, max_buffered_bytes: int, max_requests: int, body_seconds: float = 60
    ) -> None:
        self._body_seconds = body_seconds
        self._max_body = max_body_bytes
        self._max_buffered = max_buffered_bytes
        self._max_requests = max_requests
        self.buffered = 0
        self.requests = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """Give a request its place, and take back what it held when it ends.

        Raises
        ------
        Failure
            GATEWAY_BUSY at the maximum number of requests.
        """
        if self.requests >= self._max_requests:
            raise _busy()
        self.requests += 1
        place = Place(self)
        try:
            yield place
        finally:
            self.requests -= 1
            self.buffered -= place.held

    def reserve(self, count: int) -> None:
        """Count bytes that are about to be held.

        Raises
        ------
        Failure
            GATEWAY_BUSY beyond the maximum of all requests.
        """
        if self.buffered + count > self._max_buffered:
            raise _busy()
        self.buffered += count

    async def read(self, request: web.Request, place: Place) -> bytes:
        """Return the body of a request.

        Raises
        ------
        Failure
            BODY_TOO_LARGE, by Content-Length before anything is read, or while reading; BODY_TIMEOUT;
            GATEWAY_BUSY;
            INVALID_REQUEST for a compressed body.
        """
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Failure(
                FailureReason.INVALID_REQUEST,
                "Content-Encoding is not supported. Action (user): send the body uncompressed.",
            )
        length = request.content_length
        if length is not None and length > self._max_body:
            raise self._too_large()
        await _continue(request)
        parts: list[bytes] = []
        total = 0
        while part := await self._next(request):
            total += len(part)
            if total > self._max_body:
                raise self._too_large()
            place.hold(total)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _next(self, request: web.Request) -> bytes:
        """Return the next bytes of a body; none at its end."""
        try:
            async with asyncio.timeout(self._body_seconds):
                return await request.content.readany()
        except TimeoutError as error:
            raise Failure(
                FailureReason.BODY_TIMEOUT,
                f"no byte of the body came for {self._body_seconds:g} s. Action (user): send it at once.",
            ) from error

    def _too_large(self) -> Failure:
        return Failure(
            FailureReason.BODY_TOO_LARGE,
            f"the body has more than {self._max_body} bytes. Action (user): send less at a time.",
        )


class Place:
    """What one request holds of the bound of all."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.held = 0

    def hold(self, total: int) -> None:
        """Count the body up to a size; small ones are not worth it."""
        if total > max(self.held, _LEAST_COUNTED):
            self._intake.reserve(total - self.held)
            self.held = total


async def _continue(request: web.Request) -> None:
    """Have a client send the body that it holds back until the gateway wants it."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version == HttpVersion11:
        await request.writer.write(_CONTINUE)
        # aiohttp takes the bytes for those of the response.
        request.writer.output_size = 0


def _busy() -> Failure:
    return Failure(
        FailureReason.GATEWAY_BUSY, "the gateway has too many requests at once. Action (user): try again."
    )
