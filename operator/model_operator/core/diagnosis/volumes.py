"""Why the volumes and devices of a pod are not there: claims, mounts, ResourceClaims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from model_operator.api import Actor
from model_operator.core.diagnosis.cause import Diagnosis, failure, note
from model_operator.core.diagnosis.evidence import Evidence, newest_message
from model_operator.core.diagnosis.foreign_messages import (
    is_missing_object,
    missing_claim_template,
    multi_attach,
    without_mount_step,
)
from model_operator.core.diagnosis.image_messages import without_plugin
from model_operator.core.diagnosis.image_volumes import unknown_to_kubelet
from model_operator.core.diagnosis.kubelet_messages import normalized_message
from model_operator.core.diagnosis.pod_events import Event, recent, with_reason
from model_operator.core.reasons.reasons import Advice, Reason

_MOUNT_ERRORS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
_NOT_CREATED, _NOT_PREPARED = "FailedResourceClaimCreation", "FailedPrepareDynamicResources"
_MAX_VOLUMES = 3
_ATTACHED_ELSEWHERE = Advice(
    Actor.CLUSTER,
    "free the volume: another pod uses it, or the node that has it is down; retried automatically.",
)
_CLAIM_EVENTS = ("ProvisioningFailed", "FailedBinding", "VolumeMismatch", "ExternalProvisioning")
_NO_CLASS = Advice(
    Actor.TEMPLATE_OWNER,
    "create the claim with a storageClassName that exists, or have the cluster administrator create a "
    "PersistentVolume for it.",
)
_PROVISION = Advice(
    Actor.CLUSTER,
    "check the StorageClass and its provisioner; kubectl describe pvc shows the Events of the claim.",
)
_CREATE_CLAIM_TEMPLATE = Advice(
    Actor.TEMPLATE_OWNER,
    "create the ResourceClaimTemplate in the instance's namespace, or fix resourceClaims in pod_template; "
    "retried automatically.",
)
_PREPARE = Advice(Actor.CLUSTER, "check the driver of the device on the node; retried automatically.")


def claim_names(pod: Mapping[str, Any]) -> list[str]:
    """Return the names of the PersistentVolumeClaims of a pod, those of ephemeral volumes included."""
    names = []
    for volume in pod["spec"].get("volumes") or []:
        if volume.get("persistentVolumeClaim"):
            names.append(str(volume["persistentVolumeClaim"]["claimName"]))
        elif volume.get("ephemeral") is not None:
            names.append(f"{pod['metadata']['name']}-{volume['name']}")
    return names


def unbound_claim(pod: Mapping[str, Any], evidence: Evidence) -> Diagnosis | None:
    """Return which claim of a pod is not bound, and why; None when none is known to be.

    Parameters
    ----------
    pod
        A pod that has no node yet.
    evidence
        What was read beside it; the claims.
    """
    for name in claim_names(pod):
        claim = evidence.claims.get(name)
        if claim is None or (claim.get("status") or {}).get("phase") == "Bound":
            continue
        # The name of an ephemeral volume's claim has that of its pod in it.
        shown = normalized_message(name, pod)
        storage_class = (claim.get("spec") or {}).get("storageClassName")
        of_class = f'StorageClass "{storage_class}"' if storage_class else "no StorageClass"
        found = newest_message(evidence.claim_events.get(name, ()), _CLAIM_EVENTS)
        reason, said = found or ("", "")
        text = f'PersistentVolumeClaim "{shown}" ({of_class}) is not bound'
        if reason:
            text = f"{text}: {normalized_message(said, pod)}"
        # A volume of a working provisioner is there after some seconds.
        if reason in ("", "ExternalProvisioning") and not evidence.has_lasted(
            claim["metadata"].get("creationTimestamp")
        ):
            return note(text)
        return failure(Reason.VolumeNotReady, text, _PROVISION if storage_class else _NO_CLASS)
    return None


def resource_claim_cause(pod: Mapping[str, Any], events: Sequence[Event]) -> Diagnosis | None:
    """Return why a ResourceClaim of a pod cannot be created or prepared; None when no event says so."""
    found = newest_message(events, (_NOT_CREATED, _NOT_PREPARED))
    if found is None:
        return None
    reason, said = found
    template = missing_claim_template(said)
    if template is not None:
        text = f'ResourceClaimTemplate "{template}" does not exist'
        return failure(Reason.ResourceClaimNotReady, text, _CREATE_CLAIM_TEMPLATE, is_permanent=True)
    text = normalized_message(said, pod)
    if reason == _NOT_CREATED:
        return failure(Reason.ResourceClaimNotReady, f"a ResourceClaim cannot be created: {text}")
    return failure(Reason.ResourceClaimNotReady, f"the node cannot prepare the devices: {text}", _PREPARE)


def mount_cause(pod: Mapping[str, Any], events: Sequence[Event]) -> Diagnosis | None:
    """Return why the volumes of a pod that has a node cannot be mounted; None when no event says so."""
    failed = with_reason(events, *_MOUNT_ERRORS)
    if not failed:
        return None
    newest = recent(failed)
    for event in newest:
        unknown = unknown_to_kubelet(pod, without_plugin(event.get("message") or ""))
        if unknown is not None:
            return unknown
    messages = [normalized_message(event.get("message") or event["reason"], pod) for event in newest]
    said = set(map(without_mount_step, messages))
    # A message about a time-out stands beside one with the cause.
    known = sorted(each for each in said if "timed out waiting" not in each) or sorted(said)
    shown = "; ".join(known[:_MAX_VOLUMES])
    attached = next(filter(None, (multi_attach(event.get("message") or "") for event in newest)), None)
    is_permanent = any(map(is_missing_object, messages))
    cause = failure(Reason.VolumeNotReady, f"cannot mount {shown}", is_permanent=is_permanent)
    return cause if attached is None else replace(cause, attached=attached, advice=_ATTACHED_ELSEWHERE)
