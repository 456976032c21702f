"""The benchmark measures what it says: its counts fit each other, and nothing is left of it. Not timed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from benchmarks import report
from benchmarks.scenarios import Bench
from benchmarks.usage import machine

COUNT = 10
SINGLES = 2
ALL = COUNT + SINGLES
ALL_AT_END = ALL + 2
"""With those that are created after the failovers."""


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """Give the figures of a small run."""
    steps: list[str] = []
    bench = Bench(COUNT, SINGLES)

    async def measure() -> dict[str, Any]:
        async with bench:
            return await bench.run(steps.append)

    measured = asyncio.run(measure())
    assert not bench.folder.exists()
    assert steps == [step for step in measured if step not in ("instances", "concurrency")]
    return measured


def test_each_instance_costs_its_children_and_its_statuses(figures: dict[str, Any]) -> None:
    create = figures["create"]

    assert create["writes"]["patch deployments"] == COUNT
    assert create["writes"]["patch services"] == COUNT
    assert COUNT <= create["writes"]["patch modelinstances/status"] <= 2 * COUNT
    assert create["reads"] == {}
    assert create["failures"] == {}
    assert create["deployments_seconds"] <= create["ready_seconds"]


def test_the_bare_client_sends_what_the_operator_sends(figures: dict[str, Any]) -> None:
    create, edit = figures["replay"]["create"], figures["replay"]["edit"]

    assert create["writes"] == {
        "patch deployments": COUNT,
        "patch modelinstances/status": COUNT,
        "patch services": COUNT,
    }
    assert edit["writes"] == {"patch deployments": ALL, "patch modelinstances/status": ALL}
    assert (create["reads"], create["failures"], edit["failures"]) == ({}, {}, {})
    assert create["cpu_seconds"]["bare"] >= 0
    assert "operator" not in create["cpu_seconds"]


def test_an_edit_and_a_drift_are_one_apply_each(figures: dict[str, Any]) -> None:
    assert figures["edit"]["edited"] == ALL
    assert figures["edit"]["writes"]["patch deployments"] == ALL
    assert "patch services" not in figures["edit"]["writes"]
    assert figures["drift"]["writes"]["patch deployments"] == figures["drift"]["drifted"] == COUNT


def test_an_edit_in_steps_is_one_apply_for_each_instance(figures: dict[str, Any]) -> None:
    stepped = figures["edit_in_steps"]

    assert stepped["edited"] == ALL
    assert stepped["writes"]["patch deployments"] == ALL
    assert "patch services" not in stepped["writes"]
    assert stepped["moved_seconds"] <= stepped["complete_seconds"]


@pytest.mark.parametrize("signal", ["sigterm", "sigkill"])
def test_a_replica_that_takes_over_writes_only_what_is_new(figures: dict[str, Any], signal: str) -> None:
    taken_over = figures["failover"][signal]

    assert taken_over["writes_to_others"] == 0
    assert (taken_over["writes"]["patch deployments"], taken_over["writes"]["patch services"]) == (1, 1)
    assert taken_over["ended_seconds"] <= taken_over["deployment_seconds"] <= taken_over["ready_seconds"]
    assert taken_over["standby"]["peak_mb"] <= taken_over["leader"]["peak_mb"]


def test_a_restart_with_nothing_to_do_writes_nothing(figures: dict[str, Any]) -> None:
    assert figures["restart"]["writes"] == {}
    assert figures["restart"]["reads"]["list modelinstances"] >= 2


def test_children_that_are_gone_are_made_once_and_those_of_deleted_instances_never(
    figures: dict[str, Any],
) -> None:
    rebuilt = figures["rebuild"]["writes"]
    assert (rebuilt["patch deployments"], rebuilt["patch services"]) == (ALL_AT_END, ALL_AT_END)
    assert set(figures["delete"]["writes"]) <= {"patch modeltemplates/status"}


def test_the_figures_can_be_shown(figures: dict[str, Any]) -> None:
    results = {
        "sizes": {str(COUNT): {"time": "2026-01-01", **figures}},
        "machine": machine(),
        "kubernetes": "v1",
        "version": "1",
        "time": "2026-01-01",
    }

    for grid in (report.figures(results), report.requests(results), report.aims(results)):
        assert all(len(row) == len(grid.head) for row in grid.rows)
        assert report.markdown(grid).count("\n") == len(grid.rows) + 1
    assert all(all(row) for row in report.figures(results).rows), "nothing is left out"
