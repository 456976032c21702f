"""The charts of ``make bench``: costs over the number of instances, and distributions of times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.aims import (
    children_ratio,
    cpu_per_instance_ms,
    create_ratio,
    edit_ratio,
    replay_ratio,
    server_cpu_ms,
)
from benchmarks.distribution import curve
from hack.charts.drawing import Series, curves, figure, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.figure import Figure

    Results = Mapping[str, Any]

_RATIO = 1.25
"""The aim of all ratios over the ceiling."""


def over_instances(label: str, results: Results, value: Callable[[Any], float]) -> Series:
    """Give a figure for each number of instances of which it was measured."""
    points = []
    for size, figures in sorted(results["sizes"].items(), key=lambda item: int(item[0])):
        try:
            points.append((int(size), value(figures)))
        except KeyError:  # of a step that was left out
            continue
    return Series(label, [x for x, _ in points], [y for _, y in points])


def _server_ms(figures: Mapping[str, Any]) -> float:
    return server_cpu_ms(figures["create"], figures["instances"])


def _bare_server_ms(figures: Mapping[str, Any]) -> float:
    return server_cpu_ms(figures["replay"]["create"], figures["instances"])


def _alone_server_ms(figures: Mapping[str, Any]) -> float:
    cpu = figures["ceiling"]["apply_cpu_seconds"]
    return float((cpu["kube-apiserver"] + cpu["etcd"]) / figures["instances"] * 1000)


def _each_ms(step: str, name: str) -> Callable[[Any], float]:
    return lambda figures: figures[step][name] / figures["instances"] * 1000


def cost(results: Results) -> Figure:
    """Draw what an instance costs, over the number of instances."""
    made, (cpu, time, memory, ratio) = figure(2, 2)
    lines(
        cpu,
        "CPU time for each instance until all are Ready",
        "ms",
        [
            over_instances("operator", results, cpu_per_instance_ms),
            over_instances("API server and etcd", results, _server_ms),
            over_instances("… Service and Deployment alone", results, _alone_server_ms),
            over_instances("… with the bare client", results, _bare_server_ms),
        ],
    )
    lines(
        time,
        "Time for all, divided by their number",
        "ms",
        [
            over_instances("all Deployments", results, _each_ms("create", "deployments_seconds")),
            over_instances("all Ready", results, _each_ms("create", "ready_seconds")),
            over_instances("Service and Deployment alone", results, _alone_ms),
            over_instances("all Ready, bare client", results, _bare_ms),
        ],
    )
    lines(
        memory,
        "The operator's peak memory",
        "MB",
        [
            over_instances("create at once", results, lambda figures: figures["create"]["peak_mb"]),
            over_instances("restart", results, lambda figures: figures["restart"]["peak_mb"]),
        ],
    )
    compared = [
        over_instances("all Deployments", results, replay_ratio("create", "deployments_seconds")),
        over_instances("all Ready", results, replay_ratio("create", "ready_seconds")),
        over_instances("template edit", results, replay_ratio("edit", "deployments_seconds")),
    ]
    alone = [
        over_instances("create at once", results, create_ratio),
        over_instances("children created again", results, children_ratio),
        over_instances("template edit", results, edit_ratio),
    ]
    # An early recording has no bare client.
    if any(each.x for each in compared):
        lines(ratio, "Time over the bare client's", "", compared)
    else:
        lines(ratio, "Time over Service and Deployment alone", "", alone)
    ratio.axhline(_RATIO, color="0.0", linewidth=0.7)
    ratio.annotate(
        "aim",
        (1, _RATIO),
        (-2, -2),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        va="top",
    )
    return made


def _bare_ms(figures: Mapping[str, Any]) -> float:
    return float(figures["replay"]["create"]["ready_seconds"] / figures["instances"] * 1000)


def _alone_ms(figures: Mapping[str, Any]) -> float:
    ceiling = figures["ceiling"]
    return float((ceiling["instances_seconds"] + ceiling["apply_seconds"]) / figures["instances"] * 1000)


def latency(results: Results) -> Figure:
    """Draw how the times of a single create, of creates at once and of repairs are distributed."""
    made, panels = figure(2, 2)
    parts = (
        ("Single create to the Deployment", "single", "to_deployment_ms"),
        ("Single create to Ready", "single", "to_ready_ms"),
        ("Created at once, to Ready", "create", "to_ready_ms"),
        ("Drift to its repair, up to 1,000 at once", "drift", "to_repair_ms"),
    )
    for panel, (title, step, name) in zip(panels, parts, strict=True):
        measured = {
            int(size): figures[step][name] for size, figures in results["sizes"].items() if step in figures
        }
        series = [Series(f"{size:,} instances", *curve(measured[size])) for size in sorted(measured)]
        curves(panel, title, series)
    return made
