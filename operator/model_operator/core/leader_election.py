"""Leader election by a Lease: the next step of a replica, and the time until which the leader may write.

The rule is client-go's. No replica compares the times in the record with its own clock. A replica measures on
its own monotonic clock how long the record has not changed, and takes the Lease over after the duration that
the holder wrote. Wrong clocks therefore do not matter; clocks that run at different speeds would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

_RELEASED_SECONDS = 1
"""``leaseDurationSeconds`` of a released Lease; the API server requires a value above zero."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The durations of leader election, in seconds.

    Attributes
    ----------
    duration
        Time without a renewal after which another replica takes the Lease over.
    renew_deadline
        Time after its last renewal at which the leader stops writing.
    retry_period
        Time between two renewals, and between two reads of a waiting replica.
    """

    duration: int
    renew_deadline: float
    retry_period: float


@dataclass(frozen=True, slots=True)
class Observation:
    """The record of the Lease, and the time of its first observation.

    Attributes
    ----------
    spec
        ``spec`` of the Lease; None if the Lease does not exist.
    since
        Time of the first observation of this record, on our clock.
    reserved_until
        Time, on our clock, until which the holder may still consider itself the leader.
    """

    spec: Mapping[str, Any] | None
    since: float
    reserved_until: float

    @property
    def holder(self) -> str:
        """Identity of the holder; empty if the Lease is free."""
        return str((self.spec or {}).get("holderIdentity") or "")


class Step(Enum):
    """What a replica does next."""

    ACQUIRE = auto()
    """Write our identity into the record."""
    RENEW = auto()
    """Write a new time into the record, which has our identity."""
    WAIT = auto()
    """Wait, then read the Lease again."""
    LOST = auto()
    """Exit: we held the Lease, and another replica may hold it now."""


def observe(before: Observation | None, spec: Mapping[str, Any] | None, now: float) -> Observation:
    """Return the observation after a read of the Lease.

    Parameters
    ----------
    before
        The previous observation; None at the first read.
    spec
        ``spec`` of the Lease on the API server; None if the Lease does not exist.
    now
        The time on our clock, taken after the response.
    """
    if before is not None and before.spec == spec:
        return before
    if spec is None:
        # The Lease was deleted. Its holder does not know that yet, and is the one that creates it again.
        return Observation(None, now, before.reserved_until if before else now)
    holds = spec.get("leaseDurationSeconds") or 0
    return Observation(spec, now, now + holds if spec.get("holderIdentity") else now)


def next_step(identity: str, seen: Observation, renewed_at: float | None, timing: Timing, now: float) -> Step:
    """Return the next step after a read of the Lease.

    Parameters
    ----------
    identity
        Our identity.
    seen
        The current observation of the Lease.
    renewed_at
        Start of our last successful write, on our clock; None if we do not hold the Lease.
    timing
        The durations of leader election.
    now
        The time on our clock.
    """
    if renewed_at is not None:
        is_in_time = now < may_write_until(renewed_at, timing)
        return Step.RENEW if is_in_time and seen.holder in (identity, "") else Step.LOST
    # Our identity from an earlier write whose response was lost.
    if seen.holder == identity or now >= seen.reserved_until:
        return Step.ACQUIRE
    return Step.WAIT


def may_write_until(renewed_at: float, timing: Timing) -> float:
    """Return the time by which every write of the leader must have ended.

    Parameters
    ----------
    renewed_at
        Start of the last successful renewal. The API server recorded it later, and the other replicas saw it
        later still.
    timing
        The durations of leader election.
    """
    return renewed_at + timing.renew_deadline


def held(seen: Observation, identity: str, time: str, timing: Timing) -> dict[str, Any]:
    """Return the ``spec`` with which we hold the Lease.

    Parameters
    ----------
    seen
        The current observation of the Lease; its other fields are kept.
    identity
        Our identity.
    time
        The wall-clock time, for people.
    timing
        The durations of leader election.
    """
    before = dict(seen.spec or {})
    spec = {
        **before,
        "holderIdentity": identity,
        "leaseDurationSeconds": timing.duration,
        "renewTime": time,
    }
    if seen.holder != identity:
        spec["acquireTime"] = time
        spec["leaseTransitions"] = (before.get("leaseTransitions") or 0) + (1 if before else 0)
    return spec


def released(seen: Observation, time: str) -> dict[str, Any]:
    """Return the ``spec`` of a free Lease; see :func:`held`."""
    return {
        **(seen.spec or {}),
        "holderIdentity": "",
        "leaseDurationSeconds": _RELEASED_SECONDS,
        "renewTime": time,
    }
