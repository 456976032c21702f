"""Which worker answers a request: the one with the least in flight, while it can be reached.

Counts are attributes of a :class:`Worker`, which lives as long as its address is an endpoint and as long as a
request holds it. A request holds a worker for each of its attempts, by a context manager, so that no count is
looked up again, and none is left behind (vllm-project/router PR 215, llm-d #1950: counters that drift).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final

_COMPARED_AT_MOST: Final = 64
"""With more workers, two random ones are compared (Mitzenmacher, 2001: the power of two choices)."""
_FIRST_EJECTION: Final = 1.0
_LONGEST_EJECTION: Final = 30.0
"""Seconds for which a worker is set aside after it could not be reached; doubled each time."""


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint of a deployment.

    Attributes
    ----------
    host
        IP address of the pod.
    port
        Port of the container.
    pod_uid
        ``metadata.uid`` of the pod, empty if it is not known: another pod with an address that was in use is
        another worker.
    """

    host: str
    port: int
    pod_uid: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the requests in flight.

    Attributes
    ----------
    per_worker
        Requests in flight for each ready worker of a deployment; 0 means no limit.
    """

    per_worker: int = 0


class Worker:
    """One pod that answers requests.

    Attributes
    ----------
    address
        Where it listens.
    in_flight
        Number of attempts that hold it.
    """

    __slots__ = (
        "_ejected_until",
        "_failures",
        "_is_present",
        "_last_chosen",
        "_owner",
        "address",
        "in_flight",
    )

    def __init__(self, address: Address, owner: Workers) -> None:
        self.address = address
        self.in_flight = 0
        self._owner = owner
        self._is_present = True
        self._last_chosen = 0
        self._failures = 0
        self._ejected_until = 0.0

    def slot(self) -> Slot:
        """Return a context manager that holds the worker for one attempt."""
        return Slot(self)

    def _may_be_tried(self, now: float) -> bool:
        """Whether it is not set aside, or no longer and no other request tries it."""
        return not self._ejected_until or (self._ejected_until <= now and not self.in_flight)


class Slot:
    """Holds a worker; a class, as generators take three times as long."""

    __slots__ = ("_worker",)

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def __enter__(self) -> Worker:
        worker = self._worker
        worker.in_flight += 1
        worker._owner._took(worker)  # noqa: SLF001 -- one subject
        return worker

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        worker = self._worker
        worker.in_flight -= 1
        worker._owner._gave_back(worker)  # noqa: SLF001 -- one subject


class Workers:
    """The workers of one deployment.

    Parameters
    ----------
    now
        Monotonic clock, in seconds.
    limits
        How many requests they take.
    chance
        Source of the random choices.
    """

    def __init__(
        self, now: Callable[[], float], limits: Limits | None = None, chance: random.Random | None = None
    ) -> None:
        self._now = now
        self._limits = limits or Limits()
        self._chance = chance or random.Random()  # noqa: S311 -- no secret
        self._by_address: dict[Address, Worker] = {}
        self._present: Sequence[Worker] = ()
        self._in_flight = 0
        self._in_flight_of_present = 0
        self._choices = 0
        self._failing: set[Worker] = set()

    def __len__(self) -> int:
        """Return the number of ready workers."""
        return len(self._present)

    @property
    def in_flight(self) -> int:
        """Number of attempts that hold a worker, those included whose worker is no endpoint any more."""
        return self._in_flight

    @property
    def ejected(self) -> int:
        """Number of workers that are set aside now."""
        now = self._now()
        return sum(worker._ejected_until > now for worker in self._present)  # noqa: SLF001

    @property
    def is_full(self) -> bool:
        """Whether the limit of requests in flight for the ready workers is reached."""
        limit = self._limits.per_worker
        return limit > 0 and self._in_flight_of_present >= limit * len(self._present)

    def update(self, addresses: Iterable[Address]) -> None:
        """Take over the ready endpoints.

        New ones are chosen from now on. Those that are no longer ready finish what they have; an address that
        becomes ready again is a new worker.
        """
        known = self._by_address
        self._by_address = {address: known.get(address) or Worker(address, self) for address in addresses}
        for address in known.keys() - self._by_address.keys():
            worker = known[address]
            worker._is_present = False  # noqa: SLF001
            self._in_flight_of_present -= worker.in_flight
            self._failing.discard(worker)
        self._present = tuple(self._by_address.values())

    def choose(self, excluded: Collection[Worker] = ()) -> Worker | None:
        """Return the worker for one attempt, None if there is no other than the excluded ones.

        The least in flight is chosen, among equals the one that was chosen least recently. Workers that are
        set aside are chosen only if there is no other. After that time, one request tries such a worker; it
        gets others once it has answered.
        """
        candidates = self._candidates(excluded)
        if not candidates:
            return None
        if len(candidates) > _COMPARED_AT_MOST:
            candidates = self._chance.sample(candidates, 2)
        best = candidates[0]
        for worker in candidates:
            if worker.in_flight < best.in_flight or (
                worker.in_flight == best.in_flight and worker._last_chosen < best._last_chosen  # noqa: SLF001
            ):
                best = worker
        self._choices += 1
        best._last_chosen = self._choices  # noqa: SLF001
        return best

    def failed(self, worker: Worker) -> None:
        """Set a worker aside that could not be reached: for 1 s, doubled each time up to 30 s.

        The last one that is not set aside stays, and so does the time of one that is already set aside:
        requests that began together fail together.
        """
        now = self._now()
        if worker._ejected_until > now:  # noqa: SLF001
            return
        worker._failures += 1  # noqa: SLF001
        worker._ejected_until = 0.0  # noqa: SLF001
        if worker._is_present and any(  # noqa: SLF001
            other._ejected_until <= now  # noqa: SLF001
            for other in self._present
            if other is not worker
        ):
            seconds = min(_FIRST_EJECTION * 2 ** min(worker._failures - 1, 8), _LONGEST_EJECTION)  # noqa: SLF001
            worker._ejected_until = now + seconds  # noqa: SLF001
            self._failing.add(worker)

    def succeeded(self, worker: Worker) -> None:
        """Take note that a worker has answered."""
        if worker._failures:  # noqa: SLF001
            worker._failures = 0  # noqa: SLF001
            worker._ejected_until = 0.0  # noqa: SLF001
            self._failing.discard(worker)

    def _candidates(self, excluded: Collection[Worker]) -> Sequence[Worker]:
        present = self._present
        if excluded:
            present = [worker for worker in present if worker not in excluded]
        if not self._failing:
            return present
        now = self._now()
        return [worker for worker in present if worker._may_be_tried(now)] or present  # noqa: SLF001

    def _took(self, worker: Worker) -> None:
        self._in_flight += 1
        if worker._is_present:  # noqa: SLF001
            self._in_flight_of_present += 1

    def _gave_back(self, worker: Worker) -> None:
        self._in_flight -= 1
        if worker._is_present:  # noqa: SLF001
            self._in_flight_of_present -= 1
