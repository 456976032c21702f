"""Work that signals stop, before kopf hears of them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from model_operator.process.stopping import stop_signal, unless_stopped


async def _never(ended: list[str]) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        ended.append("work")


@pytest.fixture
async def stopped() -> AsyncIterator[asyncio.Event]:
    yield stop_signal()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_the_work(stopped: asyncio.Event, number: signal.Signals) -> None:
    ended: list[str] = []
    begun = asyncio.create_task(unless_stopped(stopped, _never(ended)))
    await asyncio.sleep(0)
    signal.raise_signal(number)
    await begun
    await asyncio.sleep(0)

    assert ended == ["work"]


async def test_a_signal_at_the_end_of_the_work_is_told_to_whoever_comes_next(stopped: asyncio.Event) -> None:
    done: list[str] = []

    async def work() -> None:
        signal.raise_signal(signal.SIGTERM)
        done.append("work")

    await unless_stopped(stopped, work())

    assert done == ["work"]
    await stopped.wait()


async def test_what_fails_is_told(stopped: asyncio.Event) -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await unless_stopped(stopped, fail())


async def test_nothing_goes_on_when_it_is_cancelled_itself(stopped: asyncio.Event) -> None:
    ended: list[str] = []
    begun = asyncio.create_task(unless_stopped(stopped, _never(ended)))
    await asyncio.sleep(0)
    begun.cancel()
    await asyncio.gather(begun, return_exceptions=True)
    await asyncio.sleep(0)

    assert ended == ["work"]
