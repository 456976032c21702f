"""A keyed work queue with deduplication, delays and backoff.

The semantics are those of client-go's rate-limited work queue: a key is never processed twice at the same
time, it is processed once however often it is added, and once more when it is added during processing. In
addition, groups of keys take turns, no group occupies all workers, and within a group low-priority keys
yield to the others (`core/fair_order.py`).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from model_operator.core.fair_order import FairOrder

Key = TypeVar("Key", bound=Hashable)

_BASE_DELAY = 0.2
_JITTER = 0.2


class Load(NamedTuple):
    """State of the queue in numbers.

    Attributes
    ----------
    waiting, active, delayed
        Keys that wait for a worker, that are being processed, and that are due later.
    failing
        Keys whose last reconcile failed.
    oldest_age, longest_active
        Seconds for which the oldest waiting key has waited, and for which the longest running reconcile has
        run; 0 without one.
    """

    waiting: int
    active: int
    delayed: int
    failing: int
    oldest_age: float
    longest_active: float


class WorkQueue(Generic[Key]):
    """Keys to reconcile.

    Parameters
    ----------
    random_source
        Source of the jitter.
    now
        Seconds from any start, for ages.
    group_of
        Group of a key, such as its namespace: groups take turns. By default all keys are in one group.
    workers
        Number of workers; one group occupies at most all but one, and a sixteenth beside others. None for no
        such bound.
    """

    def __init__(
        self,
        random_source: random.Random | None = None,
        now: Callable[[], float] = time.monotonic,
        group_of: Callable[[Key], Hashable] = lambda _: None,
        workers: int | None = None,
    ) -> None:
        self._group_of = group_of
        self._order: FairOrder[Hashable, Key] = (
            FairOrder() if workers is None else FairOrder(max(1, workers - 1), max(1, workers // 16), now)
        )
        # Start times; both dicts are in chronological order.
        self._queued: dict[Key, float] = {}
        self._active: dict[Key, float] = {}
        self._again: dict[Key, bool] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._available = asyncio.Event()
        self._is_closed = False
        self._settled = asyncio.Event()
        # Not for secrets: jitter only spreads retries.
        self._random = random_source or random.Random()  # noqa: S311
        self._now = now

    def __len__(self) -> int:
        return len(self._queued)

    def load(self) -> Load:
        """Return the state of the queue in numbers."""
        now = self._now()
        return Load(
            waiting=len(self._queued),
            active=len(self._active),
            delayed=len(self._timers),
            failing=len(self._failures),
            oldest_age=now - next(iter(self._queued.values()), now),
            longest_active=now - next(iter(self._active.values()), now),
        )

    def add(self, key: Key, delay: float = 0, *, low_priority: bool = False) -> None:
        """Enqueue a key, now or after `delay` seconds; the earliest of several times counts.

        A low-priority key yields to the others of its group, except every eighth time.
        """
        if self._is_closed:
            return
        if delay > 0:
            self._add_later(key, delay)
            return
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
            # An event came before the retry was due. If each such reconcile counted as a failure, the many
            # events of a roll-out would delay the retry by minutes.
            self._failures[key] = max(0, self._failures.get(key, 0) - 1)
        if key in self._active:
            self._again[key] = low_priority and self._again.get(key, True)
        elif key not in self._queued:
            self._queued[key] = self._now()
            self._order.add(self._group_of(key), key, low_priority=low_priority)
            self._available.set()
        elif not low_priority:
            self._order.promote(self._group_of(key), key)

    def retry(self, key: Key, limit: float) -> float:
        """Requeue a key after a failure with exponential backoff; return the delay in seconds.

        A failed reconcile does not increase the delay when an event triggered it before the retry was due, or
        when an event came during it, as the next reconcile then follows at once.

        Parameters
        ----------
        key
            The key that failed.
        limit
            Maximum delay in seconds.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures if key in self._again else failures + 1
        delay = min(_BASE_DELAY * float(2 ** min(failures, 30)), limit)
        delay *= self._random.uniform(1 - _JITTER, 1)
        self.add(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """Reset the backoff of a key."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """Return the next key; it is active until :meth:`done`."""
        while not self._order:
            self._available.clear()
            await self._available.wait()
        key = self._order.take()
        del self._queued[key]
        self._active[key] = self._now()
        return key

    def done(self, key: Key) -> None:
        """Mark a key as processed; if it was added meanwhile, requeue it."""
        if self._active.pop(key, None) is not None:
            self._order.give_back(self._group_of(key))
            if self._order:
                self._available.set()
        if not self._active:
            self._settled.set()
        if key in self._again:
            self.add(key, low_priority=self._again.pop(key))

    def close(self) -> None:
        """Drop all keys that are not active, and accept none until :meth:`open`."""
        self._is_closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._order.clear()
        for kept in (self._timers, self._failures, self._queued, self._again):
            kept.clear()

    def open(self) -> None:
        """Accept keys again after :meth:`close`."""
        self._is_closed = False

    async def settle(self) -> None:
        """Wait until no key is active."""
        while self._active:
            self._settled.clear()
            await self._settled.wait()

    def _add_later(self, key: Key, delay: float) -> None:
        if key in self._queued or key in self._again:
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= loop.time() + delay:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(delay, self._on_due, key)

    def _on_due(self, key: Key) -> None:
        del self._timers[key]
        self.add(key)
