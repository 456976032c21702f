"""How long the gateway keeps what the API server has answered: bounds of time, number and rate.

Lifetimes follow the delegated authenticators and authorizers of Kubernetes (``k8s.io/apiserver``). All times
are seconds of a monotonic clock that the caller passes in.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")
Now = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long an answer counts.

    Attributes
    ----------
    allowed, denied
        Seconds for which an answer is used without asking again.
    grace
        Seconds after which an allowing answer ends for good, while the API server does not respond.
    """

    allowed: float
    denied: float
    grace: float


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """One answer of the API server.

    Attributes
    ----------
    value
        What it said.
    fresh_until, grace_until
        Until when it is used without asking again, and while the API server does not respond.
    is_allowed
        Whether it allowed something.
    """

    value: Value
    fresh_until: float
    grace_until: float
    is_allowed: bool


class Answers(Generic[Value]):
    """The answers to one kind of question, the least recently used dropped first.

    Parameters
    ----------
    lifetimes
        How long they count.
    capacity
        Number of answers, at most.
    now
        The clock.
    """

    def __init__(self, lifetimes: Lifetimes, capacity: int, now: Now) -> None:
        self._lifetimes = lifetimes
        self._capacity = capacity
        self._now = now
        self._kept: OrderedDict[bytes, Answer[Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def fresh(self, question: bytes) -> Answer[Value] | None:
        """Return the answer that is used without asking again."""
        answer = self._kept.get(question)
        if answer is None:
            return None
        self._kept.move_to_end(question)
        return answer if self._now() < answer.fresh_until else None

    def in_grace(self, question: bytes) -> Answer[Value] | None:
        """Return the allowing answer that is used while the API server does not respond."""
        answer = self._kept.get(question)
        return answer if answer is not None and self._now() < answer.grace_until else None

    def was_allowed(self, question: bytes) -> bool:
        """Return whether the last answer, however old, allowed something."""
        answer = self._kept.get(question)
        return answer is not None and answer.is_allowed

    def keep(
        self, question: bytes, value: Value, *, is_allowed: bool, ends: float = math.inf
    ) -> Answer[Value]:
        """Keep an answer that was just given, and return it.

        Parameters
        ----------
        question, value, is_allowed
            The answer.
        ends
            When what it is about ends; it counts no longer than that.
        """
        now, times = self._now(), self._lifetimes
        answer = Answer(
            value,
            min(now + (times.allowed if is_allowed else times.denied), ends),
            min(now + times.grace, ends) if is_allowed else -math.inf,
            is_allowed,
        )
        self._kept[question] = answer
        self._kept.move_to_end(question)
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return answer


class TokenBucket:
    """A limit of a rate.

    Parameters
    ----------
    rate
        Number a second in the long run.
    burst
        Number at once after a pause.
    now
        The clock.
    """

    def __init__(self, rate: float, burst: float, now: Now) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._left = burst
        self._at = now()

    def take(self) -> bool:
        """Return whether one more is within the limit, and count it if so."""
        now = self._now()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Outage:
    """Whether the API server responds; while it does not, one request a pause finds out if it does again.

    Parameters
    ----------
    pause
        Seconds between two attempts.
    now
        The clock.
    """

    def __init__(self, pause: float, now: Now) -> None:
        self._pause = pause
        self._now = now
        self._next = -math.inf
        self.is_on = False

    def failed(self) -> bool:
        """Note that a request had no response; return whether that is new."""
        is_new = not self.is_on
        self.is_on = True
        self._next = self._now() + self._pause
        return is_new

    def succeeded(self) -> bool:
        """Note that a request had a response; return whether an outage is over."""
        was_on = self.is_on
        self.is_on = False
        return was_on

    def may_try(self) -> bool:
        """Return whether an attempt is due, and count it if so."""
        if self._now() < self._next:
            return False
        self._next = self._now() + self._pause
        return True
