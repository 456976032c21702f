"""Resources, accelerator and the number of workers, as ``endpoint_config`` states them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.offline.conversion.notes import Draft, Topic
from model_operator.core.offline.conversion.workloads import Workload, items, mapping, name_of
from model_operator.core.templates.layering import MODEL_CONTAINER
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.quantities import canonical_quantity, parse_quantity

_FIELDS: Final = {"cpu": "cpus", "memory": "memory", "ephemeral-storage": "storage"}
_ACCELERATOR_LABELS: Final = (
    "cloud.google.com/gke-accelerator",
    "nvidia.com/gpu.product",
    "gpu.nvidia.com/class",
    "k8s.amazonaws.com/accelerator",
    "karpenter.k8s.aws/instance-gpu-name",
    "accelerator",
)
_MAX_PERCENT: Final = 100


def take_resources(draft: Draft, settings: RenderSettings) -> None:
    """Move what the container requests to ``endpoint_config``, where request and limit are equal.

    Parameters
    ----------
    draft
        The template; its container, node selector and ``endpoint`` are changed.
    settings
        The cluster's conventions.
    """
    resources = draft.container.get("resources")
    if not isinstance(resources, dict):
        return
    requests, limits = dict(mapping(resources.get("requests"))), dict(mapping(resources.get("limits")))
    for name, field in _FIELDS.items():
        if name in limits and _are_equal(requests.get(name, limits[name]), limits[name]):
            draft.endpoint[field] = _number_or_text(limits[name])
            requests.pop(name, None)
            del limits[name]
    _take_gpus(draft, requests, limits, settings)
    for key, left in (("requests", requests), ("limits", limits)):
        resources.pop(key, None)
        if left:
            resources[key] = left
    if not resources:
        del draft.container["resources"]


def _are_equal(request: Any, limit: Any) -> bool:
    try:
        return canonical_quantity(request) == canonical_quantity(limit) and parse_quantity(limit) > 0
    except (TypeError, ValueError):
        return False


def _number_or_text(quantity: Any) -> int | str:
    text = str(quantity)
    return int(text) if text.isdecimal() else text


def _take_gpus(
    draft: Draft, requests: dict[str, Any], limits: dict[str, Any], settings: RenderSettings
) -> None:
    selector = draft.pod_spec.get("nodeSelector")
    labels = selector if isinstance(selector, dict) else {}
    given = [name for name in (*limits, *requests) if settings.is_gpu_resource(name)]
    others = sorted({name for name in given if name != settings.gpu_resource})
    if others:
        draft.note(
            Topic.ASSUMED,
            f"{', '.join(others)} stays in pod_template: gpus of endpoint_config requests "
            f"{settings.gpu_resource}, unless a setting of the operator maps a gpu_type to another resource",
        )
    amount = str(limits.get(settings.gpu_resource, requests.get(settings.gpu_resource, "")))
    if others or not amount.isdecimal() or not int(amount):
        return
    draft.endpoint["gpus"] = int(amount)
    requests.pop(settings.gpu_resource, None)
    limits.pop(settings.gpu_resource, None)
    label = settings.gpu_node_label
    if label and label in labels:
        value = labels.pop(label)
        names = [name for name, given_value in settings.gpu_node_values.items() if given_value == value]
        draft.endpoint["gpu_type"] = names[0] if names else value
        if not labels:
            del draft.pod_spec["nodeSelector"]
        return
    for name in _ACCELERATOR_LABELS:
        if name in labels:
            draft.note(
                Topic.ASSUMED,
                f"the accelerator stays in nodeSelector: gpu_type can say it once a setting of the operator "
                f"(GPU_NODE_LABEL or ACCELERATORS) names the label {name}",
            )


def take_workers(draft: Draft, workload: Workload, container: str) -> None:
    """Move replicas and autoscaler to ``endpoint_config``.

    Parameters
    ----------
    draft
        The template; its ``endpoint`` is changed.
    workload
        Where they come from.
    container
        Name of the model's container in the manifest.
    """
    replicas = workload.spec.get("replicas")
    if isinstance(replicas, int) and not workload.autoscalers and not _take_external(draft, workload):
        if replicas == 0:
            draft.endpoint.update(min_workers=0, max_workers=0)
            draft.note(
                Topic.ASSUMED, "0 workers, as replicas is 0; raise max_workers and min_workers to serve"
            )
        elif replicas != 1:
            draft.endpoint["min_workers"] = replicas
    for autoscaler in workload.autoscalers[:1]:
        _take_autoscaler(draft, autoscaler, container)
    for other in workload.autoscalers[1:]:
        draft.note(
            Topic.NO_PLACE, f"HorizontalPodAutoscaler {name_of(other)}: another one scales the workload"
        )


def _take_external(draft: Draft, workload: Workload) -> bool:
    """Whether another autoscaler scales the workload, which then does so for the models."""
    for other in workload.others:
        target = mapping(mapping(other.get("spec")).get("scaleTargetRef"))
        if other.get("kind") == "ScaledObject" and target.get("name") == workload.name:
            draft.endpoint["autoscaler"] = "EXTERNAL"
            return True
    return False


def _take_autoscaler(draft: Draft, autoscaler: Mapping[str, Any], container: str) -> None:
    spec, name = mapping(autoscaler.get("spec")), name_of(autoscaler)
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
    if "targetCPUUtilizationPercentage" in spec:
        given = [_cpu(spec["targetCPUUtilizationPercentage"])]
    else:
        given = [_metric(each, container, draft) for each in items(spec.get("metrics"))]
    metrics = [each for each in given if each is not None]
    if len(metrics) < len(given) or not isinstance(most, int) or most <= least:
        if given and not metrics:
            draft.endpoint["autoscaler"] = "EXTERNAL"
            if least != 1:
                draft.endpoint["min_workers"] = least
            draft.note(
                Topic.BESIDE,
                f"HorizontalPodAutoscaler {name}, with the Deployment of the instance as its target: none of "
                "its metrics has a place in scaling_metrics",
            )
            return
        if len(metrics) < len(given):
            draft.note(
                Topic.NO_PLACE,
                f"metrics of HorizontalPodAutoscaler {name} other than CPU utilization and averages of "
                "Pods and External metrics",
            )
    draft.endpoint["min_workers"] = least
    if isinstance(most, int):
        draft.endpoint["max_workers"] = most
    if metrics:
        draft.endpoint["scaling_metrics"] = metrics
    behavior = spec.get("behavior")
    if isinstance(behavior, Mapping) and behavior:
        draft.endpoint["behavior"] = _without_tolerance(behavior, draft)


def _without_tolerance(behavior: Mapping[str, Any], draft: Draft) -> dict[str, Any]:
    known = ("stabilizationWindowSeconds", "selectPolicy", "policies")
    result: dict[str, Any] = {}
    for direction, rules in behavior.items():
        kept = {key: value for key, value in mapping(rules).items() if key in known and value is not None}
        if len(kept) < len(mapping(rules)):
            draft.note(Topic.NO_PLACE, f"{direction}.tolerance of behavior of the HorizontalPodAutoscaler")
        if kept:
            result[direction] = kept
    return result


def _cpu(percent: Any) -> dict[str, Any] | None:
    is_percent = isinstance(percent, int) and 1 <= percent <= _MAX_PERCENT
    return {"type": "CPU", "target": percent} if is_percent else None


def _metric(metric: Mapping[str, Any], container: str, draft: Draft) -> dict[str, Any] | None:
    kind = metric.get("type")
    source = mapping(metric.get(f"{str(kind)[:1].lower()}{str(kind)[1:]}"))
    target = mapping(source.get("target"))
    if kind in ("Resource", "ContainerResource"):
        is_ours = kind == "Resource" or source.get("container") in (container, MODEL_CONTAINER)
        if source.get("name") != "cpu" or not is_ours:
            return None
        if kind == "Resource" and len(draft.pod_spec["containers"]) > 1:
            draft.note(
                Topic.ASSUMED, "CPU utilization is that of the container model, no longer of the whole pod"
            )
        return _cpu(target.get("averageUtilization"))
    if kind not in ("Pods", "External") or "averageValue" not in target:
        return None
    identity = mapping(source.get("metric"))
    selector = mapping(identity.get("selector"))
    if selector.get("matchExpressions"):
        return None
    found: dict[str, Any] = {"type": str(kind).upper(), "name": identity.get("name")}
    if selector.get("matchLabels"):
        found["labels"] = dict(selector["matchLabels"])
    return {**found, "target": _number_or_text(target["averageValue"])}
