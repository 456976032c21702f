"""What is promised of roll-outs in steps, and what was measured, as tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.gateway.aims import Aim, verdicts
from benchmarks.report import Grid, machine, markdown, print_grids
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Figures = Mapping[str, Any]

RESULTS = REPOSITORY / "docs" / "rollouts-performance.json"


def writes_per_instance(figures: Figures, part: str) -> float:
    """Give the writes to instances and their children in one roll-out, for each instance."""
    writes = figures[part]["writes"]
    count = sum(number for what, number in writes.items() if "modeltemplate" not in what)
    return float(count / figures["instances"])


def _revisions(figures: Figures) -> int:
    return int(figures["sliding"]["writes"].get("create modeltemplaterevisions", 0))


def _sum(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


AIMS = (
    Aim("a decision on the instances, ms", 20.0, lambda f: max(f["decision_ms"].values())),
    Aim("revisions that an edit stores", 1.0, _revisions),
    Aim(
        "writes for each instance, in steps more than all at once",
        1.0,
        lambda f: writes_per_instance(f, "batches") - writes_per_instance(f, "at_once"),
    ),
    Aim(
        "… Deployments among the writes in steps",
        1.0,
        lambda f: f["batches"]["writes"].get("patch deployments", 0) / f["instances"],
    ),
    Aim(
        "writes to instances and children when steps alone are edited",
        0.0,
        lambda f: sum(n for what, n in f["policy"]["writes"].items() if "modeltemplate" not in what),
    ),
    Aim(
        "template statuses in a second, on average of a roll-out",
        1.0,
        lambda f: max(f[part]["statuses_per_second"] for part in ("sliding", "batches")),
    ),
    Aim(
        "last instance of a batch Ready to the next move, longest, ms",
        1000.0,
        lambda f: f["batches"]["longest_gap_ms"],
    ),
    Aim("writes after a restart with nothing to do", 0.0, lambda f: _sum(f["restart"]["writes"])),
    Aim("edit to the stored revision, median, ms", 50.0, lambda f: f["revisions"]["to_stored_ms"]["p50"]),
    Aim(
        "revisions left by the edits, beyond the limit and those in use",
        0.0,
        lambda f: max(0, f["revisions"]["left"] - f["revisions"]["most_left"]),
    ),
)

PARTS = {"at_once": "all at once", "sliding": "10 % at a time", "batches": "10 steps"}
"""How the same edit rolls out: names of the measured parts, and of the columns."""
_ROWS: tuple[tuple[str, Callable[[Any, str], str]], ...] = (
    ("all Deployments have the edit, s", lambda f, part: f"{f[part]['moved_seconds']:.1f}"),
    ("all instances are Ready with it, s", lambda f, part: f"{f[part]['arrived_seconds']:.1f}"),
    ("the template reports it, s", lambda f, part: f"{f[part]['complete_seconds']:.1f}"),
    ("writes for each instance", lambda f, part: f"{writes_per_instance(f, part):.2f}"),
    ("statuses of the template", lambda f, part: f"{f[part]['statuses']}"),
    ("… in a second, on average", lambda f, part: f"{f[part]['statuses_per_second']:.2f}"),
    ("… most in any second", lambda f, part: f"{f[part]['most_statuses_in_a_second']}"),
    ("the operator's CPU, s", lambda f, part: f"{f[part]['cpu_seconds']['operator']:.1f}"),
    ("its peak memory, MB", lambda f, part: f"{f[part]['peak_mb']:.0f}"),
)


def aims(results: Mapping[str, Any]) -> Grid:
    """Give the verdict on each aim."""
    rows = []
    for verdict in verdicts(results["figures"], AIMS):
        value = "" if verdict.value is None else f"{verdict.value:,.4g}"
        rows.append([verdict.aim.text, f"≤ {verdict.aim.limit:g}", value, verdict.word])
    return Grid(["aim", "promised", "measured", "verdict"], rows)


def roll_outs(results: Mapping[str, Any]) -> Grid:
    """Give what the same edit took, all at once and in steps."""
    figures = results["figures"]
    measured = [part for part in PARTS if part in figures]
    rows = [[label, *(show(figures, part) for part in measured)] for label, show in _ROWS]
    count = figures.get("instances", 0)
    return Grid([f"{count:,} instances", *(PARTS[part] for part in measured)], rows if measured else [])


def others(results: Mapping[str, Any]) -> Grid:
    """Give what was measured besides."""
    figures = results["figures"]
    rows = []
    if decision := figures.get("decision_ms"):
        times = " / ".join(f"{each:.1f}" for each in decision.values())
        rows.append(["a decision, at the beginning / in the middle / at the end, ms", times])
    if batches := figures.get("batches"):
        gaps = f"{batches['gap_ms']['p50']:,.0f} / {batches['longest_gap_ms']:,.0f}"
        rows.append(["last instance of a batch Ready to the next move, median / longest, ms", gaps])
    if edits := figures.get("revisions"):
        times = f"{edits['to_stored_ms']['p50']:.0f} / {edits['to_stored_ms']['p99']:.0f}"
        rows.append([f"{edits['edits']:,} edits: to the stored revision, p50 / p99, ms", times])
        rows.append(["… revisions left / most", f"{edits['left']} / {edits['most_left']}"])
        rows.append(["… growth of the operator's peak memory, MB", f"{edits['grown_mb']:.0f}"])
        rows.append(["… writes for each edit", f"{_sum(edits['writes']) / edits['edits']:.2f}"])
    return Grid(["", ""], rows)


def document() -> str:
    """Give the generated part of ``docs/performance.md``."""
    if not RESULTS.exists():
        return "Not measured yet."
    results = json.loads(RESULTS.read_text())
    tables = (aims(results), roll_outs(results), others(results))
    return "\n\n".join([machine(results), *map(markdown, tables)])


def show(results: Mapping[str, Any]) -> None:
    """Print the tables."""
    print_grids((roll_outs(results), others(results), aims(results)))
    print(machine(results))
