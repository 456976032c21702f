"""The faults that happen to requests, and the seeded choice of which request meets which."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Fault(StrEnum):
    """What happens to one request, or to one watch."""

    REFUSED_409 = "409"
    """A conflict that is none: the request is not passed on. A deletion never meets it: it names the uid that
    is to go, so there a conflict says that the object is another one."""
    EXPIRED_410 = "410 on a list"
    BUSY_429 = "429 with Retry-After"
    FAILED_500 = "500 before"
    FAILED_500_AFTER = "500 after it took effect"
    LATE_504 = "504 before"
    LATE_504_AFTER = "504 after it took effect"
    CUT = "cut before"
    CUT_AFTER = "cut after it took effect"
    STALLED = "stalled"
    """Passed on, and never answered."""
    SLOW = "slow"
    WATCH_CUT = "watch cut in mid-object"
    WATCH_TRUNCATED = "watch ended in mid-object, as if it were complete"
    WATCH_STALLED = "watch stalled, then cut"
    WATCH_SLOW = "watch in drips"
    WATCH_EXPIRED = "410 on a watch"


ON_WATCHES = frozenset(fault for fault in Fault if "watch" in fault.value)
ON_WRITES = frozenset({Fault.REFUSED_409, Fault.FAILED_500_AFTER, Fault.LATE_504_AFTER, Fault.CUT_AFTER})


@dataclass(frozen=True)
class Request:
    """What the choice depends on.

    Attributes
    ----------
    method, path
        As in the request line, without the part after ``?``.
    is_watch, is_list
        Whether it is a watch, or a list.
    """

    method: str
    path: str
    is_watch: bool = False
    is_list: bool = False

    def meets(self, fault: Fault) -> bool:
        """Whether the fault can happen to such a request."""
        if self.is_watch or fault in ON_WATCHES:
            return self.is_watch and fault in ON_WATCHES
        if fault is Fault.EXPIRED_410:
            return self.is_list
        if fault is Fault.REFUSED_409 and self.method == "DELETE":
            return False
        return fault not in ON_WRITES or self.method in WRITES


@dataclass
class Choice:
    """Faults by their rates, the same for the same seed.

    Each request has its own source of chance, named after method, path and how often that came before. So a
    request meets the same fault in each run with the seed, in whatever order requests arrive.

    Attributes
    ----------
    seed
        Where all chance comes from.
    rates
        For each fault the share of the requests that meet it, of those that can.
    counts
        How often each has been chosen.
    """

    seed: str
    rates: Mapping[Fault, float]
    counts: Counter[Fault] = field(default_factory=Counter)
    _seen: Counter[Request] = field(default_factory=Counter)

    def of(self, request: Request) -> tuple[Fault | None, random.Random]:
        """Choose for a request; the source of chance is for the fault's own measures."""
        self._seen[request] += 1
        source = random.Random(f"{self.seed}|{request.method} {request.path}|{self._seen[request]}")
        point = source.random()
        for fault in self._in_order(request):
            point -= self.rates[fault]
            if point < 0:
                self.counts[fault] += 1
                return fault, source
        return None, source

    def _in_order(self, request: Request) -> Iterable[Fault]:
        return (fault for fault in Fault if fault in self.rates and request.meets(fault))
