"""The work queue: never the same key twice at once, nothing lost, nothing done twice."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_operator.controller.queue import WorkQueue
from tests.unit.controller.virtual_clock import run


def now() -> float:
    return asyncio.get_running_loop().time()


async def arrives(queue: WorkQueue[str], within: float) -> bool:
    """Tell whether a key comes, and finish it."""
    try:
        key = await asyncio.wait_for(queue.get(), within)
    except TimeoutError:
        return False
    queue.done(key)
    return True


def test_first_in_first_out() -> None:
    async def main() -> list[str]:
        queue = WorkQueue[str]()
        for key in "bca":
            queue.add(key)
        assert len(queue) == 3
        return [await queue.get() for _ in range(3)]

    assert run(main()) == ["b", "c", "a"]


def test_a_key_added_twice_comes_once() -> None:
    async def main() -> None:
        queue = WorkQueue[str]()
        queue.add("a")
        queue.add("a")

        assert await arrives(queue, within=0.1)
        assert not await arrives(queue, within=1000)

    run(main())


def test_a_key_added_during_its_work_comes_once_more_afterwards() -> None:
    async def main() -> None:
        queue = WorkQueue[str]()
        queue.add("a")
        assert await queue.get() == "a"
        queue.add("a")
        queue.add("a")

        assert not await arrives(queue, within=1000), "never twice at once"
        queue.done("a")
        assert await arrives(queue, within=0.1)
        assert not await arrives(queue, within=1000)

    run(main())


def test_get_waits_for_a_key() -> None:
    async def main() -> tuple[str, float]:
        queue = WorkQueue[str]()
        asyncio.get_running_loop().call_later(7, queue.add, "a")
        return await queue.get(), now()

    assert run(main()) == ("a", 7)


def test_every_waiting_worker_gets_one_key() -> None:
    async def main() -> set[str]:
        queue = WorkQueue[str]()
        workers = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(1)
        for key in "abc":
            queue.add(key)
        return set(await asyncio.wait_for(asyncio.gather(*workers), 1))

    assert run(main()) == set("abc")


def test_a_cancelled_worker_loses_no_key() -> None:
    async def main() -> str:
        queue = WorkQueue[str]()
        worker = asyncio.create_task(queue.get())
        await asyncio.sleep(1)
        queue.add("a")
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        return await asyncio.wait_for(queue.get(), 1)

    assert run(main()) == "a"


@pytest.mark.parametrize(
    ("delays", "time"),
    [
        ([5], 5),
        ([5, 3], 3),
        ([3, 5], 3),
        ([5, 0], 0),
        ([0, 5], 0),
        ([5, 5], 5),
    ],
)
def test_of_several_delays_the_earliest_counts(delays: list[float], time: float) -> None:
    async def main() -> None:
        queue = WorkQueue[str]()
        for delay in delays:
            queue.add("a", delay)

        assert await queue.get() == "a"
        assert now() == pytest.approx(time)
        queue.done("a")
        assert not await arrives(queue, within=1000), "once, however often it was added"

    run(main())


def test_a_delay_that_ends_during_the_work_has_the_key_come_again() -> None:
    async def main() -> None:
        queue = WorkQueue[str]()
        queue.add("a")
        await queue.get()
        queue.add("a", 5)
        await asyncio.sleep(10)
        queue.done("a")

        assert await arrives(queue, within=0.1)

    run(main())


def test_a_delay_may_be_longer_than_the_work() -> None:
    async def main() -> None:
        queue = WorkQueue[str]()
        queue.add("a")
        await queue.get()
        queue.add("a", 5)
        queue.done("a")

        assert not await arrives(queue, within=4)
        assert await arrives(queue, within=1.1)

    run(main())


def delays(queue: WorkQueue[str], count: int, limit: float) -> list[float]:
    return [queue.retry("a", limit) for _ in range(count)]


def test_backoff_grows_to_the_limit_and_never_beyond() -> None:
    async def main() -> list[float]:
        queue = WorkQueue[str]()
        found = delays(queue, 100, limit=60)
        queue.close()
        return found

    found = run(main())

    assert 0.1 < found[0] <= 0.2
    growing = list(itertools.takewhile(lambda delay: delay < 40, found))
    assert growing == sorted(growing)
    assert all(45 <= delay <= 60 for delay in found[20:])


def test_forgetting_starts_the_backoff_anew() -> None:
    async def main() -> float:
        queue = WorkQueue[str]()
        delays(queue, 10, limit=60)
        queue.forget("a")
        delay = queue.retry("a", 60)
        queue.close()
        return delay

    assert run(main()) <= 0.2


def test_keys_have_a_backoff_each_and_do_not_come_in_step() -> None:
    async def main() -> list[float]:
        queue = WorkQueue[str](random.Random(1))
        return [queue.retry(key, 60) for key in "abcdefgh"]

    found = run(main())

    assert max(found) <= 0.2
    assert len(set(found)) == len(found)


def test_a_key_comes_after_the_seconds_that_retry_told() -> None:
    async def main() -> tuple[float, float]:
        queue = WorkQueue[str]()
        queue.add("a")
        await queue.get()
        delay = queue.retry("a", 60)
        queue.done("a")
        await queue.get()
        return delay, now()

    delay, time = run(main())

    assert time == pytest.approx(delay)


def test_news_come_before_a_retry_and_instead_of_it() -> None:
    async def main() -> None:
        queue = WorkQueue[str]()
        queue.retry("a", 60)
        queue.add("a")

        assert await queue.get() == "a"
        assert now() == 0
        queue.done("a")
        assert not await arrives(queue, within=1000)

    run(main())


def test_news_before_a_retry_do_not_put_off_the_next_one() -> None:
    async def main() -> None:
        queue = WorkQueue[str]()
        for _ in range(3):
            last = queue.retry("a", 60)
            assert await queue.get() == "a", "the retry was waited for"
            queue.done("a")
        for _ in range(20):
            delay = queue.retry("a", 60)
            assert last < delay < 5 * last
            queue.add("a")
            assert await queue.get() == "a"
            queue.done("a")

    run(main())


def test_news_during_a_look_that_fails_do_not_put_off_the_next_retry() -> None:
    async def main() -> float:
        queue = WorkQueue[str]()
        queue.add("a")
        for _ in range(20):
            assert await queue.get() == "a"
            queue.add("a")
            queue.retry("a", 60)
            queue.done("a")
        assert await queue.get() == "a"
        queue.retry("a", 60)
        queue.done("a")
        assert await queue.get() == "a"
        return now()

    assert run(main()) <= 0.2


def test_closing_drops_what_is_delayed() -> None:
    async def main() -> bool:
        queue = WorkQueue[str]()
        queue.add("a", 5)
        queue.close()
        return await arrives(queue, within=1000)

    assert not run(main())


@dataclass(frozen=True)
class Add:
    """Somebody adds a key."""

    pause: float
    key: str
    delay: float


@dataclass(frozen=True)
class Work:
    """A worker had a key."""

    key: str
    start: float
    end: float


TIMES = st.sampled_from([0, 0, 1, 2, 3, 5, 8])
ADDS = st.lists(st.builds(Add, TIMES, st.sampled_from("abc"), TIMES), min_size=1, max_size=25)


async def simulate(adds: list[Add], durations: list[float], workers: int) -> tuple[list[Work], list[float]]:
    """Have workers work on what is added; return their work and the times of adding."""
    queue = WorkQueue[str]()
    done: list[Work] = []
    endless = itertools.cycle(durations)

    async def work() -> None:
        while True:
            key = await queue.get()
            start = now()
            await asyncio.sleep(next(endless))
            done.append(Work(key, start, now()))
            queue.done(key)

    tasks = [asyncio.create_task(work()) for _ in range(workers)]
    times = []
    for add in adds:
        await asyncio.sleep(add.pause)
        times.append(now())
        queue.add(add.key, add.delay)
    await asyncio.sleep(1000)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return done, times


@settings(max_examples=150)
@given(ADDS, st.lists(TIMES, min_size=1, max_size=5), st.integers(1, 4))
def test_property_of_any_schedule(adds: list[Add], durations: list[float], workers: int) -> None:
    done, times = run(simulate(adds, durations, workers))

    for key in "abc":
        own = sorted((work for work in done if work.key == key), key=lambda work: work.start)
        added = [(time, add.delay) for time, add in zip(times, adds, strict=True) if add.key == key]
        assert len(own) <= len(added), "never done twice for one add"
        assert all(before.end <= after.start for before, after in itertools.pairwise(own)), "never at once"
        for time, delay in added:
            starts = [work.start for work in own if work.start >= time]
            assert starts, "never lost"
            if workers >= 3 and not any(work.start < time + delay <= work.end for work in own):
                assert min(starts) <= time + delay, "with a free worker, not late"


def test_closed_it_takes_and_keeps_nothing_until_it_is_opened() -> None:
    async def main() -> None:
        queue = WorkQueue[str]()
        queue.add("a")
        queue.add("b", 5)
        queue.retry("c", 60)
        queue.close()
        queue.add("d")
        queue.add("e", 5)
        assert not await arrives(queue, within=1000)
        assert queue.load() == (0, 0, 0, 0, 0, 0)

        queue.open()
        assert not await arrives(queue, within=1000)
        queue.add("f")
        assert await queue.get() == "f"

    run(main())


def test_patient_keys_come_last_but_not_never() -> None:
    async def main() -> list[str]:
        queue = WorkQueue[str]()
        queue.add("p", low_priority=True)
        queue.add("q", low_priority=True)
        for number in range(10):
            queue.add(str(number))
        assert len(queue) == queue.load().waiting == 12
        return [await queue.get() for _ in range(12)]

    assert run(main()) == [*"0123456", "p", *"789", "q"]


def test_a_patient_key_that_is_added_again_without_patience_comes_once_with_the_others() -> None:
    async def main() -> list[str]:
        queue = WorkQueue[str]()
        for key in "ab":
            queue.add(key, low_priority=True)
        queue.add("c")
        queue.add("b")
        queue.add("c", low_priority=True)
        assert len(queue) == 3
        return [await queue.get() for _ in range(len(queue))]

    assert run(main()) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("low_priority", "order"), [([True, True], "cab"), ([True, False], "cba"), ([False, True], "cba")]
)
def test_a_key_added_during_its_work_is_as_patient_as_the_least_patient_time(
    low_priority: list[bool], order: str
) -> None:
    async def main() -> list[str]:
        queue = WorkQueue[str]()
        queue.add("b")
        assert await queue.get() == "b"
        queue.add("a", low_priority=True)
        queue.add("c")
        for each in low_priority:
            queue.add("b", low_priority=each)
        queue.done("b")
        return [await queue.get() for _ in range(3)]

    assert "".join(run(main())) == order


def test_settling_waits_for_what_is_worked_on() -> None:
    async def main() -> None:
        queue = WorkQueue[str]()
        await queue.settle()
        for key in "ab":
            queue.add(key)
            await queue.get()
        queue.add("a")
        queue.close()
        settling = asyncio.create_task(queue.settle())
        await asyncio.sleep(1)
        queue.done("a")
        await asyncio.sleep(1)
        assert not settling.done()
        queue.done("b")
        await asyncio.wait_for(settling, 1)
        assert not await arrives(queue, within=1000)

    run(main())


def test_groups_take_turns() -> None:
    async def main() -> list[str]:
        queue = WorkQueue[str](group_of=lambda key: key[0])
        for number in range(200):
            queue.add(f"a{number}")
        queue.add("b")
        queue.add("c", low_priority=True)
        assert len(queue) == 202
        return [await queue.get() for _ in range(4)]

    assert run(main()) == ["a0", "b", "c", "a1"]


def test_a_key_that_is_added_during_its_work_waits_for_the_turn_of_its_group() -> None:
    async def main() -> list[str]:
        queue = WorkQueue[str](group_of=lambda key: key[0])
        for key in ("a1", "a2", "b1"):
            queue.add(key)
        first = await queue.get()
        queue.add(first)
        queue.done(first)
        return [first, *[await queue.get() for _ in range(3)]]

    assert run(main()) == ["a1", "b1", "a2", "a1"]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_one_group_never_holds_all_workers(workers: int) -> None:
    async def main() -> float:
        queue = WorkQueue[str](group_of=lambda key: key[0], workers=workers)
        begun: dict[str, float] = {}

        async def work() -> None:
            while True:
                key = await queue.get()
                begun[key] = now()
                await asyncio.sleep(15 if key.startswith("a") else 1)
                queue.done(key)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work()) for _ in range(workers)]
            for number in range(20):
                queue.add(f"a{number}")
            await asyncio.sleep(5)
            queue.add("b")
            await asyncio.sleep(1000)
            for task in tasks:
                task.cancel()
        assert len(begun) == 21, "nothing is left"
        return begun["b"]

    # With a single worker the look that is under way has to end first.
    assert run(main()) == (15 if workers == 1 else 5)


def test_closing_while_a_group_is_at_its_bound_loses_no_worker() -> None:
    async def main() -> list[str]:
        queue = WorkQueue[str](group_of=lambda key: key[0], workers=2)
        queue.add("a1")
        queue.add("a2")
        assert await queue.get() == "a1"
        queue.close()
        queue.open()
        queue.add("a3")
        assert not await arrives(queue, within=10)
        queue.done("a1")
        return [await asyncio.wait_for(queue.get(), 1)]

    assert run(main()) == ["a3"]
