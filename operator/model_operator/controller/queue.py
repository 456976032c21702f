"""What to look at next: a keyed work queue with deduplication, delays and backoff.

The semantics are those of client-go's rate-limited work queue: a key is never worked on twice at the
same time, however often it is added it is worked on once, and when it is added while it is worked on
it is worked on once more afterwards. Beyond that, groups of keys take turns, one of them never holds all
workers, and keys that can wait let those of their group go first that cannot (`core/fair_order.py`).
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
    """How much there is to do.

    Attributes
    ----------
    waiting, active, delayed
        Keys that wait for a worker, that are worked on, and whose time has not come.
    failing
        Keys whose last look failed.
    oldest_age, longest_active
        Seconds for which the key that came first has waited, and for which the one that is worked on longest
        has been; 0 when there is none.
    """

    waiting: int
    active: int
    delayed: int
    failing: int
    oldest_age: float
    longest_active: float


class WorkQueue(Generic[Key]):
    """Keys that need a look.

    Parameters
    ----------
    random_source
        Where jitter comes from.
    now
        Seconds from any start, for ages.
    group_of
        Whom a key is for, such as its namespace: groups take turns. All keys are of one group by default.
    workers
        How many work at the same time; all but one of them may work for one group. None for no such bound.
    """

    def __init__(
        self,
        random_source: random.Random | None = None,
        now: Callable[[], float] = time.monotonic,
        group_of: Callable[[Key], Hashable] = lambda _: None,
        workers: int | None = None,
    ) -> None:
        self._group_of = group_of
        self._order: FairOrder[Hashable, Key] = FairOrder(None if workers is None else max(1, workers - 1))
        # Since when; both are in the order of time.
        self._queued: dict[Key, float] = {}
        self._active: dict[Key, float] = {}
        self._again: dict[Key, bool] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._available = asyncio.Event()
        self._is_closed = False
        self._settled = asyncio.Event()
        # Not for secrets: jitter only keeps retries from coming in step.
        self._random = random_source or random.Random()  # noqa: S311
        self._now = now

    def __len__(self) -> int:
        return len(self._queued)

    def load(self) -> Load:
        """Return how much there is to do."""
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
        """Have a key worked on, now or after some seconds; the earliest of several times counts.

        A patient one lets the others of its group go first, all but every eighth.
        """
        if self._is_closed:
            return
        if delay > 0:
            self._add_later(key, delay)
            return
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
            # News came before the retry was due. Did each look at them count as a failure, the many events
            # of a roll-out would put off by minutes what heals without an event.
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
        """Add a key after a failure, each time in a row after twice the time; return the seconds.

        A failure of a look that news asked for, before the retry was due, does not make the time longer; nor
        does one of a look during which news came, as the next follows at once.

        Parameters
        ----------
        key
            The key that failed.
        limit
            Longest time to wait, in seconds.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures if key in self._again else failures + 1
        delay = min(_BASE_DELAY * float(2 ** min(failures, 30)), limit)
        delay *= self._random.uniform(1 - _JITTER, 1)
        self.add(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """Forget the failures of a key: the next one starts the backoff anew."""
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
        """Say that a key's work is over; if it was added meanwhile, it comes again."""
        if self._active.pop(key, None) is not None:
            self._order.give_back(self._group_of(key))
            if self._order:
                self._available.set()
        if not self._active:
            self._settled.set()
        if key in self._again:
            self.add(key, low_priority=self._again.pop(key))

    def close(self) -> None:
        """Drop all keys but those that are worked on, and take no more until :meth:`open`."""
        self._is_closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._order.clear()
        for kept in (self._timers, self._failures, self._queued, self._again):
            kept.clear()

    def open(self) -> None:
        """Take keys again, after :meth:`close`."""
        self._is_closed = False

    async def settle(self) -> None:
        """Wait until no key is worked on."""
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
