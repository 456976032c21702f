"""Since when each object that is not Ready has been as it is, and how much of its grace period remains."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from model_operator.core.status.grace import Since, Standing, observe

SECONDS = 10.0
"""Default length of the grace period."""


class GracePeriods:
    """The grace periods of the objects of one reconciler.

    Parameters
    ----------
    seconds
        Length of a grace period.
    clock
        Seconds from any start, never going back.
    """

    def __init__(self, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since: dict[Hashable, Since] = {}

    def remaining(self, key: Hashable, standing: Standing, status: Mapping[str, Any]) -> float:
        """Return the seconds until the grace period of an object ends; 0 when it has ended.

        Parameters
        ----------
        key
            The object.
        standing
            What its next status is computed from.
        status
            ``status`` as the API server has it.
        """
        now = self._clock()
        since = observe(self._since.get(key), standing, status, now)
        self._since[key] = since
        return since.remaining(self._seconds, now)

    def forget(self, key: Hashable) -> None:
        """Drop what is known of an object that is Ready or gone."""
        self._since.pop(key, None)
