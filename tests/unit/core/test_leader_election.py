"""Leader election: from what was seen, and when, to what is done next."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.leader_election import (
    Observation,
    Step,
    Timing,
    held,
    may_write_until,
    next_step,
    observe,
    released,
)

TIMING = Timing(duration=15, renew_deadline=10, retry_period=2)
WRONG = "1970-01-01T00:00:00.000000Z"
"""A time of day that says nothing."""


def record(holder: str, *, duration: int = 15, renewed: str = WRONG) -> dict[str, Any]:
    return {"holderIdentity": holder, "leaseDurationSeconds": duration, "renewTime": renewed}


def seen(*looks: tuple[float, dict[str, Any] | None]) -> Observation:
    """Return what is known after looks at these times."""
    known: Observation | None = None
    for now, spec in looks:
        known = observe(known, spec, now)
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("looks", "now", "expected"),
    [
        pytest.param([(100, None)], 100, Step.ACQUIRE, id="there is none"),
        pytest.param([(100, record(""))], 100, Step.ACQUIRE, id="released"),
        pytest.param([(100, {})], 100, Step.ACQUIRE, id="without any field"),
        pytest.param([(100, record("other"))], 100, Step.WAIT, id="held, however old its times are"),
        pytest.param([(100, record("other"))], 114.9, Step.WAIT, id="held until it has run out"),
        pytest.param([(100, record("other"))], 115, Step.ACQUIRE, id="has run out since we know it"),
        pytest.param(
            [(100, record("other")), (114, record("other", renewed="9999-12-31T00:00:00.000000Z"))],
            128,
            Step.WAIT,
            id="renewed, by whatever clock",
        ),
        pytest.param([(100, record("other")), (114, record("other"))], 115, Step.ACQUIRE, id="not renewed"),
        pytest.param([(100, record("other", duration=60))], 130, Step.WAIT, id="as long as its holder says"),
        pytest.param([(100, record("other", duration=5))], 105, Step.ACQUIRE, id="no longer than that"),
        pytest.param([(100, record("a")), (110, record("b"))], 120, Step.WAIT, id="taken over by another"),
        pytest.param([(100, record("other")), (105, record(""))], 105, Step.ACQUIRE, id="released meanwhile"),
        pytest.param([(100, record("other")), (105, None)], 105, Step.WAIT, id="deleted under its holder"),
        pytest.param(
            [(100, record("other")), (105, None)], 115, Step.ACQUIRE, id="deleted, and not made again"
        ),
        pytest.param([(100, record("us"))], 100, Step.ACQUIRE, id="our write, whose answer was lost"),
    ],
)
def test_who_does_not_hold_it(
    looks: list[tuple[float, dict[str, Any] | None]], now: float, expected: Step
) -> None:
    assert next_step("us", seen(*looks), None, TIMING, now) is expected


@pytest.mark.parametrize(
    ("spec", "now", "expected"),
    [
        pytest.param(record("us"), 109.9, Step.RENEW, id="ours"),
        pytest.param(record("us"), 110, Step.LOST, id="ours, but too late: nobody has seen us renew it"),
        pytest.param(record("other"), 101, Step.LOST, id="taken over by another"),
        pytest.param(None, 101, Step.RENEW, id="deleted by somebody: made again"),
        pytest.param(record(""), 101, Step.RENEW, id="emptied by somebody"),
    ],
)
def test_who_holds_it(spec: dict[str, Any] | None, now: float, expected: Step) -> None:
    known = seen((100, record("us")), (101, spec))

    assert next_step("us", known, 100, TIMING, now) is expected


def test_everything_that_the_holder_writes_is_over_before_another_may_begin() -> None:
    begun = 100.0
    noticed = begun  # the earliest moment at which anybody can have seen the renewal
    taken_over = seen((noticed, record("us"))).reserved_until

    assert may_write_until(begun, TIMING) < taken_over


@pytest.mark.parametrize(
    ("before", "transitions", "acquired"),
    [(None, 0, "now"), (record("") | {"leaseTransitions": 3}, 4, "now"), (record("other"), 1, "now")],
)
def test_the_record_of_who_takes_it(before: Any, transitions: int, acquired: str) -> None:
    assert held(seen((0, before)), "us", "now", TIMING) == {
        "holderIdentity": "us",
        "leaseDurationSeconds": 15,
        "acquireTime": acquired,
        "renewTime": "now",
        "leaseTransitions": transitions,
    }


def test_a_renewal_changes_only_the_time_and_keeps_what_others_know() -> None:
    before = record("us") | {
        "acquireTime": "then",
        "leaseTransitions": 2,
        "strategy": "OldestEmulationVersion",
    }

    assert held(seen((0, before)), "us", "now", TIMING) == before | {"renewTime": "now"}


def test_released() -> None:
    known = seen((0, record("us") | {"leaseTransitions": 2}))

    spec = released(known, "now")

    assert spec == record("", duration=1, renewed="now") | {"leaseTransitions": 2}
    assert next_step("other", observe(None, spec, 5), None, TIMING, 5) is Step.ACQUIRE
