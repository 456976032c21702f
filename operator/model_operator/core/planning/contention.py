"""How often a contested child is corrected: at once, then with growing pauses.

Two managers that undo each other's writes would otherwise write without end, many times per second. So the
first drift of a child is corrected at once, as a user's slip is. Each further drift of the same desired
object is corrected only after a pause since the last correction: one second, then twice as long each time,
up to five minutes. A change of the desired object is no correction, and never waits. After ten minutes
without a correction the child is no longer contested.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST_PAUSE_SECONDS = 1.0
"""Pause before the second correction in a row."""
LONGEST_PAUSE_SECONDS = 300.0
PEACE_SECONDS = 600.0
"""Time without a correction after which the next drift is a first one again: beyond the longest pause."""
SETTLED_SECONDS = 10.0
"""Time without drift after which a contested child is no longer contested."""
_CONTESTED_CORRECTIONS = 3
"""Corrections in a row from which on a child is contested, even where none of them had to wait."""


@dataclass(frozen=True, slots=True)
class Contention:
    """The recent writes of one child.

    Attributes
    ----------
    wanted
        Hash of the object as it was applied last.
    written_at
        When that was, in seconds from any start.
    corrections
        How many times in a row the same object was applied again since it was first, because it had drifted.
    has_waited
        Whether one of these had to wait.
    """

    wanted: str
    written_at: float
    corrections: int = 0
    has_waited: bool = False


def pause_after(corrections: int) -> float:
    """Return the seconds from the last correction in a row to the next, given how many there were."""
    if corrections <= 0:
        return 0.0
    return min(FIRST_PAUSE_SECONDS * float(2 ** min(corrections - 1, 30)), LONGEST_PAUSE_SECONDS)


def wait_before(known: Contention | None, wanted: str, now: float) -> float:
    """Return the seconds until a child that is not as wanted may be written; 0 when that is now.

    Parameters
    ----------
    known
        What was written of it lately; None for nothing.
    wanted
        Hash of the object that is wanted.
    now
        The present, in seconds from the same start.
    """
    if known is None or known.wanted != wanted or is_peaceful(known, now):
        return 0.0
    return max(0.0, known.written_at + pause_after(known.corrections) - now)


def written(known: Contention | None, wanted: str, now: float, *, is_drift: bool) -> Contention:
    """Return what is known of a child after it was written.

    Parameters
    ----------
    known, wanted, now
        As for :func:`wait_before`.
    is_drift
        Whether the child says of itself that this very object was applied before, by an earlier process for
        example; where `known` does, that is not needed.
    """
    if known is None or known.wanted != wanted or is_peaceful(known, now):
        return Contention(wanted, now, corrections=int(is_drift))
    return Contention(wanted, now, known.corrections + 1, known.has_waited)


def held(known: Contention) -> Contention:
    """Return what is known of a child that has drifted and has to wait."""
    return known if known.has_waited else replace(known, has_waited=True)


def contested_for(known: Contention | None, wanted: str, now: float) -> float:
    """Return the seconds for which a child that is as wanted still counts as contested; 0 when it does not.

    Another manager usually changes it back at once: without this time the status would flap.
    """
    if known is None or known.wanted != wanted:
        return 0.0
    if not (known.has_waited or known.corrections >= _CONTESTED_CORRECTIONS):
        return 0.0
    return max(0.0, known.written_at + SETTLED_SECONDS - now)


def is_peaceful(known: Contention, now: float) -> bool:
    """Return whether the last correction is so long ago that it no longer counts."""
    return now - known.written_at >= PEACE_SECONDS
