"""The results of a run as tables, for the terminal and for the documentation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.gateway.aims import verdicts
from benchmarks.gateway.processes import CONTENDERS
from benchmarks.report import Grid, markdown, print_grids
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RESULTS = REPOSITORY / "docs" / "gateway-performance.json"

_COMPARED: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("CPU of a small request, ms", "small", lambda f: f"{f['cpu_ms']:.3f}"),
    ("64 connections: requests in a second", "small", lambda f: f"{f['per_second']:,.0f}"),
    ("… share of its core that it used", "small", lambda f: f"{f['core_share']:.0%}"),
    ("… requests in a second of its CPU", "small", lambda f: f"{f['per_cpu_second']:,.0f}"),
    ("50 requests in a second: p50 / p99, ms", "latency", lambda f: f"{f['p50_ms']:.2f} / {f['p99_ms']:.2f}"),
    ("CPU of a chunk of a stream, µs", "chunks", lambda f: f"{f['cpu_us']:.0f}"),
    (
        "200 streams: first chunk, p50 / p99, ms",
        "first_chunks",
        lambda f: f"{f['p50_ms']:.2f} / {f['p99_ms']:.2f}",
    ),
    ("failed requests in all of these", "failures", str),
)


def aims(results: Mapping[str, Any]) -> Grid:
    """Give the verdict on each aim."""
    rows = []
    for verdict in verdicts(results["figures"]):
        bound = f"{'≥' if verdict.aim.least else '≤'} {verdict.aim.limit:g}"
        value = "" if verdict.value is None else f"{verdict.value:,.4g}"
        rows.append([verdict.aim.text, bound, value, verdict.word])
    return Grid(["aim", "promised", "measured", "verdict"], rows)


def compared(results: Mapping[str, Any]) -> Grid:
    """Give what was measured of all contenders."""
    figures = dict(results["figures"])
    parts = [figures[name] for name in ("small", "latency", "chunks", "first_chunks") if name in figures]
    figures["failures"] = {
        name: sum(part.get(name, {}).get("failures", 0) for part in parts) for name in CONTENDERS
    }
    rows = [
        [label, *(_cell(show, figures.get(part, {}).get(name)) for name in CONTENDERS)]
        for label, part, show in _COMPARED
    ]
    return Grid(["", *CONTENDERS], rows)


def alone(results: Mapping[str, Any]) -> Grid:
    """Give what was measured of the gateway alone."""
    figures = results["figures"]
    rows: list[list[str]] = []
    if api := figures.get("api"):
        rows.append(["requests of one key", f"{api['requests']:,} in {api['seconds']:.0f} s"])
        rows.append(
            [
                "… reviews in 10 s, other requests to the API server",
                f"{api['reviews_in_10_s']:.1f}, {api['others']}",
            ]
        )
    if routed := figures.get("routed"):
        label = "a worker becomes ready, or leaves, until routed so: p50 / longest, ms"
        rows.append([label, f"{routed['p50_ms']:.1f} / {routed['max_ms']:.1f}"])
    if size := figures.get("size"):
        rows.append([f"memory with {size['instances']:,} instances, MiB", f"{size['rss_mib']:.0f}"])
    rows += [*_lists(figures), *_creations(figures)]
    if growth := figures.get("growth"):
        rows.append(["memory before the 50,000 requests, MiB", f"{growth['before_mib']:.1f}"])
        rows.append(["… growth by them, MiB", f"{growth['growth_mib']:.1f}"])
        rows.append(
            [
                "… aborted by clients; had reached the worker, and were closed there",
                f"{growth['aborted']:,}, {growth['aborted_at_worker']:,}",
            ]
        )
    return Grid(["the gateway alone", ""], rows)


def _lists(figures: Mapping[str, Any]) -> list[list[str]]:
    lists = figures.get("lists")
    if not lists:
        return []
    label = f"list of 100 out of {lists['instances']:,} models: p50 / p99 / its CPU, ms"
    reviews = f"{lists['reviews_in_10_s']:.1f}, {lists['others']}"
    names = ("sorted", "last", "filtered", "deployments")
    others = [f"{lists[each]:.1f}" if (each := f"{name}_p50_ms") in lists else "failed" for name in names]
    return [
        [label, f"{lists['p50_ms']:.1f} / {lists['p99_ms']:.1f} / {lists['cpu_ms']:.1f}"],
        ["… reviews in 10 s, other requests to the API server", reviews],
        ["… sorted / last page / filtered / of deployments: p50, ms", " / ".join(others)],
        ["… memory after it, MiB", f"{lists['rss_mib']:.0f}"],
    ]


def _creations(figures: Mapping[str, Any]) -> list[list[str]]:
    made = figures.get("creations")
    if not made:
        return []
    rows = []
    for title, each in (("with the webhooks", made), ("without webhooks", made.get("without_webhooks"))):
        if not each:
            continue
        times = [f"{each[f'{name}_p50_ms']:.1f} / {each[f'{name}_p99_ms']:.1f}" for name in ("rest", "bare")]
        rows += [
            [f"create over REST, {title}: p50 / p99, ms", times[0]],
            ["… the bare POST of the object: p50 / p99, ms", times[1]],
            ["… ratio of the medians", f"{each['ratio']:.2f}"],
            ["… the gateway's CPU of it, with two events of the watch, ms", f"{each['cpu_ms']:.2f}"],
        ]
    return rows


def _cell(show: Callable[[Any], str], figures: Any) -> str:
    try:
        shown = "" if figures is None else show(figures)
    except KeyError:
        return ""
    failed = figures["failures"] if isinstance(figures, dict) else 0
    return f"{shown} (some failed)" if failed else shown


def machine(results: Mapping[str, Any]) -> str:
    """Say on what, when and with what it was measured."""
    facts = results["machine"]
    return (
        f"{facts['cores']} cores of {facts['cpu']}, {facts['memory_gib']:g} GiB, Linux {facts['kernel']}, "
        f"Python {facts['python']}, {results['rivals']}, model-operator {results['version']}, "
        f"{results['time']}; load before the start {facts['load_before']:g}, "
        f"of other processes during it {results['load_of_others']:.2f} cores."
    )


def document() -> str:
    """Give the generated part of ``docs/performance.md``."""
    if not RESULTS.exists():
        return "Not measured yet."
    results = json.loads(RESULTS.read_text())
    return "\n\n".join([machine(results), *map(markdown, (aims(results), compared(results), alone(results)))])


def show(results: Mapping[str, Any]) -> None:
    """Print the tables."""
    print_grids([compared(results), alone(results), aims(results)])
    print(machine(results))
