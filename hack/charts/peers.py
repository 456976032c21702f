"""The chart of the comparison with other operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hack.charts.drawing import bars, figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

_TIMES = {
    "all Deployments": "deployments_seconds",
    "all Ready": "ready_seconds",
    "an edit in all Deployments": "edit_seconds",
}
_CPU = {"API server": "server_cpu_ms", "controller": "controller_cpu_ms"}


def peers(results: Mapping[str, Any]) -> Figure:
    """Draw the times, the requests and the CPU time of each operator."""
    made, (times, cpu) = figure(2)
    figures = results["figures"]
    bars(times, f"{results['instances']:,} instances", "s", _groups(figures, _TIMES))
    bars(cpu, "CPU time for each instance", "ms", _groups(figures, _CPU))
    return made


def _groups(
    figures: Mapping[str, Mapping[str, float]], keys: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    return {
        operator: {name: each[key] for name, key in keys.items() if key in each}
        for operator, each in figures.items()
    }
