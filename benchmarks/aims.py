"""What is promised, and whether the figures of a run keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Sizes = "Mapping[int, Mapping[str, Any]]"


@dataclass(frozen=True)
class Aim:
    """One promise.

    Attributes
    ----------
    text
        What is promised.
    limit
        The bound.
    at
        The number of instances that it is about; 0 for what does not depend on it.
    value
        Gives what was measured from the figures of that size, or from what `of` names.
    least
        Whether the bound is the least that is promised, not the most.
    other
        Another number of instances, whose figures `value` gets as well.
    of
        Where the results have what does not depend on the number of instances.
    """

    text: str
    limit: float
    at: int
    value: Callable[..., float]
    least: bool = False
    other: int = 0
    of: str = "webhook"


@dataclass(frozen=True)
class Verdict:
    """What became of an aim: None for `met` where it was not measured."""

    aim: Aim
    value: float | None
    met: bool | None

    @property
    def word(self) -> str:
        """The verdict in a word."""
        return "not measured" if self.met is None else "met" if self.met else "MISSED"


def requests_per_instance(figures: Mapping[str, Any], *kinds: str) -> float:
    """Give how many requests creating an instance took until Ready; ``writes`` and ``reads`` unless said."""
    create = figures["create"]
    counts = [create[kind] for kind in kinds or ("writes", "reads")]
    return sum(sum(count.values()) for count in counts) / float(figures["instances"])


def create_ratio(figures: Mapping[str, Any]) -> float:
    """Give the time until all Deployments exist over what the bare client takes for all the same requests."""
    ceiling = figures["ceiling"]
    bare = ceiling["instances_seconds"] + ceiling["apply_seconds"]
    return float(figures["create"]["deployments_seconds"] / bare)


def children_ratio(figures: Mapping[str, Any]) -> float:
    """Give the same where all instances exist beforehand: over what the children alone take."""
    rebuild, ceiling = figures["rebuild"], figures["ceiling"]
    per_child_pair = ceiling["apply_seconds"] / figures["instances"]
    return float(rebuild["deployments_seconds"] / (per_child_pair * rebuild["rebuilt"]))


def edit_ratio(figures: Mapping[str, Any]) -> float:
    """Give the time until all Deployments have a template's edit over what the bare client takes."""
    edit, ceiling = figures["edit"], figures["ceiling"]
    per_deployment = ceiling["edit_seconds"] / figures["instances"]
    return float(edit["deployments_seconds"] / (per_deployment * edit["edited"]))


def replay_ratio(step: str, name: str) -> Callable[[Mapping[str, Any]], float]:
    """Give the function that gives a time over that of the bare client in the operator's place."""
    return lambda figures: float(figures[step][name] / figures["replay"][step][name])


def single_ratio(figures: Mapping[str, Any]) -> float:
    """Give the median of a single create to the Deployment over that of the bare client."""
    single, bare = figures["single"], figures["replay"]["single"]
    return float(single["to_deployment_ms"]["p50"] / bare["to_deployment_ms"]["p50"])


def server_cpu_ms(create: Mapping[str, Any], instances: int) -> float:
    """Give the CPU time of the API server and of etcd for one instance, from its creation until Ready."""
    cpu = create["cpu_seconds"]
    return float((cpu["kube-apiserver"] + cpu["etcd"]) / instances * 1000)


def server_ratio(figures: Mapping[str, Any]) -> float:
    """Give the CPU time of the API server and of etcd over that with the bare client."""
    count = figures["instances"]
    return server_cpu_ms(figures["create"], count) / server_cpu_ms(figures["replay"]["create"], count)


def cpu_per_instance_ms(figures: Mapping[str, Any]) -> float:
    """Give the operator's CPU time for one instance, from its creation until Ready."""
    return float(figures["create"]["cpu_seconds"]["operator"] / figures["instances"] * 1000)


def edit_cpu_ms(figures: Mapping[str, Any]) -> float:
    """Give the operator's CPU time for an instance that gets a template's edit at once."""
    return _cpu_ms(figures["edit"])


def stepped_cpu_ms(figures: Mapping[str, Any]) -> float:
    """Give the same of an edit in steps."""
    return _cpu_ms(figures["edit_in_steps"])


def _cpu_ms(edit: Mapping[str, Any]) -> float:
    return float(edit["cpu_seconds"]["operator"] / edit["edited"] * 1000)


