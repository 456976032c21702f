"""Handing ``spec.replicas`` of a Deployment over to the autoscaler, without a moment at another number.

Server-side apply resets a field to its default, one worker, when its last owner leaves it out. So before the
operator leaves ``replicas`` out, another field manager applies the present number; the autoscaler, writing to
the scale subresource, takes the field over from that one by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.objects.ownership import MANAGER

REPLICAS_MANAGER = f"{MANAGER}-replicas"
"""Field manager that holds the number until the autoscaler first changes it."""

Object = Mapping[str, Any]


def with_replicas(deployment: Object, count: int) -> dict[str, Any]:
    """Return a rendered Deployment with that number of workers."""
    return {**deployment, "spec": {**deployment["spec"], "replicas": count}}


def without_replicas(deployment: Object) -> dict[str, Any]:
    """Return a rendered Deployment without ``replicas``, which the autoscaler sets."""
    spec = {key: value for key, value in deployment["spec"].items() if key != "replicas"}
    return {**deployment, "spec": spec}


def leaves_replicas(child: Object) -> bool:
    """Return whether a rendered child is a Deployment without ``replicas``, which the autoscaler sets."""
    return bool(child["kind"] == "Deployment" and "replicas" not in child["spec"])


def has_min_workers(wanted: Object, live: Object, min_workers: int) -> bool:
    """Return whether a live child has at least its number of workers without load.

    An autoscaler ensures that itself, but not from zero, where it is disabled.

    Parameters
    ----------
    wanted
        The rendered child; only one that `leaves_replicas` can have too few, for others that is drift.
    live
        The child as the API server has it.
    min_workers
        Workers without load.
    """
    return not leaves_replicas(wanted) or bool(live["spec"].get("replicas", 1) >= min_workers)


def handover(live: Object, uid: str, min_workers: int) -> dict[str, Any] | None:
    """Return the object that `REPLICAS_MANAGER` applies before ``replicas`` is left out; None if not needed.

    Parameters
    ----------
    live
        The Deployment as the API server has it at this moment, with ``managedFields``. It must be applied to
        this version: forced onto a later one, it might undo a change by the autoscaler.
    uid
        The Deployment; the server rejects the write if it was recreated.
    min_workers
        Workers without load. The number is never lowered here; the autoscaler does that.
    """
    count = live["spec"].get("replicas", 1)
    if count >= min_workers and not _is_ours(live):
        return None
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**metadata, "uid": uid},
        "spec": {"replicas": max(count, min_workers)},
    }


def _is_ours(live: Object) -> bool:
    """Return whether the operator's own apply set the number, so that an apply without it would reset it."""
    return any(
        entry.get("manager") == MANAGER
        and entry.get("operation") == "Apply"
        and "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        for entry in live["metadata"].get("managedFields") or []
    )
