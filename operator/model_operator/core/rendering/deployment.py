"""The Deployment of one deployment of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.api import EndpointConfig
from model_operator.core.templates.layering import MODEL_CONTAINER
from model_operator.core.templates.probes import DEFAULT_STARTUP_TIMEOUT_SECONDS
from model_operator.core.templates.strategy import strategy_with_defaults

_REVISION_HISTORY_LIMIT = 3
_UNPROBED_SECONDS = 10
"""How long a worker without a readiness probe has to run before it counts as available."""


def render_deployment(
    *,
    metadata: Mapping[str, Any],
    selector: Mapping[str, str],
    pod: Mapping[str, Any],
    replicas: int | None,
    endpoint: EndpointConfig,
    strategy: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the Deployment.

    Parameters
    ----------
    metadata
        Of the Deployment: name, namespace, labels, owner.
    selector
        Labels by which it knows its pods; immutable.
    pod
        PodTemplateSpec, with at least these labels.
    replicas
        Number of workers; None where an autoscaler decides on it.
    endpoint
        The template's, for the time that a roll-out may take.
    strategy
        The template's ``strategy``, checked by `model_operator.core.templates.strategy.check_strategy`.
    """
    timeout = endpoint.startup_timeout_seconds
    deadline = DEFAULT_STARTUP_TIMEOUT_SECONDS if timeout is None else timeout
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": dict(metadata),
        "spec": {
            **_min_ready(pod, deadline),
            **({} if replicas is None else {"replicas": replicas}),
            # The default, but said so that it is ours: left paused, it would never take up another revision.
            "paused": False,
            "revisionHistoryLimit": _REVISION_HISTORY_LIMIT,
            "progressDeadlineSeconds": deadline,
            "selector": {"matchLabels": dict(selector)},
            "strategy": strategy_with_defaults(strategy),
            "template": pod,
        },
    }


def _min_ready(pod: Mapping[str, Any], deadline: int) -> dict[str, int]:
    """Return the ``minReadySeconds`` of a model that nobody asks whether it is ready.

    Without it, a model that ends at its start counts as available for a moment at each of its restarts.
    The API server wants less than the deadline.
    """
    probed = any(
        "readinessProbe" in each for each in pod["spec"]["containers"] if each["name"] == MODEL_CONTAINER
    )
    seconds = 0 if probed else min(_UNPROBED_SECONDS, deadline - 1)
    return {"minReadySeconds": seconds} if seconds else {}
