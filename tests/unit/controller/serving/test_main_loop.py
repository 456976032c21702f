"""What another loop says, with its last answer where it is busy, and an error where it is stuck."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from model_operator.controller.serving.main_loop import LoopStuckError, MainLoopQuery


class Clock:
    """A time that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Busy:
    """A loop that takes up what it is asked to when the test lets it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.is_busy = False
        self._calls: list[tuple[Any, Any]] = []

    def call_soon_threadsafe(self, callback: Any, *arguments: Any, context: Any = None) -> None:
        if self.is_busy:
            self._calls.append((callback, arguments))
        else:
            self._loop.call_soon(callback, *arguments, context=context)

    def go_on(self) -> None:
        self.is_busy = False
        for callback, arguments in self._calls:
            self._loop.call_soon(callback, *arguments)
        self._calls.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def _asked(function: Any, clock: Clock, **changed: float) -> tuple[MainLoopQuery[Any], Any]:
    busy: Any = Busy(asyncio.get_running_loop())
    return MainLoopQuery(busy, function, clock=clock, **{"timeout": 0.3, "stuck_after": 30, **changed}), busy


async def test_an_idle_loop_says_how_it_is_now() -> None:
    answers = iter(["first", "second"])
    asked, _ = _asked(lambda: next(answers), Clock(), timeout=5)
    assert [await asked.now(), await asked.now()] == ["first", "second"]


async def test_a_fresh_answer_serves_all() -> None:
    clock, calls = Clock(), []
    asked, _ = _asked(lambda: calls.append(1), clock, timeout=5, fresh=1)
    for _ in range(3):
        await asked.now()
    assert len(calls) == 1
    clock.now += 1
    await asked.now()
    assert len(calls) == 2


async def test_a_busy_loop_s_last_answer_is_given_and_it_is_asked_once() -> None:
    numbers = iter(range(1, 10))
    asked, busy = _asked(lambda: next(numbers), Clock())
    assert await asked.now() == 1
    busy.is_busy = True
    assert [await asked.now() for _ in range(3)] == [1, 1, 1]
    busy.go_on()
    assert await asked.now() == 2


async def test_an_answer_that_comes_late_is_the_last_one() -> None:
    asked, busy = _asked(lambda: "fine", Clock())
    busy.is_busy = True
    with pytest.raises(LoopStuckError):
        await asked.now()
    busy.go_on()
    await asyncio.sleep(0.01)
    busy.is_busy = True
    assert await asked.now() == "fine"


async def test_a_loop_that_never_answered_has_no_last_answer() -> None:
    asked, busy = _asked(lambda: None, Clock())
    busy.is_busy = True
    with pytest.raises(LoopStuckError, match="has not responded yet"):
        await asked.now()
    busy.go_on()
    assert await asked.now() is None


@pytest.mark.parametrize(("age", "is_stuck"), [(30.0, False), (30.1, True)])
async def test_a_loop_is_stuck_by_the_age_of_the_question(age: float, is_stuck: bool) -> None:
    clock = Clock()
    asked, busy = _asked(lambda: "fine", clock)
    assert await asked.now() == "fine"
    # Nobody having wanted to know for long says nothing about it.
    clock.now += 1000
    busy.is_busy = True
    assert await asked.now() == "fine"
    clock.now += age
    if is_stuck:
        with pytest.raises(LoopStuckError, match="has been blocked for 30 s"):
            await asked.now()
    else:
        assert await asked.now() == "fine"
    busy.go_on()
    assert await asked.now() == "fine"


async def test_what_the_function_raises_is_raised_each_time() -> None:
    def fail() -> None:
        raise LookupError("broken")

    asked, _ = _asked(fail, Clock(), timeout=5)
    for _ in range(2):
        with pytest.raises(LookupError, match="broken"):
            await asked.now()
