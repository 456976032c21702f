"""The results of a run as tables, for the terminal and for the documentation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.aims import (
    children_ratio,
    cpu_per_instance_ms,
    create_ratio,
    deletion_writes,
    edit_cpu_ms,
    edit_ratio,
    replay_ratio,
    requests_per_instance,
    server_cpu_ms,
    server_ratio,
    single_ratio,
    stepped_cpu_ms,
    verdicts,
)
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

RESULTS = REPOSITORY / "docs" / "performance.json"

Figures = "Mapping[str, Any]"


class Grid(NamedTuple):
    """A table: the heads of its columns, and its rows."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def _both(times: Mapping[str, float]) -> str:
    return f"{times['p50']:,.0f} / {times['p99']:,.0f}"


def _per(counts: Mapping[str, int], of: int) -> str:
    return f"{sum(counts.values()) / of:.2f}"


def _cpu(seconds: Mapping[str, float]) -> str:
    return f"{seconds['kube-apiserver'] + seconds['etcd']:.1f}"


def _ratio(figures: Mapping[str, Any], step: str, name: str) -> str:
    return f"{replay_ratio(step, name)(figures):.2f}"


def _failover_rows(signal: str) -> Iterator[tuple[str, Callable[[Any], str]]]:
    """Give the rows of another replica that takes over when the leader gets a signal."""

    def of(figures: Any) -> Any:
        return figures["failover"][signal.lower()]

    begins = f"**Failover** after a {signal}: to the other's first Deployment, s"
    yield begins, lambda f: f"{of(f)['deployment_seconds']:.1f}"
    yield "… writes to what runs", lambda f: str(of(f)["writes_to_others"])
    yield (
        "… the other's CPU, waiting / leading, s",
        lambda f: f"{of(f)['standby']['cpu_seconds']:.1f} / {of(f)['leader']['cpu_seconds']:.1f}",
    )
    yield (
        "… its peak memory, waiting / leading, MB",
        lambda f: f"{of(f)['standby']['peak_mb']:.0f} / {of(f)['leader']['peak_mb']:.0f}",
    )


