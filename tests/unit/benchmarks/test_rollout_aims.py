"""The verdicts of the benchmark of roll-outs on figures that are given, and its tables."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks.gateway.aims import verdicts
from benchmarks.rollouts import report
from benchmarks.rollouts.decision import decision_ms
from benchmarks.rollouts.report import AIMS
from benchmarks.stepped import most_in_a_second, rate


def rolled_out(deployments: int, statuses: int) -> dict[str, Any]:
    return {
        "moved_seconds": 20.0,
        "arrived_seconds": 21.0,
        "complete_seconds": 22.0,
        "statuses": 20,
        "statuses_per_second": 0.9,
        "most_statuses_in_a_second": 2,
        "writes": {
            "create modeltemplaterevisions": 1,
            "patch deployments": deployments,
            "patch modelinstances/status": statuses,
            "patch modeltemplates/status": 20,
        },
        "cpu_seconds": {"operator": 5.0},
        "peak_mb": 120.0,
    }


GOOD: dict[str, Any] = {
    "instances": 1000,
    "decision_ms": {"begun": 3.0, "half": 2.0, "done": 1.0},
    "at_once": rolled_out(1000, 2000),
    "sliding": rolled_out(1000, 2000),
    "policy": {"writes": {"patch modeltemplates/status": 1}},
    "batches": {**rolled_out(1000, 2000), "gap_ms": {"p50": 200.0, "p99": 300.0}, "longest_gap_ms": 350.0},
    "restart": {"writes": {}},
    "revisions": {
        "edits": 10_000,
        "to_stored_ms": {"p50": 30.0, "p99": 60.0},
        "left": 13,
        "most_left": 13,
        "grown_mb": 2.0,
        "writes": {"create modeltemplaterevisions": 10_000},
    },
}


def test_good_figures_meet_all_aims() -> None:
    assert [verdict.word for verdict in verdicts(GOOD, AIMS)] == ["met"] * len(AIMS)


def worse(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    figures = copy.deepcopy(GOOD)
    place = figures
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return figures


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("decision_ms", "half"), 21.0),
        (("sliding", "writes", "create modeltemplaterevisions"), 2),
        (("batches", "writes", "patch modelinstances/status"), 3001),
        (("batches", "writes", "patch deployments"), 1001),
        (("policy", "writes", "patch modelinstances/status"), 1),
        (("batches", "statuses_per_second"), 1.1),
        (("batches", "longest_gap_ms"), 1001.0),
        (("restart", "writes", "patch modelinstances/status"), 1),
        (("revisions", "to_stored_ms", "p50"), 51.0),
        (("revisions", "left"), 14),
    ],
)
def test_each_aim_can_be_missed(path: tuple[str, ...], value: Any) -> None:
    words = [verdict.word for verdict in verdicts(worse(path, value), AIMS)]
    assert words.count("MISSED") == 1


def test_what_was_left_out_is_not_measured() -> None:
    results = {"figures": {"decision_ms": GOOD["decision_ms"]}}
    words = [verdict.word for verdict in verdicts(results["figures"], AIMS)]
    assert words == ["met"] + ["not measured"] * (len(AIMS) - 1)
    assert not report.roll_outs(results).rows
    assert len(report.others(results).rows) == 1


def test_the_tables_have_all_figures() -> None:
    results = {"figures": GOOD}
    assert report.roll_outs(results).head == ["1,000 instances", "all at once", "10 % at a time", "10 steps"]
    assert [row[1] for row in report.roll_outs(results).rows][3] == "3.00"
    assert [row[1] for row in report.others(results).rows][:2] == ["3.0 / 2.0 / 1.0", "200 / 350"]


def test_statuses_are_counted_by_the_second() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    times = [begin + timedelta(seconds=each) for each in (0, 0.5, 0.9, 1.0, 4.0)]
    assert most_in_a_second(times) == 3
    assert rate(times) == 1.0
    assert (most_in_a_second([]), rate([]), rate(times[:1])) == (0, 0.0, 0.0)


def test_each_stage_of_a_decision_is_timed() -> None:
    assert decision_ms(20).keys() == {"begun", "half", "done"}
