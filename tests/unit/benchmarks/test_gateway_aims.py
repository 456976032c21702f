"""The verdicts of the gateway's benchmark on figures that are given, and its tables."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from benchmarks.gateway import report
from benchmarks.gateway.aims import AIMS, verdicts

GOOD: dict[str, Any] = {
    "small": {
        "direct": {
            "cpu_ms": 0.0,
            "per_second": 9000.0,
            "core_share": 0.0,
            "per_cpu_second": 0.0,
            "failures": 0,
        },
        "Envoy": {
            "cpu_ms": 0.06,
            "per_second": 6000,
            "core_share": 0.4,
            "per_cpu_second": 8000.0,
            "failures": 0,
        },
        "LiteLLM": {
            "cpu_ms": 8.0,
            "per_second": 90,
            "core_share": 1.0,
            "per_cpu_second": 90.0,
            "failures": 2,
        },
        "ours": {
            "cpu_ms": 1.0,
            "per_second": 990,
            "core_share": 0.99,
            "per_cpu_second": 1000.0,
            "failures": 0,
        },
    },
    "latency": {
        "direct": {"p50_ms": 0.4, "p99_ms": 1.0, "failures": 0},
        "ours": {"p50_ms": 1.5, "p99_ms": 3.0, "failures": 0},
    },
    "chunks": {"ours": {"cpu_us": 70.0, "failures": 0}},
    "first_chunks": {
        "direct": {"p50_ms": 0.5, "p99_ms": 2.0, "failures": 0},
        "ours": {"p50_ms": 2.0, "p99_ms": 9.0, "failures": 0},
    },
    "api": {"requests": 20_000, "seconds": 30.0, "reviews_in_10_s": 2.0, "others": 0},
    "routed": {"p50_ms": 5.0, "max_ms": 20.0},
    "size": {"instances": 10_000, "rss_mib": 150.0},
    "lists": {
        "instances": 10_000,
        "p50_ms": 5.0,
        "p99_ms": 9.0,
        "cpu_ms": 3.0,
        "reviews_in_10_s": 2.0,
        "others": 0,
        "failures": 0,
        "sorted_p50_ms": 14.0,
        "last_p50_ms": 5.0,
        "filtered_p50_ms": 12.0,
        "rss_mib": 180.0,
    },
    "creations": {
        "rest_p50_ms": 12.0,
        "bare_p50_ms": 10.0,
        "rest_p99_ms": 20.0,
        "bare_p99_ms": 15.0,
        "ratio": 1.2,
        "cpu_ms": 2.0,
    },
    "growth": {
        "before_mib": 90.0,
        "growth_mib": 1.0,
        "in_flight": 0.0,
        "still_running_at_worker": 0,
        "sockets_growth": -1,
        "worker_connections": 0,
        "aborted": 5000,
        "aborted_at_worker": 5000,
    },
}


def changed(part: str, contender: str | None, **fields: float) -> dict[str, Any]:
    figures = copy.deepcopy(GOOD)
    (figures[part] if contender is None else figures[part][contender]).update(fields)
    return figures


def missed(figures: dict[str, Any]) -> list[str]:
    return [verdict.aim.text for verdict in verdicts(figures) if verdict.word == "MISSED"]


def test_figures_within_all_bounds_meet_all_aims() -> None:
    assert [verdict.word for verdict in verdicts(GOOD)] == ["met"] * len(AIMS)


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (changed("small", "ours", cpu_ms=1.3), "CPU of a small request, ms"),
        (changed("small", "LiteLLM", cpu_ms=3.0), "… over LiteLLM's"),
        (changed("small", "ours", per_cpu_second=850.0), None),
        (changed("small", "ours", per_cpu_second=790.0), "… over raw Envoy's"),
        (changed("latency", "ours", p50_ms=2.0), "added time at 50 requests in a second, median, ms"),
        (changed("latency", "direct", p99_ms=0.1, p50_ms=0.1), None),
        (changed("chunks", "ours", cpu_us=91.0), "CPU of a chunk of a stream, µs"),
        (changed("api", None, others=1), "requests to the API server, but for reviews"),
        (changed("lists", None, p50_ms=10.1), "list of 100 out of 10,000 models, median, ms"),
        (changed("lists", None, failures=1), "… failed requests of all lists"),
        (changed("lists", None, others=1), "… requests to the API server for lists, but for reviews"),
        (changed("lists", None, rss_mib=201.0), "memory after lists of 10,000 models, MiB"),
        (changed("creations", None, ratio=1.31), "create over the bare POST, medians"),
        (changed("growth", None, worker_connections=1), "sockets that are left, at both ends"),
        (changed("growth", None, sockets_growth=1), "sockets that are left, at both ends"),
    ],
)
def test_one_figure_beyond_its_bound_misses_its_aim(figures: dict[str, Any], expected: str | None) -> None:
    assert missed(figures) == ([] if expected is None else [expected])


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    words = {verdict.word for verdict in verdicts({"chunks": GOOD["chunks"]})}
    assert words == {"met", "not measured"}


def test_the_tables_show_what_there_is() -> None:
    results = {"figures": {"small": GOOD["small"], "api": GOOD["api"]}}
    shown = {row[0]: row[1:] for row in report.compared(results).rows}
    assert shown["CPU of a small request, ms"] == ["0.000", "0.060", "8.000 (some failed)", "1.000"]
    assert shown["CPU of a chunk of a stream, µs"] == [""] * 4
    assert shown["failed requests in all of these"] == ["0", "0", "2", "0"]
    assert len(report.alone(results).rows) == 2
    shown = {row[0]: row[1] for row in report.alone({"figures": GOOD}).rows}
    assert shown["… sorted / last page / filtered / of deployments: p50, ms"] == "14.0 / 5.0 / 12.0 / failed"
    assert shown["create over REST, with the webhooks: p50 / p99, ms"] == "12.0 / 20.0"
    assert len(report.alone({"figures": GOOD}).rows) == 15
