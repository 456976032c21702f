"""Work that signals stop, before kopf hears of them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from model_operator.controller.stopping import stop_signal, unless_stopped


async def _never() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.fixture
async def stopped() -> AsyncIterator[asyncio.Event]:
    yield stop_signal()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_the_work(stopped: asyncio.Event, number: signal.Signals) -> None:
    begun = asyncio.create_task(unless_stopped(stopped, _never()))
    await asyncio.sleep(0)
    signal.raise_signal(number)

    assert await begun is False


async def test_work_that_ends_has_not_been_stopped(stopped: asyncio.Event) -> None:
    async def work() -> None:
        # As the last of the work is done.
        signal.raise_signal(signal.SIGTERM)

    assert await unless_stopped(stopped, work()) is True
    await stopped.wait()  # Whoever comes next is told.


async def test_what_fails_is_told(stopped: asyncio.Event) -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await unless_stopped(stopped, fail())


async def test_nothing_goes_on_when_it_is_cancelled_itself(stopped: asyncio.Event) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await _never()
        finally:
            ended.append("work")

    begun = asyncio.create_task(unless_stopped(stopped, work()))
    await asyncio.sleep(0.01)
    begun.cancel()
    await asyncio.gather(begun, return_exceptions=True)
    await asyncio.sleep(0)

    assert ended == ["work"]
