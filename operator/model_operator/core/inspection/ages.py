"""Times as kubectl writes and reads them: ages such as ``5m30s``, durations such as ``1h30m``."""

from __future__ import annotations

import datetime
import re
from typing import Final

from model_operator.core.diagnosis.pod_events import moment

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_YEAR: Final = 365 * _DAY
_STEPS: Final = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)
"""Below how many seconds an age is written in which unit, and with which smaller unit."""
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": _MINUTE, "h": _HOUR}


def age(since: str | None, now: datetime.datetime) -> str:
    """Return the time since a moment as ``kubectl get`` prints it.

    Parameters
    ----------
    since
        The moment, as Kubernetes writes it; None if the object has none.
    now
        The current time.
    """
    if not since:
        return "<unknown>"
    # The clocks of two machines differ.
    seconds = max(int((now - moment(since)).total_seconds()), 0)
    for limit, unit, name, small, small_name in _STEPS:
        if seconds < limit:
            rest = seconds % unit // small if small else 0
            return f"{seconds // unit}{name}" + (f"{rest}{small_name}" if rest else "")
    return f"{seconds // _YEAR}y"


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as ``90s``, ``5m`` or ``1h30m``; ``0`` needs no unit.

    durationpy, a dependency of the package kubernetes, accepts what kubectl refuses: ``-5s``, ``5d``,
    ``1mm`` for a month, and ``1h,,30m``.

    Raises
    ------
    ValueError
        When the text is no duration.
    """
    if text == "0":
        return 0.0
    if not re.fullmatch(rf"(?:{_PART.pattern})+", text):
        raise ValueError(f"must be a duration such as 90s, 5m or 1h30m, got {text!r}")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
