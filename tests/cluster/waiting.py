"""Waiting for something to become true, with an answer to "what was it instead" when it does not."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

POLL_SECONDS = 0.1
MAX_PATIENCE = 4.0


def patience() -> float:
    """Return by how much deadlines are longer now than on an idle machine: from 1 to `MAX_PATIENCE`.

    It is the number of processes that wait for each processor, by the load average of a minute.
    """
    return min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), MAX_PATIENCE)


def wait_for(check: Callable[[], T | None], deadline: float = 30.0, message: str = "") -> T:
    """Call `check` until it gives something true, and give that.

    Parameters
    ----------
    check
        Gives a true value when done. An `AssertionError` or a `LookupError` in it counts as "not yet",
        so it may use `assert`, and look for what is not there yet.
    deadline
        In seconds on an idle machine; see `patience`.
    message
        What was expected, for the failure.

    Raises
    ------
    AssertionError
        When `deadline` has passed; with `message` and the last value, or from the last failed assertion.
    """
    __tracebackhide__ = True
    begin = time.monotonic()
    while True:
        try:
            value = check()
        except (AssertionError, LookupError) as error:
            seen = f"the last try: {error}"
        else:
            if value:
                return value
            seen = f"the last value: {value!r}"
        if time.monotonic() > begin + deadline * patience():
            raise AssertionError(f"not within {deadline:g} s: {message or check.__name__}; {seen}")
        time.sleep(POLL_SECONDS)
