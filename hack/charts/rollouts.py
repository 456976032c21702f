"""The chart of ``make bench-rollouts``: the time lines of one edit, all at once and in steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.distribution import SHARES
from benchmarks.rollouts.report import PARTS
from hack.charts.drawing import STYLES, bars, figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKS = {
    "all Deployments have the edit": "moved_seconds",
    "all instances are Ready with it": "arrived_seconds",
    "the template reports it": "complete_seconds",
}


def roll_outs(results: Mapping[str, Any]) -> Figure:
    """Draw when the edit reached the instances, and what it took."""
    figures = results["figures"]
    measured = {name: figures[part] for part, name in PARTS.items() if part in figures}
    with_lines = {name: part for name, part in measured.items() if "moved_quantiles" in part}
    made, panels = figure(2, 2 if with_lines else 1)
    if with_lines:
        _time_line(panels[0], "Deployments with the edit", with_lines, "moved_quantiles")
        _time_line(panels[1], "Instances Ready with it", with_lines, "arrived_quantiles")
    times = {name: {mark: part[key] for mark, key in _MARKS.items()} for name, part in measured.items()}
    bars(panels[-2], f"Edit of a template with {figures['instances']:,} instances", "s after the edit", times)
    cpu = {name: {"": part["cpu_seconds"]["operator"]} for name, part in measured.items()}
    bars(panels[-1], "The operator's CPU time for it", "s", cpu)
    return made


def _time_line(panel: Axes, title: str, measured: Mapping[str, Mapping[str, Any]], key: str) -> None:
    for style, (name, part) in zip(STYLES, measured.items(), strict=False):
        panel.plot(part[key], [100 * share for share in SHARES], label=name, **style.line)
    panel.set_xlim(left=0)
    panel.set_ylim(0, 104)
    panel.set_title(title, loc="left")
    panel.set_xlabel("s after the edit")
    panel.set_ylabel("%")
    panel.legend(loc="lower right")
