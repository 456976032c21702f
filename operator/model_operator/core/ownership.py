"""Whose a child is: ours, an orphan to adopt, an earlier namesake's, or somebody else's.

An object is overwritten (forced) only when it is ours or an orphan with our labels; a user's
Service that happens to have the instance's name stays untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from model_operator.api import GROUP

MANAGED_BY = "app.kubernetes.io/managed-by"
"""Label on every child; its value is :data:`MANAGER`."""
MANAGER = "model-operator"
"""Field manager of server-side apply, and the value of the managed-by label."""
INSTANCE_LABEL = f"{GROUP}/instance"
"""Label on every child and pod: the instance's name; part of the selector."""
DEPLOYMENT_LABEL = f"{GROUP}/deployment"
"""Label on every child and pod: the Deployment's name; part of the selector."""


class Ownership(Enum):
    """Relation of a live object to an instance."""

    OURS = "ours"
    ORPHAN = "orphan"
    """Has our labels and no controller: left by a deletion that orphaned it; to be adopted."""
    LEAVING = "leaving"
    """On its way out, or controlled by an earlier instance of the same name: wait for it to go."""
    FOREIGN = "foreign"


def classify(live: Mapping[str, Any], *, name: str, uid: str) -> Ownership:
    """Return whose a live child is.

    Parameters
    ----------
    live
        A Deployment, Service or other child as the API server has it.
    name, uid
        ``metadata.name`` and ``metadata.uid`` of the instance.
    """
    metadata = live.get("metadata", {})
    labels = metadata.get("labels") or {}
    labelled = labels.get(MANAGED_BY) == MANAGER and labels.get(INSTANCE_LABEL) == name
    controller = controller_of(live)
    ours = controller is not None and controller.get("uid") == uid
    namesake = controller is not None and is_instance(controller) and controller.get("name") == name
    adoptable = controller is None and labelled and _has_selector(live, name)
    if not (ours or namesake or adoptable):
        return Ownership.FOREIGN
    if metadata.get("deletionTimestamp") or (namesake and not ours):
        return Ownership.LEAVING
    return Ownership.OURS if ours else Ownership.ORPHAN


def controller_of(live: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the owner reference with ``controller: true``, if any."""
    references = live.get("metadata", {}).get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def is_instance(reference: Mapping[str, Any]) -> bool:
    """Tell whether an owner reference is to a ModelInstance, of whichever version."""
    return reference.get("kind") == "ModelInstance" and str(reference.get("apiVersion", "")).startswith(
        f"{GROUP}/"
    )


def _has_selector(live: Mapping[str, Any], instance: str) -> bool:
    """Tell whether a Deployment selects the pods that ours would: its selector can never be changed."""
    if live.get("kind") != "Deployment":
        return True
    wanted = {INSTANCE_LABEL: instance, DEPLOYMENT_LABEL: live.get("metadata", {}).get("name")}
    return bool(live.get("spec", {}).get("selector") == {"matchLabels": wanted})
