"""What a registry exposes, for a look at single values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Key = tuple[str, ...]


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """Give one value; None when there is no such series."""
    return registry.get_sample_value(f"model_operator_{name}", labels)


def values(registry: CollectorRegistry, name: str) -> dict[Key, float]:
    """Give the values that are not 0, by the values of their labels in order of the labels' names."""
    return {
        tuple(text for _, text in sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == f"model_operator_{name}" and sample.value
    }
