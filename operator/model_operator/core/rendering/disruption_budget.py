"""The PodDisruptionBudget of one deployment of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAX_UNAVAILABLE = "50%"


def render_disruption_budget(*, metadata: Mapping[str, Any], selector: Mapping[str, str]) -> dict[str, Any]:
    """Return the budget: a drain of nodes evicts at most half of the workers at a time.

    Parameters
    ----------
    metadata
        Name, namespace, labels and owner of the budget.
    selector
        Labels of the pods.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": dict(metadata),
        "spec": {
            "maxUnavailable": _MAX_UNAVAILABLE,
            "selector": {"matchLabels": dict(selector)},
            # By default, workers that crash or still load their model could not be evicted at all.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
