"""The accelerator of a pod: its resource, the labels of its nodes, and the tolerations of their taints."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from model_operator.api import GpuType
from model_operator.core.templates.pod_paths import CONTAINER_LISTS
from model_operator.core.templates.render_settings import GPU_RESOURCE, Accelerator, RenderSettings
from model_operator.core.values.hints import closest
from model_operator.core.values.quantities import parse_quantity
from model_operator.core.values.violations import Loc, Violation

GPU_TYPE_LOC: Final[Loc] = ("spec", "vendor_configuration", "endpoint_config", "gpu_type")

_NVIDIA: Final = "nvidia.com/"
_TYPING_ERROR: Final = 0.85
"""How similar a name must be to be the same one with a typing error."""


def layer_accelerator(
    pod_spec: dict[str, Any],
    container: dict[str, Any],
    gpus: int | None,
    gpu_type: str | None,
    settings: RenderSettings,
) -> None:
    """Add resource, node selector and built-in toleration of an explicit number of GPUs.

    Parameters
    ----------
    pod_spec
        ``spec`` of a pod template; changed in place.
    container
        Its model container, with ``resources``.
    gpus
        Number of GPUs. With None, the pod template decides; with 0, it requests none.
    gpu_type
        Accelerator type; None for any.
    settings
        The cluster's conventions.
    """
    if gpus is None:
        return
    resources = [container["resources"][key] for key in ("requests", "limits")]
    for each in resources:
        for name in settings.gpu_resources:
            each.pop(name, None)
    if not gpus:
        return
    accelerator = settings.accelerators.get(gpu_type or "", Accelerator())
    resource = accelerator.resource or settings.gpu_resource
    for each in resources:
        each[resource] = str(gpus)
    if gpu_type is not None:
        labels = _node_labels(accelerator, gpu_type, settings)
        if labels:
            pod_spec["nodeSelector"] = {**pod_spec.get("nodeSelector", {}), **labels}
    added = [toleration_of(resource), *(each.to_dict() for each in accelerator.tolerations)]
    known = pod_spec.get("tolerations", [])
    pod_spec["tolerations"] = [*known, *(each for each in added if each not in known)]


def requested_gpus(pod_spec: Mapping[str, Any], settings: RenderSettings) -> tuple[str, ...]:
    """Return the resources that are GPUs and that a container of a rendered pod requests, sorted by name.

    Parameters
    ----------
    pod_spec
        ``spec`` of a rendered pod template.
    settings
        The cluster's conventions.
    """
    found = set()
    for key in sorted(CONTAINER_LISTS):
        for container in pod_spec.get(key) or ():
            resources = container.get("resources") or {}
            for field in ("requests", "limits"):
                quantities = resources.get(field) or {}
                found |= {
                    name
                    for name, amount in quantities.items()
                    if settings.is_gpu_resource(name) and _is_some(amount)
                }
    return tuple(sorted(found))


def _is_some(amount: Any) -> bool:
    """Whether a quantity is more than 0; so is one that only the API server can validate."""
    try:
        return parse_quantity(amount) > 0
    except (TypeError, ValueError):
        return True


def toleration_of(resource: str) -> dict[str, str]:
    """Return the toleration of the taint on nodes with a resource, by its usual name.

    Nodes with an accelerator are commonly tainted with the name of its resource, as the admission plugin
    ExtendedResourceToleration expects. Those with a partitioned NVIDIA GPU keep the taint of whole ones.
    """
    key = GPU_RESOURCE if resource.startswith(_NVIDIA) else resource
    return {"key": key, "operator": "Exists", "effect": "NoSchedule"}


def unknown_types(gpu_types: tuple[str, ...], settings: RenderSettings) -> Iterator[Violation]:
    """Yield a warning for each accelerator type that neither the platform nor a setting names.

    Parameters
    ----------
    gpu_types
        The types that a template may request.
    settings
        The cluster's conventions.
    """
    known = {*GpuType, *settings.accelerators, *settings.gpu_node_values}
    for gpu_type in gpu_types:
        if gpu_type not in known:
            label = settings.gpu_node_label
            nodes = f"nodes with the label {label}={gpu_type}" if label else "any node"
            message = (
                f"no setting of the operator names the type {gpu_type}{_hint(gpu_type, known)}, so pods "
                f"request {settings.gpu_resource} on {nodes}. Action (operator administrator): name the type "
                "in the setting MODEL_OPERATOR_RENDERING__ACCELERATORS, with other labels or another "
                "resource if it needs them"
            )
            yield Violation(GPU_TYPE_LOC, message, "unknown_gpu_type")


def _hint(gpu_type: str, known: Collection[str]) -> str:
    """Return the hint at the known type that was probably meant.

    A product has digits in its name, by which ``nvidia-a100`` is ``nvidia-ampere-a100``, and ``nvidia-l4`` is
    not ``nvidia-tesla-t4``, however similar the rest is.
    """
    products = _products(gpu_type)
    alike = [name for name in sorted(known) if products & _products(name)]
    if alike:
        near = min(alike, key=lambda name: len(products ^ _products(name)))
    else:
        near = closest(gpu_type, sorted(known), _TYPING_ERROR)
    return f" (did you mean {near}?)" if near else ""


def _products(gpu_type: str) -> frozenset[str]:
    words = re.split(r"[-_.]", gpu_type.lower())
    return frozenset(word for word in words if re.search("[a-z]", word) and re.search("[0-9]", word))


def _node_labels(accelerator: Accelerator, gpu_type: str, settings: RenderSettings) -> Mapping[str, str]:
    if accelerator.node_labels is not None:
        return accelerator.node_labels
    if not settings.gpu_node_label:
        return {}
    return {settings.gpu_node_label: settings.gpu_node_values.get(gpu_type, gpu_type)}
