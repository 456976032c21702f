"""A pod template without what the API server or a tool has added to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.objects.ownership import OWN_LABELS
from model_operator.core.offline.conversion.workloads import items, mapping

_SPEC_DEFAULTS: Final[Mapping[str, Any]] = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "initContainers": [],
    "volumes": [],
    "imagePullSecrets": [],
}
_CONTAINER_DEFAULTS: Final[Mapping[str, Any]] = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "resources": {},
    "env": [],
    "ports": [],
    "volumeMounts": [],
}
_OF_A_LIVE_POD: Final = ("nodeName", "ephemeralContainers", "priority", "preemptionPolicy", "hostname")
_TOKEN_VOLUME: Final = "kube-api-access-"  # noqa: S105 -- the name of a volume
_EVICTION: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")

FOREIGN_KEYS: Final = re.compile(
    r"(helm\.sh|meta\.helm\.sh|checksum|(.*\.)?argoproj\.io|(.*\.)?toolkit\.fluxcd\.io|deployment\.kubernetes\.io"
    r"|(.*\.)?modeloperator\.dev)/.*"
    r"|kubectl\.kubernetes\.io/(last-applied-configuration|restartedAt)"
    r"|app\.kubernetes\.io/(managed-by|component)"
    r"|pod-template-hash|controller-revision-hash|statefulset\.kubernetes\.io/pod-name"
    r"|apps\.kubernetes\.io/pod-index",
    re.ASCII,
)
"""Keys of labels and annotations by which a tool, a controller or the operator keeps its own records."""


def cleaned_pod(pod: Mapping[str, Any], *, is_live: bool) -> tuple[dict[str, Any], list[str]]:
    """Return a copy without nulls, defaults and foreign records, and the labels that were left out.

    Parameters
    ----------
    pod
        A pod template.
    is_live
        Whether it is that of a Pod, to which controllers may have added their own fields.
    """
    metadata, spec = mapping(pod.get("metadata")), _copy(mapping(pod.get("spec")))
    dropped: list[str] = []
    kept_metadata: dict[str, Any] = {}
    for field in ("labels", "annotations"):
        entries = mapping(metadata.get(field))
        kept = {key: value for key, value in entries.items() if not is_foreign(key)}
        if field == "labels":
            dropped = [key for key in entries if key not in kept]
        if kept:
            kept_metadata[field] = kept
    _drop(spec, _SPEC_DEFAULTS)
    spec.pop("serviceAccount", None)
    if is_live:
        _drop_live(spec)
    for key in ("containers", "initContainers"):
        for container in spec.get(key) or ():
            if isinstance(container, dict):
                _drop(container, _CONTAINER_DEFAULTS)
    return ({"metadata": kept_metadata} if kept_metadata else {}) | {"spec": spec}, dropped


def is_foreign(key: str) -> bool:
    """Whether a label or annotation is a record of a tool, a controller or the operator."""
    return key in OWN_LABELS or FOREIGN_KEYS.fullmatch(key) is not None


def _drop(parent: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    for key, default in defaults.items():
        if key in parent and parent[key] == default:
            del parent[key]


def _drop_live(spec: dict[str, Any]) -> None:
    for key in _OF_A_LIVE_POD:
        spec.pop(key, None)
    for parent, key in [(spec, "volumes"), *((each, "volumeMounts") for each in _containers(spec))]:
        kept = [
            each for each in items(parent.get(key)) if not str(each.get("name")).startswith(_TOKEN_VOLUME)
        ]
        if key in parent:
            parent[key] = kept
        if not kept:
            parent.pop(key, None)
    tolerations = [each for each in items(spec.get("tolerations")) if each.get("key") not in _EVICTION]
    spec["tolerations"] = tolerations
    if not tolerations:
        del spec["tolerations"]


def _containers(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return [each for each in found if isinstance(each, dict)]


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items() if item is not None}
    return [_copy(item) for item in value] if isinstance(value, list) else value
