"""How often the status of a template is written while its roll-out goes on in steps: once a second.

A decision follows each change of an instance at once, and many follow each other quickly. Of their reports
the last one counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from model_operator.controller.reconcile.rollout_courses import Decision

SECONDS: Final = 1.0
"""Shortest time between two statuses that differ by the progress of a roll-out."""
_URGENT: Final = ("observedGeneration", "latest_revision")
"""Fields that answer an edit."""


class StatusPace:
    """The times at which the statuses of templates were written.

    Parameters
    ----------
    clock
        Seconds from any start, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written: dict[str, float] = {}

    def wait(self, uid: str, patch: Mapping[str, Any], decision: Decision | None) -> float:
        """Return the seconds until a status may be written; 0 for now.

        Parameters
        ----------
        uid
            The template.
        patch
            What changes in its status; empty for nothing.
        decision
            The decision of its roll-out; None without one.
        """
        if not patch or decision is None or not decision.course.is_stepped:
            return 0
        if any(name in patch for name in _URGENT):
            return 0
        return max(0.0, self._written.get(uid, -SECONDS) + SECONDS - self._clock())

    def was_written(self, uid: str) -> None:
        """Note that the status of a template has been written."""
        self._written[uid] = self._clock()

    def forget(self, uid: str) -> None:
        """Drop what is known of a deleted template."""
        self._written.pop(uid, None)
