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
"""Seconds that a worker without a readiness probe must run before it counts as available."""


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
        Name, namespace, labels and owner of the Deployment.
    selector
        Labels that select its pods; immutable.
    pod
        PodTemplateSpec, with at least these labels.
    replicas
        Number of workers; None if an autoscaler sets it.
    endpoint
        The template's ``endpoint_config``, for the progress deadline.
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
            # The default, but explicit, so that we own it: a paused Deployment would never roll out.
            "paused": False,
            "revisionHistoryLimit": _REVISION_HISTORY_LIMIT,
            "progressDeadlineSeconds": deadline,
            "selector": {"matchLabels": dict(selector)},
            "strategy": strategy_with_defaults(strategy),
            "template": pod,
        },
    }


def _min_ready(pod: Mapping[str, Any], deadline: int) -> dict[str, int]:
    """Return the ``minReadySeconds`` of a model without a readiness probe.

    Without it, a model that crashes at its start would count as available for a moment after each restart.
    The API server requires a value below the progress deadline.
    """
    probed = any(
        "readinessProbe" in each for each in pod["spec"]["containers"] if each["name"] == MODEL_CONTAINER
    )
    seconds = 0 if probed else min(_UNPROBED_SECONDS, deadline - 1)
    return {"minReadySeconds": seconds} if seconds else {}
