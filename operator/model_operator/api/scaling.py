"""Metrics and behaviour of the autoscaler, as a template states them."""

# ruff: noqa: N815 -- the names of fields are Kubernetes' own, where its types are used as they are

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from model_operator.api.enums import MetricType
from model_operator.api.meta import ApiModel
from model_operator.api.rules import ATOMIC, Rule, Shape
from model_operator.api.values import ListedQuantity

_CPU_PERCENT = range(1, 101)

MetricName = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Rule(
        "!self.contains('/') && !self.contains('%') && !(self in ['.', '..'])",
        "must be the name of a metric, without '/' and '%'",
        lambda metric: not {"/", "%"} & set(metric) and metric not in (".", ".."),
    ),
]
"""The name of a metric; the API server uses it as a segment of a URL."""


class ScalingMetric(ApiModel):
    """One metric of the autoscaler. With several, the one that needs the most workers decides."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.type == 'CPU') != has(self.name)",
            "name is required for the types PODS and EXTERNAL, and not allowed for CPU",
            lambda metric: (metric.type is MetricType.CPU) != (metric.name is not None),
            field="name",
        ),
        Rule(
            "self.type != 'CPU' || !has(self.labels)",
            "labels are for the types PODS and EXTERNAL; remove them",
            lambda metric: metric.type is not MetricType.CPU or metric.labels is None,
            field="labels",
        ),
        Rule(
            "self.type != 'CPU' || !has(self.target) || "
            "(type(self.target) == int && self.target >= 1 && self.target <= 100)",
            "must be a whole percentage from 1 to 100 for the type CPU, such as 60",
            lambda metric: (
                metric.type is not MetricType.CPU or metric.target is None or metric.target in _CPU_PERCENT
            ),
            field="target",
        ),
    )

    type: MetricType
    """CPU: the utilization of the CPU request of the container `model`. PODS: a metric of the pods, averaged.
    EXTERNAL: a metric from elsewhere, such as the length of a queue, divided by the number of workers; only
    with one of these may `min_workers` be 0."""
    name: MetricName | None = None
    """Name of the metric, as the cluster's metrics adapter serves it. Required unless the type is CPU."""
    labels: Annotated[dict[str, Annotated[str, Field(max_length=256)]], Field(max_length=16)] | None = None
    """Labels that select the series of the metric. Values may contain references, such as
    `$(instance.name)`."""
    target: ListedQuantity | None = None
    """Target for each worker; above it the autoscaler adds workers. For CPU a percentage from 1 to 100, else
    a quantity or a reference. Built-in default: 80 for CPU, else `per_worker`."""


class _ScalingPolicy(ApiModel):
    """How fast the number of workers may change."""

    type: Literal["Pods", "Percent"]
    """Whether `value` is a number of workers or a percentage of the present number."""
    value: Annotated[int, Field(strict=True, ge=1, le=10_000)]
    """Workers, or percent of them, by which the number may change within the period."""
    periodSeconds: Annotated[int, Field(strict=True, ge=1, le=1800)]
    """Period of the policy, in seconds."""


class _ScalingRules(ApiModel):
    """The rules of one direction."""

    stabilizationWindowSeconds: Annotated[int, Field(strict=True, ge=0, le=3600)] | None = None
    """Seconds of which past recommendations are considered, against flapping."""
    selectPolicy: Literal["Max", "Min", "Disabled"] | None = None
    """Which policy applies: the one that allows most or least change; Disabled turns the direction off."""
    policies: Annotated[list[_ScalingPolicy], Field(min_length=1, max_length=10), ATOMIC] | None = None
    """Policies of this direction."""


class _ScalingBehavior(ApiModel):
    """A Kubernetes HorizontalPodAutoscalerBehavior (autoscaling/v2)."""

    scaleUp: _ScalingRules | None = None
    """Rules of scaling up."""
    scaleDown: _ScalingRules | None = None
    """Rules of scaling down."""


ScalingBehavior = Annotated[dict[str, Any], Shape(_ScalingBehavior)]
"""A Kubernetes HorizontalPodAutoscalerBehavior as written."""
