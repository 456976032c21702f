"""The results of the simulation as tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.report import RESULTS, Grid, markdown, print_grids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY = "simulation"
"""Under which the results are in the file of ``make bench``."""
QUOTA_MB = 2 * 2**30 / 1e6
"""etcd's default ``--quota-backend-bytes``."""
_INSTANCES_OWN = ("ModelInstance", "Deployment", "Service")


def _each(name: str) -> Callable[[Any], str]:
    """Give CPU seconds, and milliseconds for each instance."""
    return lambda f: f"{f[name]:.1f} / {f[name] / f['instances'] * 1000:.2f}"


_ROWS: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("**Caches filled**: memory, MB", lambda f: f"{f['filled_mb']:.0f}"),
    (
        "… for each instance, beyond the process without any, KB",
        lambda f: f"{(f['filled_mb'] - f['start_mb']) * 1024 / f['instances']:.1f}",
    ),
    ("… CPU, s / for each instance, ms", _each("fill_cpu_seconds")),
    ("… read from the API server, MB", lambda f: f"{f['listed_mb']:.0f}"),
    ("**First look at each instance**: CPU, s / for each, ms", _each("first_look_cpu_seconds")),
    ("… a later look", _each("later_look_cpu_seconds")),
    ("… writes to instances and children in both", lambda f: str(writes(f))),
    ("**Resync**, without its look: CPU, s / for each, ms", _each("resync_cpu_seconds")),
    ("… read from the API server, MB", lambda f: f"{f['resync_mb']:.0f}"),
    (
        "**Edit of the template in 10 steps**: first decision / a later one, CPU, s",
        lambda f: f"{f['first_decision_cpu_seconds']:.2f} / {f['later_decision_cpu_seconds']:.2f}",
    ),
    ("**Peak memory** of all this, MB", lambda f: f"{f['peak_mb']:.0f}"),
)


def writes(figures: Mapping[str, Any]) -> int:
    """Give how often the operator wrote to instances and children, which had nothing to do."""
    return sum(count for what, count in figures["writes"].items() if "modeltemplate" not in what)


def simulated(results: Mapping[str, Any]) -> Grid:
    """Give what the operator used, a column for each number of instances."""
    sizes = sorted(results["sizes"], key=int)
    rows = [[label, *(show(results["sizes"][size]) for size in sizes)] for label, show in _ROWS]
    stored = sum(results["bytes"][kind]["stored"] for kind in _INSTANCES_OWN)
    in_etcd = [stored * int(size) / 1e6 for size in sizes]
    rows.append(
        [
            "**In etcd**, one version of each object, MB / share of the default quota",
            *(f"{each:.0f} / {each / QUOTA_MB:.0%}" for each in in_etcd),
        ]
    )
    return Grid(["", *(f"{int(size):,}" for size in sizes)], rows)


def sizes_of_objects(results: Mapping[str, Any]) -> Grid:
    """Give how large the objects are, by kind."""
    rows = [
        [kind, *(f"{each[name] / 1000:.1f}" for name in ("json", "metadata", "stored"))]
        for kind, each in results["bytes"].items()
    ]
    return Grid(["KB", "in a list", "in a list of metadata", "in etcd"], rows)


def document() -> str:
    """Give the generated part of ``docs/performance.md``."""
    results = (json.loads(RESULTS.read_text()) if RESULTS.exists() else {}).get(KEY)
    if results is None:
        return "Not measured yet."
    facts = results["machine"]
    head = (
        f"One of {facts['cores']} cores of {facts['cpu']}, Python {facts['python']}, {results['time']}, "
        f"commit {results['commit']}; load before the start {facts['load_before']:g}."
    )
    return "\n\n".join([head, markdown(simulated(results)), markdown(sizes_of_objects(results))])


def show(results: Mapping[str, Any]) -> None:
    """Print the tables."""
    print_grids((simulated(results), sizes_of_objects(results)))
