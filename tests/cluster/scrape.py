"""Reading what an operator exposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from tests.cluster.operator_process import OperatorProcess

Labels = dict[str, str]


def series(operator: OperatorProcess, name: str) -> list[tuple[Labels, float]]:
    """Give the labels and values of a metric that are not 0; ``name`` is without the prefix."""
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(operator.metrics())
        for sample in family.samples
        if sample.name == f"model_operator_{name}" and sample.value
    ]


def by(operator: OperatorProcess, name: str, label: str, **wanted: str) -> dict[str, float]:
    """Give the values by one label, summed over the others, of the series that have the wanted labels."""
    sums: dict[str, float] = {}
    for labels, value in series(operator, name):
        if wanted.items() <= labels.items():
            sums[labels[label]] = sums.get(labels[label], 0) + value
    return sums


def number(operator: OperatorProcess, name: str) -> float:
    """Give the value of a metric without labels, 0 included."""
    return sum(value for _, value in series(operator, name))
