"""The comparison with other operators as a table.

Its figures were taken by another driver, which is the same for all operators and is not part of this
repository, so that they are kept as they were noted, and no program here records them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.report import Grid, markdown
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RESULTS = REPOSITORY / "docs" / "peers-performance.json"


def _single(figures: Mapping[str, Any]) -> str:
    least, most = figures["single_ms"]
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


_ROWS: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("all Deployments, s", lambda f: f"{f['deployments_seconds']:.1f}"),
    ("all Ready, s", lambda f: f"{f['ready_seconds']:.1f}"),
    ("an edit in all Deployments, s", lambda f: f"{f['edit_seconds']:.1f}"),
    ("requests for each instance", lambda f: f"{f['requests']:g}"),
    ("the API server's CPU for each instance, ms", lambda f: f"{f['server_cpu_ms']:g}"),
    ("the controller's CPU for each instance, ms", lambda f: f"{f['controller_cpu_ms']:.1f}"),
    ("the controller's memory, MB", lambda f: f"{f['memory_mb']:g}"),
    ("single create to the Deployment, ms", _single),
)


def compared(results: Mapping[str, Any]) -> Grid:
    """Give what was measured of each operator; nothing where it was not."""
    figures = results["figures"]
    rows = [[label, *(_cell(show, each) for each in figures.values())] for label, show in _ROWS]
    return Grid([f"{results['instances']:,} instances", *figures], rows)


def _cell(show: Callable[[Any], str], figures: Mapping[str, Any]) -> str:
    try:
        return show(figures)
    except KeyError:
        return ""


def document() -> str:
    """Give the generated part of ``docs/performance.md``."""
    results = json.loads(RESULTS.read_text())
    return f"{results['machine']}, {results['time']}.\n\n{markdown(compared(results))}"
