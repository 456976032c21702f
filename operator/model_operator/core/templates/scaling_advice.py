"""Warnings about autoscaling that a template configures and that cannot work, or that nothing uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.api import Autoscaler, EndpointConfig, MetricType
from model_operator.core.values.quantities import parse_quantity
from model_operator.core.values.violations import Loc, Violation

_LOC: Final[Loc] = ("spec", "vendor_configuration", "endpoint_config")
_CPU: Final = "cpu"
_ONLY_AUTOSCALER: Final = ("scaling_metric", "scaling_metrics", "behavior")
"""Fields that only the operator's autoscaler uses."""


def scaling_warnings(endpoint: EndpointConfig, model: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield the warnings about the autoscaler of a template.

    Parameters
    ----------
    endpoint
        The template's settings.
    model
        The container that serves the model, with default resources.
    """
    if endpoint.autoscaler is Autoscaler.EXTERNAL:
        yield from _unused(
            endpoint, "has no effect with autoscaler EXTERNAL, which brings its own; remove one of the two"
        )
        return
    is_scaled = endpoint.max_workers is not None and endpoint.max_workers > endpoint.min_workers
    if not is_scaled:
        yield from _unused(
            endpoint,
            "has no effect without max_workers above min_workers, which creates the autoscaler; set "
            "max_workers here, or in vendor_configuration of each instance",
        )
    if not _requests_cpu(model):
        for loc in _cpu_metrics(endpoint, is_scaled=is_scaled):
            message = (
                "scales by the CPU, measured in percent of the CPU request of the container model, which has "
                "none, so the number of workers would never change; set endpoint_config.cpus"
            )
            yield Violation((*_LOC, *loc), message, "unmeasurable")


def _unused(endpoint: EndpointConfig, message: str) -> Iterator[Violation]:
    for name in _ONLY_AUTOSCALER:
        if getattr(endpoint, name) is not None:
            yield Violation((*_LOC, name), message, "no_effect")


def _cpu_metrics(endpoint: EndpointConfig, *, is_scaled: bool) -> Iterator[Loc]:
    """Yield the paths of what makes the autoscaler measure the CPU; by default, that is ``max_workers``."""
    if endpoint.scaling_metrics:
        for index, metric in enumerate(endpoint.scaling_metrics):
            if metric.type is MetricType.CPU:
                yield ("scaling_metrics", index)
    elif endpoint.scaling_metric == _CPU:
        yield ("scaling_metric",)
    elif endpoint.scaling_metric is None and is_scaled:
        yield ("max_workers",)


def _requests_cpu(model: Mapping[str, Any]) -> bool:
    """Whether the container has a CPU request; the API server takes the limit for a missing one."""
    resources = model.get("resources") or {}
    amounts = [(resources.get(field) or {}).get(_CPU) for field in ("requests", "limits")]
    given = next((amount for amount in amounts if amount is not None), None)
    try:
        return given is not None and parse_quantity(given) > 0
    except (TypeError, ValueError):
        return True  # a reference, or what the API server rejects
