"""What kstatus computes for a custom resource: Flux waits for it, and so does everything built on cli-utils.

Written after ``Compute``, ``checkGenericProperties`` and ``checkReadyCondition`` of
https://github.com/kubernetes-sigs/cli-utils/tree/v0.37.2/pkg/kstatus/status (Flux's fork of it has the same
rules in v1.4.0); the rules for the built-in kinds are left out. What the original answers is in
``tests/unit/gitops/kstatus.yaml``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class KStatus(StrEnum):
    """The statuses of kstatus that an object which exists can have."""

    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    CURRENT = "Current"
    TERMINATING = "Terminating"


def compute(obj: Mapping[str, Any]) -> tuple[KStatus, str]:
    """Give the status of a custom resource, and the message that goes with it."""
    metadata, status = obj.get("metadata", {}), obj.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return KStatus.TERMINATING, "Resource scheduled for deletion"
    generation, observed = metadata.get("generation"), status.get("observedGeneration")
    if generation is not None and observed is not None and observed != generation:
        message = f"{obj['kind']} generation is {generation}, but latest observed generation is {observed}"
        return KStatus.IN_PROGRESS, message
    conditions = status.get("conditions") or []
    for condition in conditions:
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return KStatus.IN_PROGRESS, condition.get("message", "")
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return KStatus.FAILED, condition.get("message", "")
    for condition in conditions:
        if condition["type"] != "Ready":
            continue
        if condition["status"] == "True":
            return KStatus.CURRENT, "Resource is Ready"
        if condition["status"] in {"False", "Unknown"}:
            return KStatus.IN_PROGRESS, condition.get("message", "")
    return KStatus.CURRENT, "Resource is current"
