"""Which charts there are, and from which figures each is drawn."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import peers as peers_report
from benchmarks import report
from benchmarks.gateway import report as gateway_report
from benchmarks.rollouts import report as rollouts_report
from hack.charts.drawing import look, svg
from hack.charts.gateway import gateway
from hack.charts.operator import cost, latency
from hack.charts.peers import peers
from hack.charts.rollouts import roll_outs
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from matplotlib.figure import Figure

    Drawing = Callable[[Mapping[str, Any]], Figure]

CHARTS = REPOSITORY / "docs" / "charts"
DRAWN: Mapping[str, tuple[Path, Drawing]] = {
    "cost": (report.RESULTS, cost),
    "latency": (report.RESULTS, latency),
    "roll-outs": (rollouts_report.RESULTS, roll_outs),
    "gateway": (gateway_report.RESULTS, gateway),
    "peers": (peers_report.RESULTS, peers),
}


def draw(name: str) -> str:
    """Give a chart as SVG, from the figures as they are recorded now."""
    recorded, drawing = DRAWN[name]
    with look():
        return svg(drawing(json.loads(recorded.read_text())))


def charts() -> dict[Path, Callable[[], str]]:
    """Give for the file of each chart the function that draws it."""
    return {CHARTS / f"{name}.svg": partial(draw, name) for name in DRAWN}
