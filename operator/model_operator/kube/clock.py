"""The time, and how Kubernetes writes it."""

from __future__ import annotations

import datetime
from collections.abc import Callable

Clock = Callable[[], datetime.datetime]
"""Returns the current time, timezone-aware; tests pass their own."""


def utc_now() -> datetime.datetime:
    """Return the time in UTC."""
    return datetime.datetime.now(datetime.UTC)


def rfc3339(time: datetime.datetime) -> str:
    """Format a time in UTC as Kubernetes does, in whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_time(time: datetime.datetime) -> str:
    """Format a time in UTC as a Kubernetes MicroTime."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
