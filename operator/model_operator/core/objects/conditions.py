"""Conditions as Kubernetes keeps them: one per type, a time of transition only when the status changes.

Source: the API conventions ("Typical status properties") and kstatus for Reconciling and Stalled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_MAX_MESSAGE = 32768
ROLLED_OUT = "RolledOut"
"""Type of the condition that says whether all instances of a template have its latest revision."""
UP_TO_DATE = "UpToDate"
"""Type of the condition that says whether an instance has the latest revision of its template."""
SHARED = "Shared"
"""Type of the condition that says whether the labels are known by which a template selects namespaces."""
PINNED = "Pinned"
"""Reason of that condition, where the instance names another revision."""


class Hold(StrEnum):
    """Reasons of that condition, where an instance that follows its template stays at another revision."""

    AWAITING_ROLLOUT = "AwaitingRollout"
    ROLLOUT_HALTED = "RolloutHalted"


OWN_TYPES = frozenset(
    {"Ready", "Available", UP_TO_DATE, "Autoscaling", ROLLED_OUT, SHARED, "Reconciling", "Stalled"}
)
"""The condition types that this operator writes; those of others are kept."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition before it has times: what is the case.

    Attributes
    ----------
    type, status, reason, message
        As in ``metav1.Condition``; status is a boolean here.
    """

    type: str
    status: bool
    reason: str
    message: str


def kstatus_conditions(*, ready: bool, stalled: bool, reason: str, message: str) -> list[Condition]:
    """Return Ready with, while they hold, Stalled (a human must act) or Reconciling (anything else).

    Reconciling and Stalled are "abnormal-true": kstatus wants them absent when false.
    """
    conditions = [Condition("Ready", ready, reason, message)]
    if not ready:
        conditions.append(Condition("Stalled" if stalled else "Reconciling", True, reason, message))
    return conditions


def merge_conditions(
    current: Iterable[Mapping[str, Any]], wanted: Iterable[Condition], *, generation: int, now: str
) -> list[dict[str, Any]]:
    """Return the list for ``status.conditions``.

    Parameters
    ----------
    current
        The conditions that the object has.
    wanted
        All that hold now; those of our types that are missing here go.
    generation
        ``metadata.generation`` that the condition describes.
    now
        RFC 3339 time for those whose status changes.
    """
    before = {condition["type"]: condition for condition in current}
    merged = [dict(condition) for kind, condition in before.items() if kind not in OWN_TYPES]
    for condition in wanted:
        status = "True" if condition.status else "False"
        old = before.get(condition.type, {})
        since = old.get("lastTransitionTime", now) if old.get("status") == status else now
        merged.append(
            {
                "type": condition.type,
                "status": status,
                "reason": condition.reason,
                "message": condition.message[:_MAX_MESSAGE],
                "observedGeneration": generation,
                "lastTransitionTime": since,
            }
        )
    return merged
