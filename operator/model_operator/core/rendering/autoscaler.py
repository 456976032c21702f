"""The HorizontalPodAutoscaler of one deployment of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.rendering.scaling import WorkerBounds
from model_operator.core.templates.layering import MODEL_CONTAINER

AUTOSCALER = "HorizontalPodAutoscaler"
"""The kind of an autoscaler."""
CPU_UTILIZATION = 80
"""Target utilization of the autoscaler without another metric, as a percentage of the requested CPU."""

_CPU = "cpu"


def render_autoscaler(
    *, metadata: Mapping[str, Any], workers: WorkerBounds, scaling_metric: str | None
) -> dict[str, Any]:
    """Return the autoscaler. The operator does not own ``behavior``, so values of other managers are kept.

    Parameters
    ----------
    metadata
        Name, namespace, labels and owner of the autoscaler. The Deployment has the same name.
    workers
        Bounds of the number of workers, which differ.
    scaling_metric
        The template's metric: ``cpu``, the name of a Pods metric, or None for cpu.
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
        # The metric of the model container alone: for a whole pod, the autoscaler computes no utilization if
        # one sidecar has no CPU request.
        target = {"type": "Utilization", "averageUtilization": CPU_UTILIZATION}
        source = {"name": _CPU, "container": MODEL_CONTAINER, "target": target}
        return {"type": "ContainerResource", "containerResource": source}
    target = {"type": "AverageValue", "averageValue": str(per_worker)}
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": target}}
