"""The metrics of an autoscaler, in the form of autoscaling/v2."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from model_operator.api import EndpointConfig, MetricType, ScalingMetric
from model_operator.core.templates.layering import MODEL_CONTAINER
from model_operator.core.templates.references import Scope, parse_text
from model_operator.core.templates.value_faults import ValueFault
from model_operator.core.values.quantities import parse_quantity

CPU_UTILIZATION = 80
"""Target utilization of the autoscaler without another target, as a percentage of the requested CPU."""

_CPU = "cpu"
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", re.ASCII)


def render_metrics(endpoint: EndpointConfig, per_worker: int, scope: Scope) -> list[dict[str, Any]]:
    """Return ``spec.metrics`` of the autoscaler.

    Parameters
    ----------
    endpoint
        The template's settings.
    per_worker
        The target of a metric that has none of its own.
    scope
        Valid values of the references, for which `metric_faults` yields nothing.
    """
    return [_render(metric, per_worker, scope) for metric in _metrics(endpoint)]


def metric_faults(endpoint: EndpointConfig, scope: Scope) -> Iterator[ValueFault]:
    """Yield the references whose values form no label value or no target of a metric."""
    for metric in endpoint.scaling_metrics or ():
        for text in (metric.labels or {}).values():
            yield from _faults(text, scope, _LABEL)
        if isinstance(metric.target, str):
            yield from _faults(metric.target, scope, _TARGET)


class _Field(NamedTuple):
    """What a field takes, the type of a violation, and the check."""

    expected: str
    type: str
    accepts: Callable[[str], bool]


def _is_label_value(text: str) -> bool:
    return _LABEL_VALUE.fullmatch(text) is not None


def _is_target(text: str) -> bool:
    try:
        return parse_quantity(text) > 0
    except ValueError:
        return False


_LABEL = _Field(
    "a part of a label's value: at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both "
    "ends",
    "label",
    _is_label_value,
)
_TARGET = _Field("a Kubernetes quantity greater than 0, such as 2 or 500m", "quantity", _is_target)


def _faults(text: str, scope: Scope, field: _Field) -> Iterator[ValueFault]:
    read = parse_text(text, kubelet=False)
    if read.references and not field.accepts(read.render(scope, kubelet=False)):
        for reference in read.references:
            yield ValueFault(reference, field.expected, field.type)


def _metrics(endpoint: EndpointConfig) -> Sequence[ScalingMetric]:
    if endpoint.scaling_metrics:
        return endpoint.scaling_metrics
    name = endpoint.scaling_metric
    if name is None or name == _CPU:
        return (ScalingMetric(type=MetricType.CPU),)
    return (ScalingMetric(type=MetricType.PODS, name=name),)


def _render(metric: ScalingMetric, per_worker: int, scope: Scope) -> dict[str, Any]:
    if metric.type is MetricType.CPU:
        # The metric of the model container alone: for a whole pod, the autoscaler computes no utilization if
        # one sidecar has no CPU request.
        utilization = CPU_UTILIZATION if metric.target is None else metric.target
        target = {"type": "Utilization", "averageUtilization": utilization}
        source = {"name": _CPU, "container": MODEL_CONTAINER, "target": target}
        return {"type": "ContainerResource", "containerResource": source}
    identity: dict[str, Any] = {"name": metric.name}
    if metric.labels:
        labels = {key: _text(text, scope) for key, text in metric.labels.items()}
        identity["selector"] = {"matchLabels": labels}
    value = str(per_worker if metric.target is None else metric.target)
    average = {"type": "AverageValue", "averageValue": _text(value, scope)}
    kind = "Pods" if metric.type is MetricType.PODS else "External"
    return {"type": kind, kind.lower(): {"metric": identity, "target": average}}


def _text(text: str, scope: Scope) -> str:
    return parse_text(text, kubelet=False).render(scope, kubelet=False)
