"""How long answers are kept, how many, and how fast unknown keys are reviewed."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.answers import Answers, Lifetimes, Outage, TokenBucket


@dataclass
class Clock:
    time: float = 1000.0

    def __call__(self) -> float:
        return self.time


def answers(clock: Clock, capacity: int = 3) -> Answers[str]:
    return Answers(Lifetimes(allowed=10, denied=5, grace=300), capacity, clock)


def test_an_allowing_answer_is_fresh_for_its_time_and_in_grace_longer() -> None:
    clock = Clock()
    kept = answers(clock)
    kept.keep(b"q", "yes", is_allowed=True)
    clock.time += 9.9
    assert kept.fresh(b"q") is not None
    clock.time += 0.1
    assert kept.fresh(b"q") is None
    assert kept.in_grace(b"q") is not None
    clock.time += 289.9
    assert kept.in_grace(b"q") is not None
    clock.time += 0.1
    assert kept.in_grace(b"q") is None
    assert kept.was_allowed(b"q")


def test_a_denying_answer_has_no_grace() -> None:
    clock = Clock()
    kept = answers(clock)
    kept.keep(b"q", "yes", is_allowed=True)
    kept.keep(b"q", "no", is_allowed=False)
    found = kept.fresh(b"q")
    assert found is not None
    assert found.value == "no"
    assert kept.in_grace(b"q") is None
    assert not kept.was_allowed(b"q")
    clock.time += 5
    assert kept.fresh(b"q") is None


def test_no_answer_outlives_what_it_is_about() -> None:
    clock = Clock()
    kept = answers(clock)
    kept.keep(b"q", "yes", is_allowed=True, ends=clock.time + 4)
    clock.time += 3.9
    assert kept.fresh(b"q") is not None
    clock.time += 0.1
    assert kept.fresh(b"q") is None
    assert kept.in_grace(b"q") is None


def test_the_least_recently_used_answer_is_dropped() -> None:
    kept = answers(Clock())
    for question in (b"1", b"2", b"3"):
        kept.keep(question, "yes", is_allowed=True)
    kept.fresh(b"1")
    kept.keep(b"4", "yes", is_allowed=True)
    assert len(kept) == 3
    assert kept.fresh(b"2") is None
    assert kept.fresh(b"1") is not None


@given(st.lists(st.tuples(st.integers(0, 99), st.booleans())))
def test_the_number_of_answers_is_bounded(questions: list[tuple[int, bool]]) -> None:
    kept = answers(Clock(), 10)
    for number, allowed in questions:
        kept.keep(b"%d" % number, "x", is_allowed=allowed)
    assert len(kept) == min(len({number for number, _ in questions}), 10)


def test_a_burst_passes_and_then_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(20, 50, clock)
    assert sum(bucket.take() for _ in range(100)) == 50
    clock.time += 1
    assert sum(bucket.take() for _ in range(100)) == 20
    clock.time += 3600
    assert sum(bucket.take() for _ in range(100)) == 50


@given(st.lists(st.floats(0, 5), max_size=200))
def test_no_pattern_passes_more_than_rate_and_burst(pauses: list[float]) -> None:
    clock = Clock()
    bucket = TokenBucket(2, 5, clock)
    passed = 0
    for pause in pauses:
        clock.time += pause
        passed += bucket.take()
    assert passed <= 5 + 2 * (clock.time - 1000) + 1e-6


def test_during_an_outage_one_attempt_a_pause_is_due() -> None:
    clock = Clock()
    outage = Outage(1, clock)
    assert not outage.is_on
    assert outage.failed()
    assert not outage.failed()
    assert outage.is_on
    assert not outage.may_try()
    clock.time += 1
    assert [outage.may_try(), outage.may_try()] == [True, False]
    assert outage.succeeded()
    assert not outage.succeeded()
    assert not outage.is_on
