"""The verdict of the quick benchmark on rounds that are given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.quick import (
    QUIET_CORES,
    REFERENCE,
    TOLERANCE,
    Figures,
    Round,
    best,
    dearer,
    judged,
    reference_for,
    usual,
)

REFERRED = {"requests": 3.0, "cpu_ratio": 0.4, "machine": {"cpu": "this"}}


def test_the_least_of_all_rounds_counts_with_cpu_times_of_the_same_round() -> None:
    rounds = [Round(3.2, 4.0, 8.0), Round(3.0, 5.0, 12.5), Round(3.1, 3.0, 6.5)]

    assert best(rounds) == Figures(3.0, 0.4)


def test_a_reference_is_the_mean_of_its_rounds() -> None:
    assert usual([Round(3.0, 4.0, 8.0), Round(3.2, 3.0, 10.0)]) == Figures(3.1, 0.4)


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (Figures(3.0, 0.4), []),
        (Figures(3.75, 0.5), []),
        (Figures(3.76, 0.4), ["requests"]),
        (Figures(3.0, 0.501), ["cpu_ratio"]),
        (Figures(1.0, 0.1), []),
    ],
)
def test_a_quarter_more_is_dearer(figures: Figures, expected: list[str]) -> None:
    assert dearer(figures, REFERRED, Figures._fields) == expected


@pytest.mark.parametrize(
    ("cpu", "others", "expected"),
    [
        ("this", 0.0, ("requests", "cpu_ratio")),
        ("this", QUIET_CORES, ("requests", "cpu_ratio")),
        ("this", QUIET_CORES + 0.1, ("requests",)),
        ("another", 0.0, ("requests",)),
    ],
)
def test_cpu_times_are_judged_on_the_same_processor_and_an_idle_machine(
    cpu: str, others: float, expected: tuple[str, ...]
) -> None:
    names = judged(REFERRED, cpu, others)

    assert names == expected
    assert dearer(Figures(3.76, 0.9), REFERRED, names) == list(expected)


def test_each_kind_of_processor_has_its_reference_and_another_none_of_cpu_times() -> None:
    references = {"this": REFERRED, "that": {**REFERRED, "cpu_ratio": 0.2, "machine": {"cpu": "that"}}}

    assert reference_for(references, "that")["cpu_ratio"] == 0.2
    assert judged(reference_for(references, "that"), "that", 0.0) == Figures._fields
    assert judged(reference_for(references, "another"), "another", 0.0) == ("requests",)


@pytest.mark.parametrize("cpu", json.loads(REFERENCE.read_text()))
def test_a_reference_has_every_figure_that_is_compared(cpu: str) -> None:
    reference: dict[str, Any] = json.loads(REFERENCE.read_text())[cpu]
    assert reference["machine"]["cpu"] == cpu

    figures = Figures(*(reference[name] for name in Figures._fields))

    names = judged(reference, reference["machine"]["cpu"], 0.0)
    assert dearer(figures, reference, names) == []
    above = Figures(*(value * TOLERANCE * 1.01 for value in figures))
    assert dearer(above, reference, names) == list(Figures._fields)
