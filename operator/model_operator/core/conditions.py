"""Conditions as Kubernetes keeps them: one per type, a time of transition only when the status changes.

Source: the API conventions ("Typical status properties") and kstatus for Reconciling and Stalled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from model_operator.core.json_values import MAPPINGS, is_same_json

_MAX_MESSAGE = 32768
OWN_TYPES = frozenset({"Ready", "Available", "RolledOut", "Reconciling", "Stalled"})
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
        ``metadata.generation`` that was judged.
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


def merge_patch(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) that turns one object into the other; empty when equal.

    Fields to remove are null in the patch. Null fields in ``wanted`` count as absent, since a merge patch
    cannot store them; the API server drops them inside lists, too.
    """
    patch: dict[str, Any] = {key: None for key in current if wanted.get(key) is None}
    for key, value in wanted.items():
        old = current.get(key)
        # Cheaply first: mostly nothing has changed.
        if value is None or is_same_json(value, old) or _is_same(value, old):
            continue
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            patch[key] = merge_patch(old, value)
        else:
            patch[key] = _without_nulls(value)
    return patch


def _is_same(value: Any, other: Any) -> bool:
    """Compare as JSON does, where true is not 1 as it is to Python; null fields of the value are absent."""
    if isinstance(value, str):
        return bool(value == other)
    if isinstance(value, list):
        return isinstance(other, list) and len(value) == len(other) and all(map(_is_same, value, other))
    if isinstance(value, MAPPINGS) and isinstance(other, MAPPINGS):
        present = 0
        for key, item in value.items():
            if item is None:
                continue
            if key not in other or not _is_same(item, other[key]):
                return False
            present += 1
        return present == len(other)
    return bool(value == other) and isinstance(value, bool) is isinstance(other, bool)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, MAPPINGS):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value
