"""Paths in a pod template, and the names in them that several rules need."""

from __future__ import annotations

from typing import Final

Path = tuple[str | int, ...]
"""Path of a field from the root of a PodTemplateSpec, such as ``("spec", "containers", 0, "args", 1)``."""

CONTAINER_LISTS: Final = frozenset({"containers", "initContainers"})
"""Fields of a pod's ``spec`` that are lists of containers."""
PROBES: Final = frozenset({"livenessProbe", "readinessProbe", "startupProbe"})
"""Fields of a container that are probes."""
STRING_MAPS: Final = frozenset(
    {
        "annotations",
        "labels",
        "limits",
        "matchLabels",
        "nodeSelector",
        "overhead",
        "requests",
        "userAnnotations",
        "volumeAttributes",
    }
)
"""Fields that are maps of strings: their keys are chosen by the template owner."""
