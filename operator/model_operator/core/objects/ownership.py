"""The ownership of a child: ours, an orphan to adopt, a deleted instance's of the same name, or foreign.

An owner counts only in the namespace of what it owns, and with its API group and kind: :class:`OwnerKey` is
the one key by which owners and what they own are compared. A uid alone proves nothing, as any user may write
one into the owner references of an object elsewhere.

An object is overwritten (forced) only when it is ours or an orphan with our labels; a user's
Service that happens to have the instance's name stays untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from model_operator.api import GROUP

MANAGED_BY = "app.kubernetes.io/managed-by"
"""Label on every child; its value is :data:`MANAGER`."""
MANAGER = "model-operator"
"""Field manager of server-side apply, and the value of the managed-by label."""
REST_MANAGER = "model-operator-rest"
"""Field manager of what the REST API writes, and the managed-by label of what it creates."""
ROLLOUT_MANAGER = "model-operator-rollout"
"""Field manager of what ``kubectl model rollout`` writes. Flux takes over the fields of managers whose names
begin with kubectl, and of no others."""
INSTANCE_LABEL = f"{GROUP}/instance"
"""Label on every child and pod: the instance's name; part of the selector."""
DEPLOYMENT_LABEL = f"{GROUP}/deployment"
"""Label on every child and pod: the Deployment's name; part of the selector."""
COMPONENT_LABEL = "app.kubernetes.io/component"
"""Label on every child and pod; its value is :data:`COMPONENT`."""
COMPONENT = "model-server"
"""Value of the component label."""
OWN_LABELS = (MANAGED_BY, COMPONENT_LABEL, INSTANCE_LABEL, DEPLOYMENT_LABEL)
"""The labels that the operator sets on every child and pod."""

INSTANCE_KIND = "ModelInstance"
"""Kind of the owner of all children."""


class OwnerKey(NamedTuple):
    """Which object owns: equal for the owner and for what refers to it as its controller.

    Attributes
    ----------
    namespace
        That of both; an owner reference never leads out of its namespace.
    group, kind
        API group and kind of the owner, of whichever version; the core group is empty.
    uid
        ``metadata.uid`` of the owner.
    """

    namespace: str
    group: str
    kind: str
    uid: str


def instance_key(namespace: str, uid: str) -> OwnerKey:
    """Return the key of a ModelInstance as an owner."""
    return OwnerKey(namespace, GROUP, INSTANCE_KIND, uid)


def key_of_owner(owner: Mapping[str, Any], group: str, kind: str) -> OwnerKey:
    """Return the key of an object of that API group and kind as an owner."""
    metadata = owner["metadata"]
    return OwnerKey(metadata.get("namespace", ""), group, kind, str(metadata["uid"]))


def controller_key(live: Mapping[str, Any]) -> OwnerKey | None:
    """Return the key of the object that controls another one; None when none does."""
    controller = controller_of(live)
    if controller is None:
        return None
    namespace = live["metadata"].get("namespace", "")
    group = group_of(str(controller.get("apiVersion", "")))
    return OwnerKey(namespace, group, str(controller.get("kind", "")), str(controller.get("uid", "")))


def group_of(api_version: str) -> str:
    """Return the API group of an ``apiVersion``; empty for the core group."""
    group, slash, _ = api_version.rpartition("/")
    return group if slash else ""


class Ownership(Enum):
    """Relation of a live object to an instance."""

    OURS = "ours"
    ORPHAN = "orphan"
    """Has our labels and no controller: left by a deletion that orphaned it; to be adopted."""
    TERMINATING = "terminating"
    """Being deleted, or controlled by a deleted instance of the same name: wait for its deletion."""
    FOREIGN = "foreign"


def classify(live: Mapping[str, Any], *, namespace: str, name: str, uid: str) -> Ownership:
    """Return whose a live child is.

    Parameters
    ----------
    live
        A Deployment, Service or other child as the API server has it.
    namespace, name, uid
        ``metadata.namespace``, ``metadata.name`` and ``metadata.uid`` of the instance.
    """
    metadata = live.get("metadata", {})
    if metadata.get("namespace", "") != namespace:
        return Ownership.FOREIGN
    labels = metadata.get("labels") or {}
    labelled = labels.get(MANAGED_BY) == MANAGER and labels.get(INSTANCE_LABEL) == name
    controller = controller_of(live)
    ours = controller_key(live) == instance_key(namespace, uid)
    earlier = controller is not None and is_instance(controller) and controller.get("name") == name
    adoptable = controller is None and labelled and _has_selector(live, name)
    if not (ours or earlier or adoptable):
        return Ownership.FOREIGN
    if metadata.get("deletionTimestamp") or (earlier and not ours):
        return Ownership.TERMINATING
    return Ownership.OURS if ours else Ownership.ORPHAN


def controller_of(live: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the owner reference with ``controller: true``, if any."""
    references = live.get("metadata", {}).get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def is_instance(reference: Mapping[str, Any]) -> bool:
    """Return whether an owner reference is to a ModelInstance, of whichever version."""
    group = group_of(str(reference.get("apiVersion", "")))
    return (group, reference.get("kind")) == (GROUP, INSTANCE_KIND)


def _has_selector(live: Mapping[str, Any], instance: str) -> bool:
    """Return whether a Deployment selects the pods that ours would: its selector can never be changed."""
    if live.get("kind") != "Deployment":
        return True
    wanted = {INSTANCE_LABEL: instance, DEPLOYMENT_LABEL: live.get("metadata", {}).get("name")}
    return bool(live.get("spec", {}).get("selector") == {"matchLabels": wanted})
