"""An event loop whose time passes only when there is nothing else to do: hours of waiting take no time."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class _Selector(selectors.SelectSelector):
    """Moves the clock on, instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("everything waits for something that will never happen")
        if not ready:
            self.now += max(timeout or 0, 0)
        return ready


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop that begins at time 0."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Return the seconds that have passed in this world."""
        return self._clock.now


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main)


def in_virtual_time(
    test: Callable[Parameters, Coroutine[Any, Any, Result]],
) -> Callable[Parameters, Result]:
    """Have a test that is a coroutine run in virtual time."""

    @functools.wraps(test)
    def run_it(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        return run(test(*arguments, **named))

    return run_it
