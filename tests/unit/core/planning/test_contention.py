"""When a child that somebody keeps changing may be corrected: at once, then ever more rarely."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.planning.contention import (
    LONGEST_PAUSE_SECONDS,
    PEACE_SECONDS,
    SETTLED_SECONDS,
    Contention,
    contested_for,
    held,
    pause_after,
    wait_before,
    written,
)


@pytest.mark.parametrize(
    ("corrections", "seconds"),
    [(0, 0), (1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (8, 128), (9, 256), (10, 300), (11, 300), (10**6, 300)],
)
def test_pause(corrections: int, seconds: float) -> None:
    assert pause_after(corrections) == seconds


@pytest.mark.parametrize(
    ("known", "now", "wait"),
    [
        (None, 100, 0),
        (Contention("h", 100), 100, 0),
        (Contention("h", 100, 1), 100, 1),
        (Contention("h", 100, 1), 100.25, 0.75),
        (Contention("h", 100, 1), 101, 0),
        (Contention("h", 100, 4), 103, 5),
        (Contention("h", 100, 30), 399, 1),
        (Contention("h", 100, 30), 100 + PEACE_SECONDS, 0),
        (Contention("another", 100, 30), 100, 0),
    ],
    ids=[
        "nothing known",
        "written once",
        "corrected",
        "later",
        "over",
        "fourth",
        "longest",
        "peace",
        "other object",
    ],
)
def test_wait(known: Contention | None, now: float, wait: float) -> None:
    assert wait_before(known, "h", now) == wait


@pytest.mark.parametrize(
    ("known", "is_drift", "corrections"),
    [
        (None, False, 0),
        (None, True, 1),
        (Contention("h", 100), False, 1),
        (Contention("h", 100, 3), True, 4),
        (Contention("another", 100, 3), False, 0),
        (Contention("another", 100, 3), True, 1),
        (Contention("h", 200 - PEACE_SECONDS, 3), False, 0),
    ],
    ids=["first", "after a restart", "first drift", "fourth", "changed", "changed back", "after peace"],
)
def test_written(known: Contention | None, is_drift: bool, corrections: int) -> None:
    now = written(known, "h", 200, is_drift=is_drift)

    assert (now.wanted, now.written_at, now.corrections) == ("h", 200, corrections)


@pytest.mark.parametrize(
    ("known", "seconds"),
    [
        (None, 0),
        (Contention("h", 100, 1), 0),
        (Contention("h", 100, 2), 0),
        (Contention("h", 100, 3), SETTLED_SECONDS - 4),
        (held(Contention("h", 100, 1)), SETTLED_SECONDS - 4),
        (held(Contention("another", 100, 1)), 0),
        (held(Contention("h", 104 - SETTLED_SECONDS, 1)), 0),
    ],
    ids=["nothing", "one slip", "two", "three", "had to wait", "other object", "settled"],
)
def test_contested_for(known: Contention | None, seconds: float) -> None:
    assert contested_for(known, "h", 104) == seconds


def corrections_of(drifts: list[float]) -> list[float]:
    """Give when a child is written whose drifts come after these seconds each since it was last right."""
    now, times = 0.0, [0.0]
    known = written(None, "h", now, is_drift=False)
    for pause in drifts:
        now += pause
        now += wait_before(known, "h", now)
        assert wait_before(known, "h", now) == 0, "whoever waits as long as he is told need not wait again"
        known = written(known, "h", now, is_drift=True)
        times.append(now)
    return times


def test_who_undoes_at_once_has_a_handful_of_corrections() -> None:
    assert corrections_of([0] * 8) == [0, 0, 1, 3, 7, 15, 31, 63, 127]


@given(st.lists(st.floats(0, 500), min_size=3, max_size=60))
def test_property_of_any_opponent(drifts: list[float]) -> None:
    times = corrections_of(drifts)

    for count, (before, after) in enumerate(itertools.pairwise(times[1:]), 1):
        assert after - before >= pause_after(count) - 1e-6, "each pause is kept"
    for drift, (before, after) in zip(drifts, itertools.pairwise(times), strict=True):
        assert after - before <= max(drift, LONGEST_PAUSE_SECONDS) + 1e-6, "no drift stays for longer"
    in_an_hour = [time for time in times if time <= 3600]
    assert len(in_an_hour) <= 23


@given(st.integers(0, 40), st.floats(0, 10_000), st.floats(0, 10_000))
def test_property_a_change_of_what_is_wanted_never_waits(corrections: int, at: float, now: float) -> None:
    assert wait_before(Contention("before", at, corrections, has_waited=True), "after", now) == 0
