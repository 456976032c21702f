"""What a rendered pod template has in common with the manifest that its template was made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from model_operator.core.objects.ownership import OWN_LABELS
from model_operator.core.offline.conversion.containers import image_parts
from model_operator.core.offline.conversion.workloads import mapping
from model_operator.core.templates.ports import probe_ports
from model_operator.core.values.quantities import canonical_quantity

_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumeMounts": ("mountPath",),
}
"""The fields that identify the items of a list; their order has no meaning."""
_CONTAINERS: Final = ("containers", "initContainers")
_SETS: Final = frozenset({"tolerations", "drop", "add"})


class Change(Enum):
    """How a field of the rendered pod relates to the manifest."""

    ADDED = "added"
    CHANGED = "changed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs.

    Attributes
    ----------
    path
        The field, from the pod template; items of lists by name.
    change
        How.
    """

    path: str
    change: Change


def differences(stated: Mapping[str, Any], rendered: Mapping[str, Any]) -> list[Difference]:
    """Return the fields in which two pod templates differ for Kubernetes.

    The order of variables, mounts and tolerations, the spelling of quantities and images, and a request that
    follows from the limit make no difference; neither do the labels of the operator.

    Parameters
    ----------
    stated
        The pod template of the manifest, with its model container renamed.
    rendered
        That of the Deployment that the operator would apply.
    """
    before, after = _normal(stated), _normal(rendered)
    metadata = after.get("metadata", {})
    labels = {key: value for key, value in metadata.get("labels", {}).items() if key not in OWN_LABELS}
    after["metadata"] = {**metadata, "labels": labels}
    before.setdefault("metadata", {}).setdefault("labels", {})
    return list(_compared(before, after, ""))


def _compared(before: Any, after: Any, path: str) -> Iterator[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(each for each in after if each not in before)]:
            here = f"{path}.{key}" if path else key
            if key not in after:
                yield Difference(here, Change.LOST)
            elif key not in before:
                yield Difference(here, Change.ADDED)
            else:
                yield from _compared(before[key], after[key], here)
    elif isinstance(before, frozenset) and isinstance(after, frozenset):
        if before - after:
            yield Difference(path, Change.LOST)
        if after - before:
            yield Difference(path, Change.ADDED)
    elif before != after:
        yield Difference(path, Change.CHANGED)


def _normal(value: Any, field: str = "", parent: str = "") -> Any:
    if isinstance(value, Mapping):
        given = {key: item for key, item in value.items() if item is not None}
        if field == "resources":
            given["requests"] = {**mapping(given.get("limits")), **mapping(given.get("requests"))}
            given.setdefault("limits", {})
        return {key: _normal(item, key, field) for key, item in given.items()}
    if isinstance(value, list):
        if field in _KEYS:
            return _keyed(value, field)
        if field in _SETS:
            return frozenset(json.dumps(item, sort_keys=True) for item in value)
        return [_normal(item, "", field) for item in value]
    if parent in ("requests", "limits") or field == "sizeLimit":
        return _quantity(value)
    if field == "image" and isinstance(value, str):
        return tuple(sorted(image_parts(value).items()))
    return value


def _keyed(items: list[Any], field: str) -> Any:
    result: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, Mapping):
            return items
        each = _with_numbers(item) if field in _CONTAINERS else dict(item)
        if field == "ports":
            each["protocol"] = each.get("protocol") or "TCP"
        if field == "env" and "valueFrom" not in each:
            each["value"] = each.get("value") or ""
        name = "/".join(str(each.get(key)) for key in _KEYS[field])
        # Of variables of the same name the last one counts, and so it is with ports.
        result[name] = _normal(each)
    return result


def _with_numbers(container: Mapping[str, Any]) -> dict[str, Any]:
    """Return a container whose probes name their ports by number."""
    ports = container.get("ports") or ()
    numbers = {port["name"]: port.get("containerPort") for port in ports if "name" in port}
    result = dict(container)
    for path, port in probe_ports(container):
        probe, handler = str(path[0]), str(path[1])
        if port in numbers:
            changed = {**container[probe][handler], "port": numbers[port]}
            result[probe] = {**container[probe], handler: changed}
    return result


def _quantity(value: Any) -> Any:
    try:
        return canonical_quantity(value)
    except (TypeError, ValueError):
        return value
