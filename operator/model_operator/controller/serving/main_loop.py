"""Asking the loop that works from the loop that answers probes, which must not wait for it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class LoopStuckError(Exception):
    """The loop that was asked does not run."""


class MainLoopQuery(Generic[Answer]):
    """What a function says that may be called in another loop only.

    One question is under way at a time, however many want to know. When the loop is busy, its last answer
    is given. That it is stuck is known by the age of a question without an answer.

    Parameters
    ----------
    loop
        Where to call the function.
    function
        Short, and does not wait.
    timeout
        Seconds to wait for an answer as it is now.
    fresh
        Seconds for which an answer serves those who want to know: asking takes time of the loop.
    stuck_after
        Seconds without an answer after which the loop counts as stuck: far longer than anything that it does.
    clock
        Seconds from any start, never going back.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        function: Callable[[], Answer],
        *,
        timeout: float,
        stuck_after: float,
        fresh: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = loop
        self._function = function
        self._timeout = timeout
        self._stuck_after = stuck_after
        self._fresh = fresh
        self._clock = clock
        self._last: asyncio.Task[Answer] | None = None
        self._answered_at = -math.inf
        self._question: asyncio.Task[Answer] | None = None
        self._asked_at = 0.0

    async def now(self) -> Answer:
        """Return what the function says, or has said last.

        Raises
        ------
        LoopStuckError
            There is no answer, or the loop is stuck.
        """
        if self._last is not None and self._clock() - self._answered_at < self._fresh:
            return self._last.result()
        question = self._question
        if question is None or question.done():
            question = self._question = asyncio.create_task(self._ask())
            question.add_done_callback(self._note)
            self._asked_at = self._clock()
        await asyncio.wait([question], timeout=self._timeout)
        if not question.done() and self._clock() - self._asked_at > self._stuck_after:
            raise LoopStuckError(
                f"the event loop has done nothing for {self._clock() - self._asked_at:.0f} s"
            )
        if self._last is None:
            raise LoopStuckError("the event loop has not answered yet")
        return self._last.result()

    def _note(self, question: asyncio.Task[Answer]) -> None:
        """Keep an answer, when nobody waits for it any more, too."""
        if not question.cancelled():
            self._last, self._answered_at = question, self._clock()

    async def _ask(self) -> Answer:
        answer: Future[Answer] = Future()

        def call() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(self._function())
                except Exception as error:  # noqa: BLE001 -- it is raised where the answer is waited for
                    answer.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return await asyncio.wrap_future(answer)
