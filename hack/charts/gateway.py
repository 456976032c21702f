"""The chart of ``make bench-gateway``: the gateway beside Envoy, LiteLLM, and the worker itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.distribution import curve
from benchmarks.gateway.processes import CONTENDERS, DIRECT
from hack.charts.drawing import Series, bars, curves, figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure


def gateway(results: Mapping[str, Any]) -> Figure:
    """Draw what a request costs, how many there are in a second, and how the times are distributed."""
    figures = results["figures"]
    small = {name: figures["small"][name] for name in CONTENDERS if name in figures["small"]}
    made, (cpu, rate, paced, streamed) = figure(2, 2)
    measured = {name: each for name, each in small.items() if name != DIRECT}
    bars(cpu, "CPU time of a small request", "ms", _bars(measured, "cpu_ms"), digits=2)
    bars(rate, "64 connections: requests in a second", "", _bars(small, "per_second"), digits=0)
    for panel, title, part in (
        (paced, "50 requests in a second", "latency"),
        (streamed, "First chunk, 200 streams", "first_chunks"),
    ):
        given = figures.get(part, {})
        curves(panel, title, [Series(name, *curve(given[name])) for name in CONTENDERS if name in given])
    return made


def _bars(measured: Mapping[str, Mapping[str, float]], key: str) -> dict[str, dict[str, float]]:
    return {name: {"": each[key]} for name, each in measured.items()}
