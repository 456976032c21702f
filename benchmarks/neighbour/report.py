"""What is promised to a namespace beside a busy one, and what was measured, as tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.gateway.aims import Aim, verdicts
from benchmarks.report import Grid, machine, markdown, print_grids
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Figures = Mapping[str, Any]

RESULTS = REPOSITORY / "docs" / "neighbour-performance.json"

MOST_TIMES = 2.0
MOST_PERCENT = 1.0
NOISES = {"edits": "edits", "churn": "churn"}
"""What happens in the other namespace: names of the measured parts, and of the columns."""
PARTS = (*NOISES, "contest")
_TIMES = {"to_deployment_ms": "to the Deployment", "to_ready_ms": "to Ready"}
_PHASES = {
    "alone": "alone",
    "idle": "beside the same instances, at rest",
    "beside": "beside their changes",
}


def times_as_long(part: str, what: str) -> Callable[[Figures], float]:
    """Give how many times as long a single create takes beside a part as alone, by the medians."""
    return lambda figures: figures[part]["beside"][what]["p50"] / figures[part]["alone"][what]["p50"]


def contested_percent(figures: Figures) -> float:
    """Give the percentage of a core that a contested field costs."""
    contest = figures["contest"]
    seconds = contest["cpu_seconds"]
    return float(100 * (seconds["contested"] - seconds["idle"]) / contest["seconds"])


AIMS = (
    *(
        Aim(
            f"single create {text} beside {noise}, times as long, medians",
            MOST_TIMES,
            times_as_long(part, what),
        )
        for part, noise in NOISES.items()
        for what, text in _TIMES.items()
    ),
    Aim("contested field, % of a core", MOST_PERCENT, contested_percent),
)


def aims(results: Mapping[str, Any]) -> Grid:
    """Give the verdict on each aim."""
    rows = []
    for verdict in verdicts(results["figures"], AIMS):
        value = "" if verdict.value is None else f"{verdict.value:,.3g}"
        rows.append([verdict.aim.text, f"≤ {verdict.aim.limit:g}", value, verdict.word])
    return Grid(["aim", "promised", "measured", "verdict"], rows)


def creates(results: Mapping[str, Any]) -> Grid:
    """Give the times of single creates alone and beside what goes on elsewhere."""
    figures = results["figures"]
    measured = [part for part in NOISES if part in figures]

    def of(show: Callable[[Any], str]) -> list[str]:
        return [show(figures[part]) for part in measured]

    rows = [
        [f"single create {text} {phase}, p50 / p99, ms", *of(lambda f, k=key, w=what: _both(f[k][w]))]  # type: ignore[misc]
        for what, text in _TIMES.items()
        for key, phase in _PHASES.items()
    ]
    rows += [
        ["instances of the other namespace", *of(lambda f: f"{f['instances']:,}")],
        ["changes in a second", *of(lambda f: f"{f['changes_per_second']:.1f}")],
        ["the operator's CPU meanwhile, cores", *of(lambda f: f"{f['operator_share']:.2f}")],
        ["the operator of commit", *of(_commit)],
    ]
    return Grid(["", *(NOISES[part] for part in measured)], rows if measured else [])


def _commit(figures: Figures) -> str:
    return str(figures.get("commit", "not recorded"))


def _both(times: Mapping[str, float]) -> str:
    return f"{times['p50']:,.0f} / {times['p99']:,.0f}"


def contest(results: Mapping[str, Any]) -> Grid:
    """Give what a contested field costs."""
    figures = results["figures"].get("contest")
    if figures is None:
        return Grid(["", ""], [])
    cpu = figures["cpu_seconds"]
    return Grid(
        ["a contested field", f"in {figures['seconds']:g} s"],
        [
            ["changes by the other manager", str(figures["changes"])],
            ["the operator's CPU, s", f"{cpu['contested']:.2f}"],
            ["… without a contest, s", f"{cpu['idle']:.2f}"],
            ["the operator of commit", _commit(figures)],
        ],
    )


def document() -> str:
    """Give the generated part of ``docs/performance.md``."""
    if not RESULTS.exists():
        return "Not measured yet."
    results = json.loads(RESULTS.read_text())
    tables = (aims(results), creates(results), contest(results))
    return "\n\n".join([machine(results), *(markdown(table) for table in tables if table.rows)])


def show(results: Mapping[str, Any]) -> None:
    """Print the tables."""
    print_grids((creates(results), contest(results), aims(results)))
    print(machine(results))
