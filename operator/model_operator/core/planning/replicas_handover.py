"""Handing ``spec.replicas`` of a Deployment over to the autoscaler, without a moment at another number.

Server-side apply resets a field to its default, one worker, when its last owner leaves it out. So before the
operator leaves ``replicas`` out, another field manager applies the present number; the autoscaler, writing to
the scale subresource, takes the field over from that one by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from model_operator.core.objects.ownership import MANAGER
from model_operator.core.rendering.desired_child import DesiredChild

REPLICAS_MANAGER = f"{MANAGER}-replicas"
"""Field manager that holds the number until the autoscaler first changes it."""

Object = Mapping[str, Any]


def with_replicas(deployment: DesiredChild) -> DesiredChild:
    """Return a desired Deployment that sets its initial number of workers itself, as on its creation."""
    spec = {**deployment.manifest["spec"], "replicas": deployment.initial_workers}
    return replace(deployment, manifest={**deployment.manifest, "spec": spec})


def without_replicas(deployment: DesiredChild) -> DesiredChild:
    """Return a desired Deployment without ``replicas``, while an autoscaler that is not desired still exists.

    At zero workers that autoscaler is disabled, so the minimum is one worker.
    """
    spec = {key: value for key, value in deployment.manifest["spec"].items() if key != "replicas"}
    return replace(
        deployment, manifest={**deployment.manifest, "spec": spec}, min_workers=1, first_workers=None
    )


def has_min_workers(desired: DesiredChild, live: Object) -> bool:
    """Return whether a live child has at least its number of workers without load.

    An autoscaler ensures that itself, but not from zero, where it is disabled unless its minimum is zero.

    Parameters
    ----------
    desired
        The desired child; only one that `leaves_replicas` can have too few, for others that is drift.
    live
        The child as the API server has it.
    """
    return not desired.leaves_replicas or bool(live["spec"].get("replicas", 1) >= desired.min_workers)


def handover(live: Object, uid: str, desired: DesiredChild) -> dict[str, Any] | None:
    """Return the object that `REPLICAS_MANAGER` applies before ``replicas`` is left out; None if not needed.

    Parameters
    ----------
    live
        The Deployment as the API server has it at this moment, with ``managedFields``. It must be applied to
        this version: forced onto a later one, it might undo a change by the autoscaler.
    uid
        The Deployment; the server rejects the write if it was recreated.
    desired
        The desired Deployment. Its initial number counts if the number has been ours until now, else its
        minimum. The number is never lowered here; the autoscaler does that.
    """
    count, is_ours = live["spec"].get("replicas", 1), _is_ours(live)
    enough = desired.initial_workers if is_ours else desired.min_workers
    if count >= enough and not is_ours:
        return None
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**metadata, "uid": uid},
        "spec": {"replicas": max(count, enough)},
    }


def _is_ours(live: Object) -> bool:
    """Return whether the operator's own apply set the number, so that an apply without it would reset it."""
    return any(
        entry.get("manager") == MANAGER
        and entry.get("operation") == "Apply"
        and "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        for entry in live["metadata"].get("managedFields") or []
    )
