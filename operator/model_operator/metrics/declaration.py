"""A metric as it is declared: name, labels, meaning, and what to do about its value.

Pure: the documentation's tables are made from this without a registry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """Type of a metric, as in Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name
        As in PromQL; a counter's ends with ``_total``.
    type
        Its type.
    help
        What it counts or measures, and what to do about its value.
    labels
        Names of its labels.
    buckets
        Upper bounds of a histogram's buckets, in seconds.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """Names of its series in PromQL."""
        if self.type is not MetricType.HISTOGRAM:
            return (self.name,)
        return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))


def metrics_table(metrics: Iterable[Metric]) -> str:
    """Return the documentation's table of metrics as Markdown."""
    rows = ["| metric | type | labels | meaning, and what to do |", "|---|---|---|---|"]
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.name}` | {metric.type} | {labels} | {metric.help} |")
    return "\n".join(rows)
