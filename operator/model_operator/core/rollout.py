"""How far one Deployment is, read from the live object: the rules of ``kubectl rollout status``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

_POD_SUFFIX = re.compile(r'(?<=[a-z0-9])-[bcdfghjklmnpqrstvwxz2456789]{5}"')
"""End of a generated pod name in quotes; the letters are those of Kubernetes' name generator."""


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
    wanted, replicas, updated, ready, available
        ``spec.replicas`` and the counts of ``status``: pods.
    """

    state: RolloutState
    message: str
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

    Complete means: the controller has observed the current generation and says NewReplicaSetAvailable,
    no pod of an older revision is left, and something is available unless zero workers are wanted.
    So neither scaling nor a single lost worker undoes it. Counts of a generation that is not yet
    observed still describe the old one: the reply to our own apply is an example.
    """
    status = deployment.get("status") or {}
    counts = {
        "wanted": deployment.get("spec", {}).get("replicas", 1),
        "replicas": status.get("replicas", 0),
        "updated": status.get("updatedReplicas", 0),
        "ready": status.get("readyReplicas", 0),
        "available": status.get("availableReplicas", 0),
    }
    state, message = _state(deployment, status, counts)
    return Rollout(state, message, **counts)


def _state(
    deployment: Mapping[str, Any], status: Mapping[str, Any], counts: Mapping[str, int]
) -> tuple[RolloutState, str]:
    if status.get("observedGeneration", 0) < deployment.get("metadata", {}).get("generation", 1):
        return RolloutState.PENDING, ""
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    progressing = conditions.get("Progressing", {})
    complete = (
        progressing.get("reason") == "NewReplicaSetAvailable" and counts["replicas"] == counts["updated"]
    )
    if complete and (counts["available"] or not counts["wanted"]):
        return RolloutState.COMPLETE, ""
    failure = conditions.get("ReplicaFailure", {})
    if failure.get("status") == "True":
        # Without the pod's random suffix: the message must not change with every attempt.
        return RolloutState.REJECTED, _POD_SUFFIX.sub('"', failure.get("message", ""))
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return RolloutState.DEADLINE_EXCEEDED, progressing.get("message", "")
    return RolloutState.PROGRESSING, ""
