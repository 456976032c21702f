"""How far one Deployment is, read from the live object: the rules of ``kubectl rollout status``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

_POD_SUFFIX = re.compile(r'(?<=[a-z0-9])-[bcdfghjklmnpqrstvwxz2456789]{5}"')
"""End of a generated pod name in quotes; the letters are those of Kubernetes' name generator."""
_OVERDUE = "ProgressDeadlineExceeded"


class RolloutState(Enum):
    """Where a Deployment's roll-out stands."""

    PENDING = "pending"
    """The Deployment controller has not yet seen the current generation."""
    PROGRESSING = "progressing"
    REJECTED = "rejected"
    """The API server refuses the pods (condition ReplicaFailure)."""
    DEADLINE_EXCEEDED = "deadline exceeded"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Rollout:
    """The roll-out of one live Deployment.

    Attributes
    ----------
    state
        See :class:`RolloutState`.
    message
        The controller's own words for a failure, else empty.
    holds
        Whether a roll-out that was complete still is, but for workers that are being added, replaced or
        removed: no pod of another revision is left, and one is available unless none is wanted. Says nothing
        about a roll-out that was never complete.
    is_overdue
        Whether there was no progress within the roll-out deadline, whatever else is the case.
    wanted, replicas, updated, ready, available
        ``spec.replicas`` and the counts of ``status``: pods.
    """

    state: RolloutState
    message: str
    holds: bool
    is_overdue: bool
    wanted: int
    replicas: int
    updated: int
    ready: int
    available: int

    @property
    def serves(self) -> bool:
        """Whether at least one pod of any revision is available."""
        return self.available > 0


def assess_rollout(deployment: Mapping[str, Any]) -> Rollout:
    """Return how far a live Deployment (``apps/v1``) is.

    Complete means what it means to ``kubectl rollout status``: the controller has observed the current
    generation, every wanted pod is of the current revision and available, and no other is left. Counts of a
    generation that is not yet observed still describe the old one: the reply to our own apply is an example.
    """
    status = deployment.get("status") or {}
    counts = {
        "wanted": deployment.get("spec", {}).get("replicas", 1),
        "replicas": status.get("replicas", 0),
        "updated": status.get("updatedReplicas", 0),
        "ready": status.get("readyReplicas", 0),
        "available": status.get("availableReplicas", 0),
    }
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    state, message, holds = _assess(deployment, conditions, counts)
    is_overdue = conditions.get("Progressing", {}).get("reason") == _OVERDUE
    open_states = (RolloutState.REJECTED, RolloutState.DEADLINE_EXCEEDED)
    return Rollout(state, message, holds, is_overdue and state in open_states, **counts)


def _assess(
    deployment: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]], counts: Mapping[str, int]
) -> tuple[RolloutState, str, bool]:
    """Return the state, its message, and whether an earlier completion still holds."""
    progressing, failure = conditions.get("Progressing", {}), conditions.get("ReplicaFailure", {})
    has_only_new = (
        progressing.get("reason") == "NewReplicaSetAvailable" and counts["replicas"] == counts["updated"]
    )
    holds = has_only_new and bool(counts["available"] or not counts["wanted"])
    status = deployment.get("status") or {}
    if status.get("observedGeneration", 0) < deployment.get("metadata", {}).get("generation", 1):
        return RolloutState.PENDING, "", holds
    # Of a scale-up that the cluster refuses the controller still says that the roll-out is complete; once all
    # pods of this revision are there, what was refused no longer matters.
    if failure.get("status") == "True" and counts["updated"] < counts["wanted"]:
        # Without the pod's random suffix: the message must not change with every attempt.
        return RolloutState.REJECTED, _POD_SUFFIX.sub('"', failure.get("message", "")), False
    # After a rollback under Recreate the reason is still that of the other revision, so it is not enough.
    if has_only_new and counts["available"] >= counts["updated"] >= counts["wanted"]:
        return RolloutState.COMPLETE, "", True
    if progressing.get("reason") == _OVERDUE:
        return RolloutState.DEADLINE_EXCEEDED, progressing.get("message", ""), False
    return RolloutState.PROGRESSING, "", holds
