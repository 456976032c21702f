"""The verdicts of the benchmark on figures that are given."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.aims import AIMS, verdicts
from benchmarks.requests import split
from benchmarks.run import merged
from benchmarks.scenarios import LEFT_OUT, STEPS, usual_steps

GOOD: dict[str, Any] = {
    "instances": 1000,
    "ceiling": {"apply_seconds": 8.0, "post_seconds": 6.0, "edit_seconds": 5.0, "instances_seconds": 2.0},
    "replay": {
        "create": {
            "deployments_seconds": 10.0,
            "ready_seconds": 13.0,
            "cpu_seconds": {"kube-apiserver": 30.0, "etcd": 5.0, "bare": 1.0},
        },
        "single": {"to_deployment_ms": {"p50": 26.0, "p99": 40.0}},
        "edit": {"deployments_seconds": 5.0},
    },
    "create": {
        "deployments_seconds": 12.0,
        "ready_seconds": 15.0,
        "writes": {"patch deployments": 1000, "patch services": 1000, "patch modelinstances/status": 1900},
        "reads": {},
        "cpu_seconds": {"operator": 8.0, "kube-apiserver": 33.0, "etcd": 5.0},
    },
    "single": {"to_deployment_ms": {"p50": 30.0, "p99": 60.0}},
    "edit": {"deployments_seconds": 6.0, "edited": 1000, "cpu_seconds": {"operator": 5.0}},
    "restart": {
        "writes": {},
        "reads": {"list deployments": 20},
        "cpu_seconds": {"operator": 9.0},
        "peak_mb": 200.0,
    },
    "failover": {"sigterm": {"writes_to_others": 0}, "sigkill": {"writes_to_others": 0}},
    "rebuild": {"deployments_seconds": 9.0, "rebuilt": 1000},
    "delete": {"writes": {"patch modeltemplates/status": 9}},
}
ROWS = [
    {"name": "allowed", "per_second": 1600.0, "p99_ms": 8.0, "is_judged": True},
    {"name": "denied", "per_second": 1100.0, "p99_ms": 80.0, "is_judged": False},
]


def results() -> dict[str, Any]:
    large = copy.deepcopy(GOOD) | {"instances": 10_000}
    large["create"]["cpu_seconds"]["operator"] = 88.0
    small = copy.deepcopy(GOOD) | {"instances": 200}
    sizes = {"200": small, "1000": copy.deepcopy(GOOD), "10000": large}
    looks = {"instances": 1000, "ms": 0.5, "first_ms": 0.6, "fill_ms": 0.2}
    return {"sizes": sizes, "looks": looks, "webhook": ROWS}


def missed(given: dict[str, Any]) -> list[str]:
    return [verdict.aim.text for verdict in verdicts(given) if verdict.word == "MISSED"]


def test_figures_within_all_bounds_meet_all_aims() -> None:
    assert [verdict.word for verdict in verdicts(results())] == ["met"] * len(AIMS)


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    given = results()
    del given["sizes"]["10000"], given["webhook"]

    words = {verdict.aim.at: verdict.word for verdict in verdicts(given)}

    assert words == {200: "met", 1000: "met", 10_000: "not measured", 0: "not measured"}


@pytest.mark.parametrize(
    ("size", "path", "value", "count"),
    [
        ("1000", ("create", "writes", "patch services"), 1101, 1),
        ("1000", ("create", "reads", "get deployments"), 1, 1),
        ("1000", ("create", "deployments_seconds"), 12.6, 2),
        ("200", ("create", "deployments_seconds"), 12.6, 1),
        ("10000", ("create", "deployments_seconds"), 12.6, 1),
        ("1000", ("create", "ready_seconds"), 16.3, 1),
        ("1000", ("create", "cpu_seconds", "kube-apiserver"), 34.0, 1),
        ("10000", ("create", "cpu_seconds", "etcd"), 8.6, 1),
        ("200", ("edit", "deployments_seconds"), 6.3, 1),
        ("1000", ("single", "to_deployment_ms", "p50"), 31.3, 1),
        ("1000", ("create", "cpu_seconds", "operator"), 9.1, 1),
        ("1000", ("rebuild", "deployments_seconds"), 10.1, 1),
        ("1000", ("edit", "deployments_seconds"), 6.3, 2),
        ("1000", ("single", "to_deployment_ms", "p50"), 40.1, 2),
        ("10000", ("restart", "writes", "patch services"), 1, 1),
        ("10000", ("restart", "cpu_seconds", "operator"), 10.1, 1),
        ("10000", ("restart", "peak_mb"), 251.0, 1),
        ("10000", ("create", "cpu_seconds", "operator"), 93.0, 1),
        ("10000", ("failover", "sigkill", "writes_to_others"), 1, 1),
        ("10000", ("delete", "writes", "patch deployments"), 1, 1),
    ],
    ids=lambda part: ".".join(part) if isinstance(part, tuple) else str(part),
)
def test_a_figure_beyond_its_bound_misses_its_aim(
    size: str, path: tuple[str, ...], value: float, count: int
) -> None:
    given = results()
    place = given["sizes"][size]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    assert len(missed(given)) == count


def test_webhooks_are_judged_by_what_the_operator_answers_alone() -> None:
    slow = {"name": "slow", "per_second": 1499.0, "p99_ms": 10.1, "is_judged": True}

    assert len(missed(results() | {"webhook": [*ROWS, slow]})) == 2


def test_counts_are_split_into_writes_reads_and_what_is_apart() -> None:
    counts = {"patch services": 3, "get services": 2, "create events": 5, "ask create pods": 1}

    assert split(counts) == (
        {"patch services": 3},
        {"get services": 2, "ask create pods": 1},
        {"create events": 5},
    )


def test_a_step_that_was_left_out_has_no_verdict() -> None:
    given = results()
    del given["sizes"]["10000"]["restart"], given["sizes"]["1000"]["edit"]

    open_ = [verdict.aim.text for verdict in verdicts(given) if verdict.met is None]

    assert open_ == [
        "a template's edit in all Deployments over the bare client's time",
        "a template's edit in all Deployments over the Deployments",
        "writes after a restart with nothing to do",
        "CPU seconds of such a restart",
        "peak memory after such a restart in MB",
    ]


def test_what_was_recorded_before_is_judged_with_what_was_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recorded = results()
    recorded["sizes"]["1000"]["single"]["to_deployment_ms"]["p50"] = 50.0
    monkeypatch.setattr(report, "RESULTS", tmp_path / "performance.json")
    now = {"sizes": {"1000": copy.deepcopy(GOOD)}, "time": "today"}
    assert merged(now) == now

    report.RESULTS.write_text(json.dumps(recorded))

    assert missed(recorded) != []
    assert [verdict.word for verdict in verdicts(merged(now))] == ["met"] * len(AIMS)
    assert merged(now)["time"] == "today"
    assert list(merged(now, alone=True)["sizes"]) == ["1000"]


@pytest.mark.parametrize(
    ("commits", "columns"),
    [
        (("abc", "abc", "abc"), ""),
        (("abc", "abc", "abd"), "200, 1,000 on today (commit abc); 10,000 on today (commit abd)."),
        (("abc", "", "abc"), "1,000 on today (commit not recorded); 200, 10,000 on today (commit abc)."),
    ],
)
def test_columns_of_different_recordings_are_named(commits: tuple[str, ...], columns: str) -> None:
    given = results()
    for figures, commit in zip(given["sizes"].values(), commits, strict=True):
        figures.update({"time": "today"} | ({"commit": commit} if commit else {}))

    assert report.recordings(given).endswith(columns)
    assert bool(report.recordings(given)) is bool(columns)


def test_a_large_run_leaves_out_only_what_no_aim_is_about() -> None:
    assert usual_steps(1000) == STEPS
    large = {key: value for key, value in GOOD.items() if key not in LEFT_OUT} | {"instances": 10_000}

    judged = [each for each in verdicts({"sizes": {"1000": GOOD, "10000": large}}) if each.aim.at == 10_000]

    assert set(STEPS) - set(usual_steps(10_000)) == set(LEFT_OUT)
    assert {each.word for each in judged} == {"met"}, "none is open"
