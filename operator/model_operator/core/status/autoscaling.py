"""Whether the autoscalers of an instance can measure the load: the condition ``Autoscaling``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.api import Actor
from model_operator.core.objects.conditions import Condition
from model_operator.core.reasons.reasons import AUTOSCALING, Advice

MEASURING = "Measuring"
"""The reason while every autoscaler can measure the load."""
_TYPES = ("AbleToScale", "ScalingActive")
_DISABLED = "ScalingDisabled"
"""Reason of ScalingActive while there is no worker, as specified."""
_UNKNOWN = Advice(Actor.CLUSTER, "check the HorizontalPodAutoscaler with kubectl describe.")
_RESOURCE = Advice(Actor.CLUSTER, "install or repair the metrics-server (API metrics.k8s.io).")
_CUSTOM = Advice(
    Actor.CLUSTER,
    "serve the metric by an adapter (API custom.metrics.k8s.io), or have the template's metric fixed.",
)
_EXTERNAL = Advice(
    Actor.CLUSTER,
    "serve the metric by an adapter (API external.metrics.k8s.io), or have the template's metric fixed.",
)
_ADVICE = {
    "FailedGetResourceMetric": _RESOURCE,
    "FailedGetContainerResourceMetric": _RESOURCE,
    "FailedGetPodsMetric": _CUSTOM,
    "FailedGetObjectMetric": _CUSTOM,
    "FailedGetExternalMetric": _EXTERNAL,
}


def scaling_state(autoscaler: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """Return type, status and reason of what is reported of an autoscaler; its measurements are not."""
    found = _conditions(autoscaler)
    return tuple(
        (kind, str(found[kind].get("status")), str(found[kind].get("reason")))
        for kind in _TYPES
        if kind in found and (kind == "ScalingActive" or found[kind].get("status") != "True")
    )


def autoscaling(autoscalers: Mapping[str, Mapping[str, Any]]) -> Condition | None:
    """Return the condition ``Autoscaling`` of an instance; None without an autoscaler that has tried.

    Parameters
    ----------
    autoscalers
        The live HorizontalPodAutoscalers that the instance controls, by name.
    """
    known = {name: _conditions(each) for name, each in sorted(autoscalers.items())}
    for name, conditions in known.items():
        for kind in _TYPES:
            found = conditions.get(kind, {})
            if found.get("status") == "False" and found.get("reason") != _DISABLED:
                reason, said = str(found.get("reason")), str(found.get("message") or "").rstrip(". ")
                detail = f"HorizontalPodAutoscaler {name}: {said}. The number of workers stays as it is."
                message = _ADVICE.get(reason, _UNKNOWN).sentence(detail)
                return Condition(AUTOSCALING, False, reason, message)
    if not any("ScalingActive" in conditions for conditions in known.values()):
        return None
    return Condition(AUTOSCALING, True, MEASURING, "The autoscaler can measure the load.")


def _conditions(autoscaler: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    conditions = (autoscaler.get("status") or {}).get("conditions") or []
    return {str(each.get("type")): each for each in conditions}