def deletion_writes(figures: Mapping[str, Any]) -> float:
    """Give the operator's writes when all instances are deleted, but for the counts of their template."""
    writes = figures["delete"]["writes"]
    return float(sum(count for what, count in writes.items() if "modeltemplates" not in what))


def failover_writes(figures: Mapping[str, Any]) -> float:
    """Give how often a replica that takes over writes to what runs, after both signals."""
    return float(sum(each["writes_to_others"] for each in figures["failover"].values()))


def _restart_writes(figures: Mapping[str, Any]) -> float:
    return float(sum(figures["restart"]["writes"].values()))


COMPARED = (200, 1000, 10_000)
"""Numbers of instances at which the operator is compared with the bare client."""

AIMS = (
    Aim("requests for an instance until Ready, Events not counted", 4.0, 1000, requests_per_instance),
    Aim(
        "reads among them",
        0.0,
        1000,
        lambda figures: requests_per_instance(figures, "reads"),
    ),
    *(
        Aim(f"{text} over the bare client's time", 1.25, size, replay_ratio(step, name))
        for text, step, name in (
            ("all Deployments", "create", "deployments_seconds"),
            ("all Ready", "create", "ready_seconds"),
            ("a template's edit in all Deployments", "edit", "deployments_seconds"),
        )
        for size in COMPARED
    ),
    Aim("single create to Deployment over the bare client's, medians", 1.2, 1000, single_ratio),
    *(
        Aim("the API server's CPU for an instance over that with the bare client", 1.1, size, server_ratio)
        for size in COMPARED
    ),
    Aim("all Deployments, instances created at once, over Service and Deployment", 1.25, 1000, create_ratio),
    Aim("all Deployments of instances that exist, over Service and Deployment", 1.25, 1000, children_ratio),
    Aim("a template's edit in all Deployments over the Deployments", 1.25, 1000, edit_ratio),
    Aim(
        "single create to Deployment, median in ms",
        40.0,
        1000,
        lambda figures: float(figures["single"]["to_deployment_ms"]["p50"]),
    ),
    Aim("CPU time for an instance until Ready in ms", 9.0, 1000, cpu_per_instance_ms),
    Aim("writes after a restart with nothing to do", 0.0, 10_000, _restart_writes),
    Aim(
        "CPU seconds of such a restart",
        10.0,
        10_000,
        lambda figures: float(figures["restart"]["cpu_seconds"]["operator"]),
    ),
    Aim(
        "peak memory after such a restart in MB",
        250.0,
        10_000,
        lambda figures: float(figures["restart"]["peak_mb"]),
    ),
    Aim("writes of another replica that takes over to what runs", 0.0, 10_000, failover_writes),
    Aim("writes to children and instances when all are deleted", 0.0, 10_000, deletion_writes),
    Aim(
        "CPU time for an instance, over that at 1,000",
        1.15,
        10_000,
        lambda figures, other: cpu_per_instance_ms(figures) / cpu_per_instance_ms(other),
        other=1000,
    ),
    Aim(
        "CPU time of a reconcile that finds nothing to do, in ms",
        0.8,
        0,
        lambda found: float(max(found["ms"], found["first_ms"])),
        of="looks",
    ),
    Aim(
        "admission reviews in a second",
        1500.0,
        0,
        lambda rows: float(min(row["per_second"] for row in rows if row["is_judged"])),
        least=True,
    ),
    Aim(
        "denials in a second",
        1000.0,
        0,
        lambda rows: float(min(row["per_second"] for row in rows if row["name"].endswith("denied"))),
        least=True,
    ),
    Aim(
        "admission review, 99th percentile in ms",
        10.0,
        0,
        lambda rows: float(max(row["p99_ms"] for row in rows if row["is_judged"])),
    ),
)


def verdicts(results: Mapping[str, Any]) -> list[Verdict]:
    """Judge the results of a run.

    Parameters
    ----------
    results
        As they are written: ``sizes`` by number of instances (a text), ``looks`` and ``webhook``.
    """
    return [_judge(aim, results) for aim in AIMS]


def _judge(aim: Aim, results: Mapping[str, Any]) -> Verdict:
    wanted = [size for size in (aim.at, aim.other) if size]
    sizes = results.get("sizes", {})
    given = [sizes.get(str(size)) for size in wanted] if wanted else [results.get(aim.of)]
    if not all(given):
        return Verdict(aim, None, None)
    try:
        value = round(aim.value(*given), 3)
    except KeyError:  # of a step that was left out
        return Verdict(aim, None, None)
    return Verdict(aim, value, value >= aim.limit if aim.least else value <= aim.limit)
