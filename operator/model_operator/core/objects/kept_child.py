"""What the cache keeps of a child, and of an object that only has the labels of one.

The watches select by a label that any user can put on a Deployment of 1.5 MiB, in any namespace, and Python
takes 60 MiB for such an object. So the cache keeps of an object without a controlling instance only what
decides who owns it, and keeps a child within bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.api import GROUP
from model_operator.core.objects.kept_form import SPEC_LIMITS
from model_operator.core.objects.ownership import (
    INSTANCE_LABEL,
    MANAGED_BY,
    MANAGER,
    controller_of,
    is_instance,
)
from model_operator.core.objects.template_annotation import TEMPLATE_REVISION
from model_operator.core.values.limits import Limits, check_limits

CHILD_LIMITS: Final = Limits(size=2 * SPEC_LIMITS.size, elements=SPEC_LIMITS.elements, depth=40, string=2**18)
"""Of a child that an instance controls: more than the largest template and its parameters make."""
SELECTOR_LIMITS: Final = Limits(size=4096, elements=16, depth=3, string=1024)
"""Of a selector that may be one of ours: it has two labels."""

_METADATA: Final = (
    "name",
    "namespace",
    "uid",
    "generation",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
)
_LABELS: Final = (MANAGED_BY, INSTANCE_LABEL)
_REVISION: Final = "deployment.kubernetes.io/revision"


def kept_child(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a child, or of what has its label: a new object, the same for what it returned.

    Parameters
    ----------
    obj
        The object as the API server sent it, of a built-in kind.
    """
    metadata = obj["metadata"]
    controller = controller_of(obj)
    if controller is not None and is_instance(controller):
        kept = {**obj, "metadata": _own_metadata(metadata)}
        if not check_limits(kept, (), CHILD_LIMITS):
            return kept
        known = {"controller": True, **{key: _short(controller.get(key)) for key in _OWNER}}
    else:
        # Which other object that is makes no difference.
        known = {"controller": True}
    identity = {name: metadata[name] for name in _METADATA if name in metadata}
    labels = metadata.get("labels") or {}
    identity["labels"] = {name: labels[name] for name in _LABELS if name in labels}
    revision = (metadata.get("annotations") or {}).get(TEMPLATE_REVISION)
    if revision is not None and controller is None:
        # What an orphan runs, which an instance that is restored from a backup adopts.
        identity["annotations"] = {TEMPLATE_REVISION: _short(revision)}
    if controller is not None:
        identity["ownerReferences"] = [known, *({} for _ in range(_has_others(metadata)))]
    kept = {name: obj[name] for name in ("apiVersion", "kind") if name in obj}
    return {**kept, "metadata": identity, "spec": _outline(obj.get("spec") or {})}


_OWNER: Final = ("apiVersion", "kind", "name", "uid")
_MAX_NAME: Final = 253


def _short(text: Any) -> str:
    """Return what may be a name or uid; a longer text is none, and no object has it."""
    return str(text or "")[: _MAX_NAME + 1]


def _has_others(metadata: Mapping[str, Any]) -> bool:
    return len(metadata.get("ownerReferences") or ()) > 1


def _own_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata without the annotations of others.

    Metadata without ``managedFields`` is what this function returned.
    """
    kept = {name: value for name, value in metadata.items() if name != "managedFields"}
    annotations = metadata.get("annotations")
    if annotations and "managedFields" in metadata:
        ours = _applied_annotations(metadata)
        kept["annotations"] = {
            key: value
            for key, value in annotations.items()
            if key.startswith(f"{GROUP}/") or key == _REVISION or f"f:{key}" in ours
        }
    return kept


def _applied_annotations(metadata: Mapping[str, Any]) -> set[str]:
    """Return the annotations that the operator applied, as ``fieldsV1`` names them."""
    names = set[str]()
    for entry in metadata.get("managedFields") or ():
        if entry.get("manager") == MANAGER:
            fields = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
            names |= (fields.get("f:annotations") or {}).keys()
    return names


def _outline(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a specification how many pods it wants, and which are its own."""
    kept = {"replicas": spec["replicas"]} if "replicas" in spec else {}
    selector = spec.get("selector")
    if selector is not None and not check_limits(selector, (), SELECTOR_LIMITS):
        kept["selector"] = selector
    return kept
