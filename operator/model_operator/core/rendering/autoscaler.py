"""The HorizontalPodAutoscaler of one deployment of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.rendering.scaling import WorkerBounds
from model_operator.core.templates.layering import MODEL_CONTAINER

AUTOSCALER = "HorizontalPodAutoscaler"
"""Its kind."""
CPU_UTILIZATION = 80
"""Percentage of the requested CPU at which workers are added, where no other metric is named."""

_CPU = "cpu"


def render_autoscaler(
    *, metadata: Mapping[str, Any], workers: WorkerBounds, scaling_metric: str | None
) -> dict[str, Any]:
    """Return the autoscaler. Its ``behavior`` is not ours: what somebody sets there stays.

    Parameters
    ----------
    metadata
        Of the autoscaler: name, namespace, labels, owner. The Deployment has the same name.
    workers
        Bounds, with room between them.
    scaling_metric
        The template's: ``cpu``, the name of a Pods metric, or None for cpu.
    """
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"]}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": AUTOSCALER,
        "metadata": dict(metadata),
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": workers.min_workers,
            "maxReplicas": workers.max_workers,
            "metrics": [_metric(scaling_metric, workers.per_worker)],
        },
    }


def _metric(name: str | None, per_worker: int) -> dict[str, Any]:
    if name is None or name == _CPU:
        # Of the model's container alone: over the whole pod, one sidecar without a request for CPU leaves the
        # autoscaler without any number.
        target = {"type": "Utilization", "averageUtilization": CPU_UTILIZATION}
        source = {"name": _CPU, "container": MODEL_CONTAINER, "target": target}
        return {"type": "ContainerResource", "containerResource": source}
    target = {"type": "AverageValue", "averageValue": str(per_worker)}
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": target}}
