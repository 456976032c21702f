"""Leader election by a Lease: what to do next, and until when one may write.

The rule is client-go's. Nobody compares the times in the record with a clock of its own: a replica notes on
its own monotonic clock when it has seen the record change, and takes the Lease over when it has not changed
for as long as its holder said. So wrong clocks do not matter; clocks that run at different speeds would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

_RELEASED_SECONDS = 1
"""Duration in the record of a released Lease: the API server wants one above zero."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take, in seconds.

    Attributes
    ----------
    duration
        Time without a renewal after which others take the Lease over.
    renew_deadline
        Time after a renewal after which its holder writes nothing more.
    retry_period
        Time between two renewals, and between two looks of those who wait.
    """

    duration: int
    renew_deadline: float
    retry_period: float


@dataclass(frozen=True, slots=True)
class Observation:
    """The record of the Lease, and since when it is known.

    Attributes
    ----------
    spec
        ``spec`` of the Lease; None when there is none.
    since
        When this record was first seen, on our clock.
    reserved_until
        Until when its holder, on our clock, may still believe to hold it.
    """

    spec: Mapping[str, Any] | None
    since: float
    reserved_until: float

    @property
    def holder(self) -> str:
        """Who holds the Lease; empty for nobody."""
        return str((self.spec or {}).get("holderIdentity") or "")


class Step(Enum):
    """What a replica does next."""

    ACQUIRE = auto()
    """Write our name into the record."""
    RENEW = auto()
    """Write a new time into the record, which has our name."""
    WAIT = auto()
    """Look again later."""
    LOST = auto()
    """End: we held it, and somebody else may."""


def observe(before: Observation | None, spec: Mapping[str, Any] | None, now: float) -> Observation:
    """Return what is known after a look.

    Parameters
    ----------
    before
        What was known; None at the first look.
    spec
        ``spec`` of the Lease as the API server has it; None when there is none.
    now
        The time of the look, taken after its answer.
    """
    if before is not None and before.spec == spec:
        return before
    if spec is None:
        # Somebody has deleted it; its holder does not know that yet, and is the one to make it again.
        return Observation(None, now, before.reserved_until if before else now)
    holds = spec.get("leaseDurationSeconds") or 0
    return Observation(spec, now, now + holds if spec.get("holderIdentity") else now)


def next_step(identity: str, seen: Observation, renewed_at: float | None, timing: Timing, now: float) -> Step:
    """Return what to do after a look.

    Parameters
    ----------
    identity
        Our name.
    seen
        What is known of the Lease.
    renewed_at
        When the last write of ours was begun that succeeded; None when we do not hold the Lease.
    timing
        The times to keep.
    now
        The time.
    """
    if renewed_at is not None:
        is_in_time = now < may_write_until(renewed_at, timing)
        return Step.RENEW if is_in_time and seen.holder in (identity, "") else Step.LOST
    # Our name from before: a write whose answer was lost.
    if seen.holder == identity or now >= seen.reserved_until:
        return Step.ACQUIRE
    return Step.WAIT


def may_write_until(renewed_at: float, timing: Timing) -> float:
    """Return by when everything that the holder writes has to be over.

    Parameters
    ----------
    renewed_at
        When the last successful renewal was begun: the API server has recorded it later, and others have seen
        it later still.
    timing
        The times to keep.
    """
    return renewed_at + timing.renew_deadline


def held(seen: Observation, identity: str, time: str, timing: Timing) -> dict[str, Any]:
    """Return ``spec`` of the Lease when it is ours.

    Parameters
    ----------
    seen
        What is known of the Lease; other fields stay.
    identity
        Our name.
    time
        The time of day, for people.
    timing
        The times to keep.
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
    """Return ``spec`` of the Lease when it is nobody's; see :func:`held`."""
    return {
        **(seen.spec or {}),
        "holderIdentity": "",
        "leaseDurationSeconds": _RELEASED_SECONDS,
        "renewTime": time,
    }
