"""How many reviews there are at a time, and of how many bytes: the others are refused, which fails open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

ReviewBody = Callable[[bytes], Awaitable[bytes]]
"""From the body of a review to the body of the answer; ``MalformedReviewError`` for anything else."""

LARGE_BYTES = 64 * 1024
"""From this size on a body is large: few objects are, and judging them takes long."""


class Shed(StrEnum):
    """Why a review was refused unjudged."""

    REVIEWS = "reviews"
    """As many are under way as may be."""
    BYTES = "bytes"
    """Bodies of as many bytes are held as may be."""
    TIME = "time"
    """It was not judged in time."""
    VALUES = "values"
    """Its body has more JSON values than any object that Kubernetes stores."""


class OverloadedError(Exception):
    """A review is refused unjudged; the message says which bound is reached."""


@dataclass(frozen=True, slots=True)
class ReviewBounds:
    """What the webhooks do at a time.

    Attributes
    ----------
    reviews
        Reviews whose bodies are complete: they wait, or are judged.
    body_bytes
        Bytes of large bodies in all, from before they are read until they are answered, as announced; a body
        that does not announce its size counts as the largest that is allowed. Small ones are not counted, so
        that large ones keep none of them out: there are at most as many as connections.
    judged
        Reviews that are judged at a time, each of fewer bytes than :data:`LARGE_BYTES`. Of larger ones it is
        one.
    pause
        How long the next large one waits after a large one, in times of what the judging thread has computed
        meanwhile: with 2, large reviews take a third of that thread at most, whatever is in them.
    values
        JSON values of one body, estimated from above: each takes 64 bytes of memory or more once it is read,
        however few it has in the body.
    seconds
        From the end of the body to the answer. The shipped configuration has the API server wait five in all.
    """

    reviews: int = 128
    body_bytes: int = 16 * 1024 * 1024
    judged: int = 8
    pause: float = 2.0
    values: int = 100_000
    seconds: float = 4.5


class AdmissionGate:
    """Lets reviews in, and has them judged in the loop that does the work, few at a time.

    All methods are called in one loop, that of the webhooks.

    Parameters
    ----------
    bounds
        How many.
    judging
        The loop whose caches the reviews are judged by.
    count
        Called for each review that is refused.
    computed
        Called in the judging loop: seconds that its thread has computed so far.
    """

    def __init__(
        self,
        bounds: ReviewBounds,
        judging: asyncio.AbstractEventLoop,
        count: Callable[[Shed], None],
        computed: Callable[[], float] = time.thread_time,
    ) -> None:
        self._bounds = bounds
        self._judging = judging
        self._count = count
        self._computed = computed
        self._reviews = 0
        self._bytes = 0
        self._small = asyncio.Semaphore(bounds.judged)
        self._large = asyncio.Semaphore(1)

    @contextmanager
    def admit(self, length: int) -> Iterator[None]:
        """Let a review in before its body is read, until it is answered.

        Parameters
        ----------
        length
            How many bytes its body has at most.

        Raises
        ------
        OverloadedError
            Large bodies of too many bytes are held.
        """
        held = length if length >= LARGE_BYTES else 0
        if held and self._bytes + held > self._bounds.body_bytes:
            raise self._shed(Shed.BYTES, f"expected at most {self._bounds.body_bytes} bytes at a time")
        self._bytes += held
        try:
            yield
        finally:
            self._bytes -= held

    async def judge(self, review: ReviewBody, body: bytes) -> bytes:
        """Return the answer to a review.

        Parameters
        ----------
        review
            What judges it, in the other loop. What it raises is raised.
        body
            The body.

        Raises
        ------
        OverloadedError
            There are too many, it was not judged in time, or it is too much to be read.
        """
        if self._reviews >= self._bounds.reviews:
            raise self._shed(Shed.REVIEWS, f"expected at most {self._bounds.reviews} reviews at a time")
        self._reviews += 1
        try:
            return await self._judge(review, body)
        finally:
            self._reviews -= 1

    async def _judge(self, review: ReviewBody, body: bytes) -> bytes:
        is_large = len(body) >= LARGE_BYTES
        if is_large and sum(map(body.count, (b",", b"[", b"{"))) > self._bounds.values:
            raise self._shed(Shed.VALUES, f"expected at most {self._bounds.values} JSON values")
        try:
            async with asyncio.timeout(self._bounds.seconds):
                if is_large:
                    return await self._judge_large(review, body)
                async with self._small:
                    return await self._hand_over(review, body)
        except TimeoutError as error:
            message = f"the review was not judged within {self._bounds.seconds:g} s"
            raise self._shed(Shed.TIME, message) from error

    async def _judge_large(self, review: ReviewBody, body: bytes) -> bytes:
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

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), self._judging))

    def _shed(self, reason: Shed, message: str) -> OverloadedError:
        self._count(reason)
        return OverloadedError(message)
