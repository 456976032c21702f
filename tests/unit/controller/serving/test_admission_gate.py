"""How many reviews are let in and judged, at each edge."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

from model_operator.controller.serving.admission_gate import (
    LARGE_BYTES,
    AdmissionGate,
    OverloadedError,
    ReviewBounds,
    Shed,
)

SMALL, LARGE = b"{}", b" " * LARGE_BYTES


class Judge:
    """Judges when it is let to, and notes how many reviews it had at a time."""

    def __init__(self) -> None:
        self.under_way = 0
        self.most = 0
        self.answered: list[int] = []
        self.may_answer = asyncio.Event()

    async def review(self, body: bytes) -> bytes:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.may_answer.wait()
        finally:
            self.under_way -= 1
        self.answered.append(len(body))
        return b"answer"


def _gate(**bounds: float) -> tuple[AdmissionGate, list[Shed]]:
    shed: list[Shed] = []
    return AdmissionGate(ReviewBounds(**bounds), asyncio.get_running_loop(), shed.append), shed  # type: ignore[arg-type]


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_reviews_beyond_the_bound_are_refused_until_one_is_answered() -> None:
    gate, shed = _gate(reviews=2, small=1)
    judge = Judge()
    tasks = [asyncio.create_task(gate.respond(judge.review, SMALL)) for _ in range(2)]
    await _settle()
    with pytest.raises(OverloadedError, match="expected at most 2 reviews at a time"):
        await gate.respond(judge.review, SMALL)
    judge.may_answer.set()
    await asyncio.gather(*tasks)
    assert await gate.respond(judge.review, SMALL) == b"answer"
    assert shed == [Shed.REVIEWS]


async def test_bytes_beyond_the_bound_are_refused_until_some_are_given_back() -> None:
    gate, shed = _gate(body_bytes=3 * LARGE_BYTES)
    with gate.admit(LARGE_BYTES), gate.admit(2 * LARGE_BYTES):
        with (
            pytest.raises(OverloadedError, match=f"at most {3 * LARGE_BYTES} bytes"),
            gate.admit(LARGE_BYTES),
        ):
            pass
        # Small ones are let in all the same.
        with gate.admit(LARGE_BYTES - 1), gate.admit(0):
            pass
    with gate.admit(3 * LARGE_BYTES):
        pass
    assert shed == [Shed.BYTES]


async def test_what_fails_gives_its_share_back() -> None:
    async def broken(_: bytes) -> bytes:
        raise ValueError("broken")

    gate, _ = _gate(reviews=1, body_bytes=LARGE_BYTES)
    for body in (LARGE, LARGE, SMALL, SMALL):
        with pytest.raises(ValueError, match="broken"), gate.admit(len(body)):
            await gate.respond(broken, body)


@pytest.mark.parametrize(("body", "most"), [(SMALL, 3), (LARGE, 1)], ids=["small", "large"])
async def test_few_are_judged_at_a_time_and_all_in_the_end(body: bytes, most: int) -> None:
    gate, shed = _gate(small=3)
    judge = Judge()
    tasks = [asyncio.create_task(gate.respond(judge.review, body)) for _ in range(7)]
    await _settle()
    assert judge.under_way == most
    judge.may_answer.set()
    assert await asyncio.gather(*tasks) == [b"answer"] * 7
    assert (judge.most, shed) == (most, [])


async def test_small_ones_do_not_wait_for_large_ones() -> None:
    gate, _ = _gate(small=1)
    judge, other = Judge(), Judge()
    waiting = [asyncio.create_task(gate.respond(judge.review, LARGE)) for _ in range(3)]
    await _settle()
    other.may_answer.set()
    assert await gate.respond(other.review, SMALL) == b"answer"
    assert judge.answered == []
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_between_large_ones_the_loop_has_time_for_others() -> None:
    clock = itertools.count(step=3600)
    gate = AdmissionGate(
        ReviewBounds(pause=2), asyncio.get_running_loop(), lambda _: None, lambda: float(next(clock))
    )
    judge = Judge()
    judge.may_answer.set()
    await gate.respond(judge.review, LARGE)
    second = asyncio.create_task(gate.respond(judge.review, LARGE))
    await _settle()
    # The first has computed for an hour, so that the next one's turn is in two.
    assert (judge.answered, second.done()) == ([LARGE_BYTES], False)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_what_is_not_judged_in_time_is_refused_and_given_up() -> None:
    gate, shed = _gate(small=1, seconds=0.01)
    judge = Judge()
    for _ in range(2):
        with pytest.raises(OverloadedError, match=r"took longer than 0\.01 s"):
            await gate.respond(judge.review, SMALL)
    await _settle()
    assert (judge.under_way, shed) == (0, [Shed.TIME] * 2)


@pytest.mark.parametrize("element", [b"[]", b'{"":0}', b"0"])
async def test_bodies_of_too_many_values_are_not_read(element: bytes) -> None:
    gate, shed = _gate(values=50_000)
    judge = Judge()
    judge.may_answer.set()
    many = b"[" + b",".join([element] * 60_000) + b"]"
    with pytest.raises(OverloadedError, match="expected at most 50000 JSON values"):
        await gate.respond(judge.review, many)
    assert (judge.answered, shed) == ([], [Shed.VALUES])
    few = b"[" + b",".join([element] * 20_000) + b" " * LARGE_BYTES + b"]"
    assert await gate.respond(judge.review, few) == b"answer"


async def test_what_the_judge_raises_is_raised_here() -> None:
    async def review(_: bytes) -> bytes:
        raise LookupError("malformed")

    gate, shed = _gate()
    with pytest.raises(LookupError, match="malformed"):
        await gate.respond(review, SMALL)
    assert shed == []


async def test_reviews_are_judged_in_the_loop_of_the_caches() -> None:
    here, seen = threading.get_ident(), []

    async def review(_: bytes) -> bytes:
        seen.append(threading.get_ident())
        return b"answer"

    gate, _ = _gate()
    answers = await asyncio.to_thread(lambda: asyncio.run(gate.respond(review, SMALL)))
    assert (answers, seen) == (b"answer", [here])
