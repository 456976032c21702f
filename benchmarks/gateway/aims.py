"""What is promised of the gateway, and whether the figures of a run keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.gateway.processes import DIRECT, ENVOY, LITELLM, OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Aim:
    """One promise.

    Attributes
    ----------
    text
        What is promised.
    limit
        The bound.
    value
        Gives what was measured.
    least
        Whether the bound is the least that is promised, not the most.
    """

    text: str
    limit: float
    value: Callable[[Figures], float]
    least: bool = False


def _added(what: str, share: str) -> Callable[[Figures], float]:
    return lambda figures: figures[what][OURS][share] - figures[what][DIRECT][share]


def _ratio(what: str, unit: str, other: str) -> Callable[[Figures], float]:
    return lambda figures: figures[what][OURS][unit] / figures[what][other][unit]


AIMS = (
    Aim("CPU of a small request, ms", 1.2, lambda figures: figures["small"][OURS]["cpu_ms"]),
    Aim("… over LiteLLM's", 0.25, _ratio("small", "cpu_ms", LITELLM)),
    Aim(
        "requests on one core, 64 connections, over LiteLLM's",
        4.0,
        _ratio("small", "per_cpu_second", LITELLM),
        True,
    ),
    Aim("… over raw Envoy's", 0.10, _ratio("small", "per_cpu_second", ENVOY), True),
    Aim("added time at 50 requests in a second, median, ms", 1.5, _added("latency", "p50_ms")),
    Aim("… 99th percentile, ms", 5.0, _added("latency", "p99_ms")),
    Aim("CPU of a chunk of a stream, µs", 90.0, lambda figures: figures["chunks"][OURS]["cpu_us"]),
    Aim("added time to the first chunk with 200 streams, median, ms", 2.0, _added("first_chunks", "p50_ms")),
    Aim("requests to the API server, but for reviews", 0.0, lambda figures: figures["api"]["others"]),
    Aim("reviews of one key and model in 10 s", 2.0, lambda figures: figures["api"]["reviews_in_10_s"]),
    Aim("worker ready to routed, longest, ms", 200.0, lambda figures: figures["routed"]["max_ms"]),
    Aim("memory with 10,000 instances, MiB", 200.0, lambda figures: figures["size"]["rss_mib"]),
    Aim("memory after lists of 10,000 models, MiB", 200.0, lambda figures: figures["lists"]["rss_mib"]),
    Aim("list of 100 out of 10,000 models, median, ms", 10.0, lambda figures: figures["lists"]["p50_ms"]),
    Aim(
        "… requests to the API server for lists, but for reviews",
        0.0,
        lambda figures: figures["lists"]["others"],
    ),
    Aim("… failed requests of all lists", 0.0, lambda figures: figures["lists"]["failures"]),
    Aim("create over the bare POST, medians", 1.3, lambda figures: figures["creations"]["ratio"]),
    Aim("growth over 50,000 requests, 5,000 of them aborted, MiB", 5.0, lambda f: f["growth"]["growth_mib"]),
    Aim("requests in flight after it", 0.0, lambda figures: figures["growth"]["in_flight"]),
    Aim("requests that still run at the worker", 0.0, lambda f: f["growth"]["still_running_at_worker"]),
    Aim(
        "sockets that are left, at both ends",
        0.0,
        lambda f: max(f["growth"]["sockets_growth"], 0) + f["growth"]["worker_connections"],
    ),
)


@dataclass(frozen=True)
class Verdict:
    """What became of an aim; None where it was not measured."""

    aim: Aim
    value: float | None

    @property
    def is_met(self) -> bool | None:
        """Whether it is kept."""
        if self.value is None:
            return None
        return self.value >= self.aim.limit if self.aim.least else self.value <= self.aim.limit

    @property
    def word(self) -> str:
        """The verdict in a word."""
        return "not measured" if self.is_met is None else "met" if self.is_met else "MISSED"


def verdicts(figures: Figures, aims: Sequence[Aim] = AIMS) -> list[Verdict]:
    """Judge the figures of a run."""
    found = []
    for aim in aims:
        try:
            value = round(aim.value(figures), 3)
        except KeyError:  # of a measurement that was left out
            found.append(Verdict(aim, None))
        else:
            found.append(Verdict(aim, value))
    return found
