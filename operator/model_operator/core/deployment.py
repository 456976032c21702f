"""The Deployment of one deployment of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model_operator.api import EndpointConfig
from model_operator.core.layering import MODEL_CONTAINER
from model_operator.core.probes import DEFAULT_STARTUP_TIMEOUT_SECONDS
from model_operator.core.values.violations import Loc, Violation

_MAX_UNAVAILABLE_LOC: Loc = ("spec", "strategy", "rollingUpdate", "maxUnavailable")
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
        The template's ``strategy``, checked by `check_strategy`.
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
            "strategy": _strategy(strategy),
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


def check_strategy(strategy: Mapping[str, Any] | None) -> Iterator[Violation]:
    """Yield what is wrong with a template's ``strategy`` beyond its shape."""
    pace = (strategy or {}).get("rollingUpdate") or {}
    if all(_is_zero(pace.get(key)) for key in ("maxSurge", "maxUnavailable")):
        message = "cannot be 0 together with maxSurge: no worker could ever be replaced"
        yield Violation(_MAX_UNAVAILABLE_LOC, message, "strategy")


def _strategy(strategy: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the strategy in full.

    What is left out would be set by the API server, owned by nobody, and then stand in the way of a later
    change to Recreate, which takes no ``rollingUpdate``.
    """
    given = strategy or {}
    if given.get("type") == "Recreate":
        return {"type": "Recreate"}
    pace = {key: value for key, value in (given.get("rollingUpdate") or {}).items() if value is not None}
    surge = pace.get("maxSurge", 1)
    unavailable = pace.get("maxUnavailable", 1 if _is_zero(surge) else 0)
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def _is_zero(value: Any) -> bool:
    return value == 0 or (isinstance(value, str) and not value.rstrip("%").strip("0"))