_ROWS: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("measured on", lambda f: f["time"]),
    ("… the operator of commit", lambda f: f["commit"]),
    (
        "**Bare client** in the operator's place: all Deployments, s",
        lambda f: f"{f['replay']['create']['deployments_seconds']:.1f}",
    ),
    ("… all Ready, s", lambda f: f"{f['replay']['create']['ready_seconds']:.1f}"),
    (
        "… the API server's and etcd's CPU for each instance, ms",
        lambda f: f"{server_cpu_ms(f['replay']['create'], f['instances']):.1f}",
    ),
    (
        "… its own CPU for each, ms",
        lambda f: f"{f['replay']['create']['cpu_seconds']['bare'] / f['instances'] * 1000:.1f}",
    ),
    (
        "… single create to the Deployment, p50 / p99, ms",
        lambda f: _both(f["replay"]["single"]["to_deployment_ms"]),
    ),
    (
        "… a template's edit in all Deployments, s",
        lambda f: f"{f['replay']['edit']['deployments_seconds']:.1f}",
    ),
    ("**Service and Deployment alone**, applied, s", lambda f: f"{f['ceiling']['apply_seconds']:.1f}"),
    ("… the API server's and etcd's CPU for it, s", lambda f: _cpu(f["ceiling"]["apply_cpu_seconds"])),
    ("… the same by POST, s", lambda f: f"{f['ceiling']['post_seconds']:.1f}"),
    ("… ModelInstances by POST, s", lambda f: f"{f['ceiling']['instances_seconds']:.1f}"),
    ("… a later version of the Deployments, applied, s", lambda f: f"{f['ceiling']['edit_seconds']:.1f}"),
    ("**Create at once**: all Deployments, s", lambda f: f"{f['create']['deployments_seconds']:.1f}"),
    ("… over the bare client's", lambda f: _ratio(f, "create", "deployments_seconds")),
    ("… over Service and Deployment", lambda f: f"{create_ratio(f):.2f}"),
    ("… all Ready, s", lambda f: f"{f['create']['ready_seconds']:.1f}"),
    ("… over the bare client's", lambda f: _ratio(f, "create", "ready_seconds")),
    ("… to the Deployment, p50 / p99, ms", lambda f: _both(f["create"]["to_deployment_ms"])),
    ("… to Ready, p50 / p99, ms", lambda f: _both(f["create"]["to_ready_ms"])),
    ("… requests for each instance", lambda f: f"{requests_per_instance(f):.2f}"),
    ("… Events for each instance, apart", lambda f: _per(f["create"]["apart"], f["instances"])),
    ("… the operator's CPU for each, ms", lambda f: f"{cpu_per_instance_ms(f):.1f}"),
    ("… the API server's and etcd's CPU until all Ready, s", lambda f: _cpu(f["create"]["cpu_seconds"])),
    ("… the same for each, ms", lambda f: f"{server_cpu_ms(f['create'], f['instances']):.1f}"),
    ("… over that with the bare client", lambda f: f"{server_ratio(f):.2f}"),
    ("… the benchmark's own CPU until then, s", lambda f: f"{f['create']['cpu_seconds']['benchmark']:.1f}"),
    ("… the operator's peak memory, MB", lambda f: f"{f['create']['peak_mb']:.0f}"),
    (
        "… the API server's and etcd's, MB",
        lambda f: "{kube-apiserver} / {etcd}".format_map(f["create"]["peak_server_mb"]),
    ),
    ("**Single create**: to the Deployment, p50 / p99, ms", lambda f: _both(f["single"]["to_deployment_ms"])),
    ("… over the bare client's, medians", lambda f: f"{single_ratio(f):.2f}"),
    ("… to Ready, p50 / p99, ms", lambda f: _both(f["single"]["to_ready_ms"])),
    ("**Template edit**: all Deployments, s", lambda f: f"{f['edit']['deployments_seconds']:.1f}"),
    ("… over the bare client's", lambda f: _ratio(f, "edit", "deployments_seconds")),
    ("… over the Deployments alone", lambda f: f"{edit_ratio(f):.2f}"),
    ("… all Ready, s", lambda f: f"{f['edit']['ready_seconds']:.1f}"),
    ("… over the bare client's", lambda f: _ratio(f, "edit", "ready_seconds")),
    ("… requests for each instance", lambda f: _per(f["edit"]["writes"], f["edit"]["edited"])),
    ("… the operator's CPU for each, ms", lambda f: f"{edit_cpu_ms(f):.1f}"),
    (
        "**Template edit in 10 steps**: all Deployments, s",
        lambda f: f"{f['edit_in_steps']['moved_seconds']:.1f}",
    ),
    ("… all Ready, s", lambda f: f"{f['edit_in_steps']['arrived_seconds']:.1f}"),
    ("… the template reports it, s", lambda f: f"{f['edit_in_steps']['complete_seconds']:.1f}"),
    (
        "… writes for each instance",
        lambda f: _per(f["edit_in_steps"]["writes"], f["edit_in_steps"]["edited"]),
    ),
    ("… the operator's CPU for each, ms", lambda f: f"{stepped_cpu_ms(f):.1f}"),
    ("**Drift** of up to 1,000 Deployments: repaired, s", lambda f: f"{f['drift']['repaired_seconds']:.1f}"),
    ("… p50 / p99, ms", lambda f: _both(f["drift"]["to_repair_ms"])),
    ("**Restart**, nothing to do: ready, s", lambda f: f"{f['restart']['to_ready_seconds']:.1f}"),
    ("… writes", lambda f: str(sum(f["restart"]["writes"].values()))),
    ("… the operator's CPU, s", lambda f: f"{f['restart']['cpu_seconds']['operator']:.1f}"),
    ("… its peak memory, MB", lambda f: f"{f['restart']['peak_mb']:.0f}"),
    *(row for signal in ("SIGTERM", "SIGKILL") for row in _failover_rows(signal)),
    ("**All children created again**: s", lambda f: f"{f['rebuild']['deployments_seconds']:.1f}"),
    ("… over Service and Deployment", lambda f: f"{children_ratio(f):.2f}"),
    ("**Delete all**: instances and children, s", lambda f: f"{f['delete']['seconds']:.1f}"),
    (
        "… the operator's writes to children and instances",
        lambda f: f"{deletion_writes(f):.0f}",
    ),
)


def figures(results: Mapping[str, Any]) -> Grid:
    """Give what was measured, a column for each number of instances."""
    sizes = sorted(map(int, results["sizes"]))
    rows = [[label, *(_cell(show, results["sizes"][str(size)]) for size in sizes)] for label, show in _ROWS]
    # What none of the recordings has is left out.
    return Grid(["", *(f"{size:,}" for size in sizes)], [row for row in rows if any(row[1:])])


def _cell(show: Callable[[Any], str], measured: Mapping[str, Any]) -> str:
    """Show a figure; nothing where its step was left out."""
    try:
        return show(measured)
    except KeyError:
        return ""


