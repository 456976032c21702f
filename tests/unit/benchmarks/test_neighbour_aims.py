"""The verdicts of the benchmark of fairness on figures that are given, and its tables."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gateway.aims import verdicts
from benchmarks.neighbour import report
from benchmarks.neighbour.report import AIMS

MACHINE = {
    "cores": 2,
    "cpu": "AMD EPYC",
    "memory_gib": 23.5,
    "kernel": "6",
    "python": "3",
    "load_before": 0.1,
}


def phases(beside: float) -> dict[str, Any]:
    def times(p50: float) -> dict[str, Any]:
        return {
            "to_deployment_ms": {"p50": p50, "p99": 2 * p50},
            "to_ready_ms": {"p50": 2 * p50, "p99": 4 * p50},
        }

    return {
        "instances": 5000,
        "changes_per_second": 10.0,
        "operator_share": 0.2,
        "alone": times(20.0),
        "idle": times(21.0),
        "beside": times(beside),
    }


GOOD: dict[str, Any] = {
    "edits": phases(30.0),
    "churn": phases(40.0),
    "contest": {"seconds": 60.0, "changes": 7, "cpu_seconds": {"idle": 0.1, "contested": 0.2}},
}


def results(figures: dict[str, Any]) -> dict[str, Any]:
    versions = {"time": "2026-11-30", "version": "0.1.0", "kubernetes": "v1.36.3"}
    return {**versions, "machine": MACHINE, "figures": figures}


def test_good_figures_meet_all_aims() -> None:
    assert [verdict.word for verdict in verdicts(GOOD, AIMS)] == ["met"] * len(AIMS)


@pytest.mark.parametrize(
    ("path", "value", "missed"),
    [
        (("edits", "beside", "to_deployment_ms", "p50"), 40.1, "to the Deployment beside edits"),
        (("edits", "beside", "to_ready_ms", "p50"), 80.1, "to Ready beside edits"),
        (("churn", "beside", "to_deployment_ms", "p50"), 40.1, "to the Deployment beside churn"),
        (("churn", "alone", "to_ready_ms", "p50"), 39.9, "to Ready beside churn"),
        (("contest", "cpu_seconds", "contested"), 0.71, "contested field"),
    ],
)
def test_each_aim_can_be_missed(path: tuple[str, ...], value: float, missed: str) -> None:
    figures = copy.deepcopy(GOOD)
    *parents, last = path
    holder = figures
    for name in parents:
        holder = holder[name]
    holder[last] = value
    found = [verdict.aim.text for verdict in verdicts(figures, AIMS) if verdict.is_met is False]
    assert len(found) == 1
    assert missed in found[0]


def test_what_was_left_out_is_not_measured() -> None:
    figures = {"contest": GOOD["contest"]}
    assert [verdict.word for verdict in verdicts(figures, AIMS)] == ["not measured"] * 4 + ["met"]
    assert report.creates(results(figures)).rows == []
    assert report.contest(results({"edits": GOOD["edits"]})).rows == []


def test_the_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recorded = tmp_path / "neighbour.json"
    monkeypatch.setattr(report, "RESULTS", recorded)
    assert report.document() == "Not measured yet."
    recorded.write_text(json.dumps(results(GOOD)))
    lines = report.document().splitlines()
    assert "|  | edits | churn |" in lines
    assert "| single create to the Deployment alone, p50 / p99, ms | 20 / 40 | 20 / 40 |" in lines
    assert "| single create to Ready beside their changes, p50 / p99, ms | 60 / 120 | 80 / 160 |" in lines
    assert "| contested field, % of a core | ≤ 1 | 0.167 | met |" in lines
    assert "| … without a contest, s | 0.10 |" in lines
