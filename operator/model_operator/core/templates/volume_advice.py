"""Warnings about volumes that may grow beyond what their pod may use, which ends it before they are full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from model_operator.api import ModelTemplateSpec
from model_operator.core.values.quantities import parse_quantity
from model_operator.core.values.violations import Loc, Violation

_LOC: Final[Loc] = ("spec", "pod_template", "spec", "volumes")
_FIELDS: Final = {"memory": "memory", "ephemeral-storage": "storage"}
"""The resources that an ``emptyDir`` uses, and their fields in ``endpoint_config``."""


def volume_warnings(spec: ModelTemplateSpec, pod: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield a warning for each ``emptyDir``, or all of a medium, larger than the limit of the pod.

    The memory or the ephemeral storage of a pod holds all of its ``emptyDir`` volumes together.

    Parameters
    ----------
    spec
        ``spec`` of a template whose ``pod_template`` can be merged.
    pod
        The pod of `core.templates.layering.layered_pod`, with default resources.
    """
    sizes: dict[str, list[Decimal]] = {name: [] for name in _FIELDS}
    exceeded = set()
    for index, volume in enumerate(((spec.pod_template or {}).get("spec") or {}).get("volumes") or ()):
        source = volume.get("emptyDir")
        size = _quantity(source.get("sizeLimit")) if isinstance(source, Mapping) else None
        if size is None:
            continue
        name = "memory" if source.get("medium") == "Memory" else "ephemeral-storage"
        sizes[name].append(size)
        limit = _limit(pod, name)
        if limit is not None and size > limit:
            exceeded.add(name)
            message = (
                f"is more than the limit of {name} of the pod, which is evicted or killed before the volume "
                f"is full; raise endpoint_config.{_FIELDS[name]}, or lower sizeLimit"
            )
            yield Violation((*_LOC, index, "emptyDir", "sizeLimit"), message, "volume_size")
    for name, field in _FIELDS.items():
        limit = _limit(pod, name)
        if limit is not None and name not in exceeded and sum(sizes[name]) > limit:
            kind = "emptyDir volumes in memory" if name == "memory" else "emptyDir volumes on disk"
            message = (
                f"the sizeLimits of the {len(sizes[name])} {kind} are together more than the limit of "
                f"{name} of the pod, which is evicted or killed before all of them are full; raise "
                f"endpoint_config.{field}, or lower a sizeLimit"
            )
            yield Violation(_LOC, message, "volume_size")


def _limit(pod: Mapping[str, Any], name: str) -> Decimal | None:
    """Return the sum of a limit over the containers; None if one has no limit."""
    total = Decimal(0)
    for container in pod["spec"]["containers"]:
        limit = _quantity(((container.get("resources") or {}).get("limits") or {}).get(name))
        if limit is None:
            return None
        total += limit
    return total


def _quantity(value: Any) -> Decimal | None:
    try:
        is_number = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        return parse_quantity(value) if is_number else None
    except ValueError:
        return None  # a reference, or what the API server rejects