def requests(results: Mapping[str, Any], step: str = "create") -> Grid:
    """Give the requests of one step for each instance, by verb and resource."""
    sizes = sorted(map(int, results["sizes"]))
    measured = {size: each for size in sizes if step in (each := results["sizes"][str(size)])}
    counts = {
        size: {**each[step]["writes"], **each[step]["reads"], **each[step]["apart"]}
        for size, each in measured.items()
    }
    kinds = sorted({kind for each in counts.values() for kind in each})
    rows = [[f"`{kind}`", *(f"{counts[size].get(kind, 0) / size:.3f}" for size in counts)] for kind in kinds]
    return Grid(["request", *(f"{size:,}" for size in counts)], rows)


def aims(results: Mapping[str, Any]) -> Grid:
    """Give the verdict on each aim."""
    rows = []
    for verdict in verdicts(results):
        aim = verdict.aim
        bound = f"{'≥' if aim.least else '≤'} {aim.limit:,g}"
        value = "" if verdict.value is None else f"{verdict.value:,.5g}"
        rows.append([aim.text, f"{aim.at:,}" if aim.at else "", bound, value, verdict.word])
    return Grid(["aim", "instances", "promised", "measured", "verdict"], rows)


def webhook(results: Mapping[str, Any]) -> Grid:
    """Give how many admission reviews are answered."""
    rows = [
        [row["name"], f"{row['per_second']:,.0f}", f"{row['p50_ms']:.1f}", f"{row['p99_ms']:.1f}"]
        for row in results.get("webhook", ())
    ]
    return Grid(["review", "in a second", "p50 ms", "p99 ms"], rows)


def looks(results: Mapping[str, Any]) -> Grid:
    """Give what a reconcile costs that finds nothing to do."""
    found = results.get("looks", {})
    labels = {
        "first_ms": "the first reconcile after a restart, with nothing to do",
        "ms": "a later one, as at a resync",
        "fill_ms": "filling the caches with an instance and its children",
    }
    rows = [[label, f"{found[name]:.2f}"] for name, label in labels.items() if name in found]
    return Grid(["the operator's CPU for each instance, without requests", "ms"], rows)


def machine(results: Mapping[str, Any]) -> str:
    """Say on what, when and with what it was measured."""
    facts = results["machine"]
    version = (
        f"{results['version']} (commit {results['commit']})" if "commit" in results else results["version"]
    )
    return (
        f"{facts['cores']} cores of {facts['cpu']}, {facts['memory_gib']:g} GiB, Linux {facts['kernel']}, "
        f"Python {facts['python']}, kube-apiserver {results['kubernetes']}, "
        f"model-operator {version}, {results['time']}; "
        f"load before the start {facts['load_before']:g}."
    )


def recordings(results: Mapping[str, Any]) -> str:
    """Say that the columns were not recorded together; nothing when they were."""
    by_recording: dict[tuple[str, str], list[int]] = {}
    for size, each in results["sizes"].items():
        by_recording.setdefault((each["time"], each.get("commit", "")), []).append(int(size))
    if len(by_recording) < 2:
        return ""
    parts = (
        f"{', '.join(f'{size:,}' for size in sorted(sizes))} on {time} (commit {commit or 'not recorded'})"
        for (time, commit), sizes in sorted(by_recording.items())
    )
    return f"**The columns are not one recording, so they do not compare:** {'; '.join(parts)}."


def markdown(grid: Grid) -> str:
    """Give a table as Markdown."""
    lines = [grid.head, ["---", *("---:" for _ in grid.head[1:])], *grid.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def document() -> str:
    """Give the generated part of ``docs/performance.md``."""
    if not RESULTS.exists():
        return "Not measured yet."
    results = json.loads(RESULTS.read_text())
    grids = (aims(results), figures(results), requests(results), looks(results), webhook(results))
    tables = (markdown(grid) for grid in grids if grid.rows)
    return "\n\n".join(filter(None, [machine(results), recordings(results), *tables]))


def print_grids(grids: Iterable[Grid]) -> None:
    """Print tables, those without rows left out."""
    console = Console()
    for grid in grids:
        if not grid.rows:
            continue
        table = Table()
        for number, head in enumerate(grid.head):
            table.add_column(head, justify="right" if number else "left")
        for row in grid.rows:
            table.add_row(*(cell.replace("**", "").replace("`", "") for cell in row))
        console.print(table)


def show(results: Mapping[str, Any]) -> None:
    """Print the tables."""
    print_grids((figures(results), requests(results), looks(results), webhook(results), aims(results)))
    Console().print(machine(results), recordings(results).replace("**", ""))
