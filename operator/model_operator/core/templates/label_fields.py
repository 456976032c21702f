"""The fields of a pod template that hold values of labels and annotations.

Source of the limit: ``k8s.io/apimachinery/pkg/api/validation.ValidateAnnotationsSize``.
"""

from __future__ import annotations

from typing import Final

from model_operator.core.templates.pod_paths import Path

ANNOTATIONS_SIZE: Final = 256 * 1024
"""Maximum number of bytes of all annotations of a pod, keys and values."""

_LABEL_MAPS: Final = frozenset({"nodeSelector", "matchLabels"})


def is_label(path: Path) -> bool:
    """Whether the field at a path of a pod template holds the value of a label, or selects by one."""
    if len(path) < 2:  # noqa: PLR2004 -- the map, the key
        return False
    return path[:2] == ("metadata", "labels") or path[-2] in _LABEL_MAPS


def is_annotation(path: Path) -> bool:
    """Whether the field at a path of a pod template holds the value of one of its annotations."""
    return path[:2] == ("metadata", "annotations")
