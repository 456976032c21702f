"""Distributions of times: percentiles for the tables, and quantiles from which the charts draw curves."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SHARES = (*(number / 20 for number in range(20)), 0.99, 1.0)
"""Of which the quantiles are kept: 0, 5, 10, … 95, 99 and 100 %."""

_NUMBERS = re.compile(r"\[\s+([-+.\deE,\s]*?)\s+\]")


def quantiles(values: Iterable[float], digits: int = 1) -> list[float]:
    """Give the value below or at which each of `SHARES` lies, the nearest lower one of those given."""
    ordered = sorted(values)
    return [round(ordered[int((len(ordered) - 1) * share)], digits) for share in SHARES]


def percentiles(seconds: Iterable[float]) -> dict[str, Any]:
    """Give median, 99th percentile and quantiles in milliseconds."""
    ordered = [each * 1000 for each in sorted(seconds)]
    shares = {"p50": 0.5, "p99": 0.99}
    figures = {name: round(ordered[int((len(ordered) - 1) * share)], 1) for name, share in shares.items()}
    return {**figures, "quantiles": quantiles(ordered)}


def curve(figures: Mapping[str, Any]) -> tuple[Sequence[float], Sequence[float]]:
    """Give times in milliseconds and the share of all that took no longer, in percent.

    An early recording has two points only: the median and the 99th percentile.
    """
    if "quantiles" in figures:
        return figures["quantiles"], [100 * share for share in SHARES]
    suffix = "" if "p50" in figures else "_ms"
    return [figures[f"p50{suffix}"], figures[f"p99{suffix}"]], [50, 99]


def written(results: Mapping[str, Any]) -> str:
    """Give results as they are recorded: JSON, with each list of numbers on one line."""
    text = json.dumps(results, indent=1)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"
