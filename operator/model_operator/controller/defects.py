"""Rate-limited logging of defects that a client can trigger at will: once a minute per code location."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog

log = structlog.get_logger(__name__)

_PERIOD_SECONDS = 60.0

_Place = tuple[str, int, str]


class DefectLog:
    """Logs unexpected exceptions with their traceback, at most once a minute per code location.

    A location is the file and line that raised, with the exception's type. The code has a fixed number of
    them, so the memory is bounded however often this is called.

    Parameters
    ----------
    now
        Seconds from any start.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._logged: dict[_Place, float] = {}
        self._suppressed: dict[_Place, int] = {}

    def report(self, event: str, error: Exception, **fields: Any) -> None:
        """Log a defect; if its location was logged within the last minute, count it for the next line.

        Parameters
        ----------
        event, fields
            The log line.
        error
            The exception.
        """
        place, now = _place_of(error), self._now()
        last = self._logged.get(place)
        if last is not None and now - last < _PERIOD_SECONDS:
            self._suppressed[place] = self._suppressed.get(place, 0) + 1
            return
        self._logged[place] = now
        suppressed = self._suppressed.pop(place, 0)
        log.error(event, exc_info=error, suppressed=suppressed, **fields)


def _place_of(error: Exception) -> _Place:
    kind, traceback = type(error).__qualname__, error.__traceback__
    if traceback is None:
        return "", 0, kind
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename, traceback.tb_lineno, kind
