"""Bounds the number and size of concurrent reviews; further ones are refused, which admits their writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

ReviewBody = Callable[[bytes], Awaitable[bytes]]
"""From the body of a review to that of the response; raises ``MalformedReviewError`` for anything else."""

LARGE_BYTES = 64 * 1024
"""Size from which a body counts as large: few objects are, and their review takes long."""


class Shed(StrEnum):
    """Why a review was refused without a decision."""

    REVIEWS = "reviews"
    """The maximum number of reviews is under way."""
    BYTES = "bytes"
    """The maximum total size of bodies is in memory."""
    TIME = "time"
    """There was no decision in time."""
    VALUES = "values"
    """Its body has more JSON values than any object that Kubernetes stores."""


class OverloadedError(Exception):
    """A review is refused without a decision; the message names the bound that is reached."""


@dataclass(frozen=True, slots=True)
class ReviewBounds:
    """Bounds of concurrent reviews.

    Attributes
    ----------
    reviews
        Reviews with complete bodies, waiting ones included.
    body_bytes
        Total announced bytes of large bodies, from before they are read until the response; a body without a
        ``Content-Length`` counts as the largest allowed one. Small bodies are not counted, so that large ones
        never exclude them: their number is bounded by that of the connections.
    small
        Concurrent decisions on bodies smaller than :data:`LARGE_BYTES`. Larger bodies are reviewed one at a
        time.
    pause
        Pause after a large review, as a multiple of the CPU time that it took: with 2, large reviews take at
        most a third of the main thread, whatever they contain.
    values
        JSON values of one body, estimated from above: each takes at least 64 bytes of memory once it is
        parsed, however short it is in the body.
    seconds
        From the end of the body to the response. In the shipped configuration the API server waits five
        seconds in total.
    """

    reviews: int = 128
    body_bytes: int = 16 * 1024 * 1024
    small: int = 8
    pause: float = 2.0
    values: int = 100_000
    seconds: float = 4.5


class AdmissionGate:
    """Admits reviews within bounds and runs them in the main loop, few at a time.

    All methods are called in one loop, that of the webhooks.

    Parameters
    ----------
    bounds
        The bounds.
    main_loop
        The main loop, which owns the caches.
    count
        Called for each review that is refused.
    computed
        Called in the main loop: returns the CPU seconds of its thread.
    """

    def __init__(
        self,
        bounds: ReviewBounds,
        main_loop: asyncio.AbstractEventLoop,
        count: Callable[[Shed], None],
        computed: Callable[[], float] = time.thread_time,
    ) -> None:
        self._bounds = bounds
        self._main_loop = main_loop
        self._count = count
        self._computed = computed
        self._reviews = 0
        self._bytes = 0
        self._small = asyncio.Semaphore(bounds.small)
        self._large = asyncio.Semaphore(1)

    @contextmanager
    def admit(self, length: int) -> Iterator[None]:
        """Reserve memory for a review from before its body is read until the response.

        Parameters
        ----------
        length
            Maximum size of its body in bytes.

        Raises
        ------
        OverloadedError
            The total size of large bodies would exceed the bound.
        """
        held = length if length >= LARGE_BYTES else 0
        if held and self._bytes + held > self._bounds.body_bytes:
            raise self._shed(Shed.BYTES, f"expected at most {self._bounds.body_bytes} bytes at a time")
        self._bytes += held
        try:
            yield
        finally:
            self._bytes -= held

    async def respond(self, review: ReviewBody, body: bytes) -> bytes:
        """Return the response to a review.

        Parameters
        ----------
        review
            Makes the decision in the main loop; its exceptions are raised.
        body
            The body.

        Raises
        ------
        OverloadedError
            There are too many reviews, there was no decision in time, or the body has too many values.
        """
        if self._reviews >= self._bounds.reviews:
            raise self._shed(Shed.REVIEWS, f"expected at most {self._bounds.reviews} reviews at a time")
        self._reviews += 1
        try:
            return await self._respond(review, body)
        finally:
            self._reviews -= 1

    async def _respond(self, review: ReviewBody, body: bytes) -> bytes:
        is_large = len(body) >= LARGE_BYTES
        if is_large and sum(map(body.count, (b",", b"[", b"{"))) > self._bounds.values:
            raise self._shed(Shed.VALUES, f"expected at most {self._bounds.values} JSON values")
        try:
            async with asyncio.timeout(self._bounds.seconds):
                if is_large:
                    return await self._respond_to_large(review, body)
                async with self._small:
                    return await self._hand_over(review, body)
        except TimeoutError as error:
            message = f"the review took longer than {self._bounds.seconds:g} s"
            raise self._shed(Shed.TIME, message) from error

    async def _respond_to_large(self, review: ReviewBody, body: bytes) -> bytes:
        begun = ended = 0.0

        async def timed(body: bytes) -> bytes:
            nonlocal begun, ended
            begun = ended = self._computed()
            try:
                return await review(body)
            finally:
                ended = self._computed()

        await self._large.acquire()
        try:
            return await self._hand_over(timed, body)
        finally:
            pause = self._bounds.pause * (ended - begun)
            asyncio.get_running_loop().call_later(pause, self._large.release)

    async def _hand_over(self, review: ReviewBody, body: bytes) -> bytes:
        async def call() -> bytes:
            return await review(body)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), self._main_loop))

    def _shed(self, reason: Shed, message: str) -> OverloadedError:
        self._count(reason)
        return OverloadedError(message)
