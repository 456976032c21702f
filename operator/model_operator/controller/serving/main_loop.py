"""Calls into the main event loop from the loop of a port, which must not wait for a busy main loop."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class LoopStuckError(Exception):
    """The main loop does not respond."""


class MainLoopQuery(Generic[Answer]):
    """The result of a function that must be called in the main loop.

    All callers share one call at a time. While the main loop is busy, they get the last result. The age of a
    call without a result shows that the loop is stuck.

    Parameters
    ----------
    loop
        The main loop.
    function
        A short function that does not block.
    timeout
        Seconds to wait for a current result.
    fresh
        Seconds for which a result is reused, since a call takes time of the main loop.
    stuck_after
        Seconds without a result after which the loop counts as stuck: far longer than any step of it.
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
        """Return the current result of the function, or the last one while the loop is busy.

        Raises
        ------
        LoopStuckError
            There is no result yet, or the loop is stuck.
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
                f"the event loop has been blocked for {self._clock() - self._asked_at:.0f} s"
            )
        if self._last is None:
            raise LoopStuckError("the event loop has not responded yet")
        return self._last.result()

    def _note(self, question: asyncio.Task[Answer]) -> None:
        """Keep a result, also when no caller waits for it any more."""
        if not question.cancelled():
            self._last, self._answered_at = question, self._clock()

    async def _ask(self) -> Answer:
        answer: Future[Answer] = Future()

        def call() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(self._function())
                except Exception as error:  # noqa: BLE001 -- it is raised where the result is awaited
                    answer.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return await asyncio.wrap_future(answer)
