"""The HorizontalPodAutoscaler of one deployment of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_operator.core.rendering.worker_counts import WorkerBounds

AUTOSCALER = "HorizontalPodAutoscaler"
"""The kind of an autoscaler."""


def render_autoscaler(
    *,
    metadata: Mapping[str, Any],
    workers: WorkerBounds,
    metrics: Sequence[Mapping[str, Any]],
    behavior: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the autoscaler.

    Parameters
    ----------
    metadata
        Name, namespace, labels and owner of the autoscaler. The Deployment has the same name.
    workers
        Bounds of the number of workers, which differ.
    metrics
        The metrics, as `model_operator.core.rendering.metrics.render_metrics` returns them.
    behavior
        The template's ``behavior``. With None the operator does not own the field, so that values of other
        managers are kept.
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
            "metrics": list(metrics),
            **({"behavior": _without_nulls(behavior)} if behavior else {}),
        },
    }


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
