"""Whether it is worth waiting for an instance."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from model_operator.core.inspection.facts import Object, condition_of, is_judged, is_true, lags_behind


class WaitState(Enum):
    """How an instance stands with who waits for it to be Ready."""

    READY = "ready"
    OPEN = "open"
    """It may become ready without anybody doing anything."""
    UNJUDGED = "unjudged"
    """The operator has not come to its present generation, or that of its template, yet."""
    STALLED = "stalled"
    """It will not, until somebody acts."""
    TERMINATING = "leaving"
    """It will not: it is being deleted."""


class WaitVerdict(NamedTuple):
    """What is to be expected of an instance, and why.

    Attributes
    ----------
    prospect
        How it stands.
    told
        The reason and the message of its Ready condition, or what is missing before there is one that counts.
    """

    state: WaitState
    told: str


def wait_verdict(instance: Object, template: Object | None) -> WaitVerdict:
    """Return what is to be expected of an instance.

    A status counts only when it is about the present generations of the instance and of its template: one of
    earlier ones says how it was.

    Parameters
    ----------
    instance
        The ModelInstance.
    template
        The template that it is bound to; None when it is not known.
    """
    told = reason_and_message(instance)
    if instance["metadata"].get("deletionTimestamp"):
        return WaitVerdict(WaitState.TERMINATING, told)
    if not is_judged(instance):
        generation = instance["metadata"]["generation"]
        return WaitVerdict(
            WaitState.UNJUDGED, f"The operator has not judged generation {generation} of the instance yet."
        )
    if lags_behind(instance, template):
        return WaitVerdict(
            WaitState.UNJUDGED, "The operator has not judged the present generation of the template yet."
        )
    if is_true(instance, "Ready"):
        return WaitVerdict(WaitState.READY, told)
    return WaitVerdict(WaitState.STALLED if is_true(instance, "Stalled") else WaitState.OPEN, told)


def reason_and_message(instance: Object) -> str:
    """Return what the Ready condition says, with its reason first."""
    ready = condition_of(instance, "Ready")
    return f"{ready['reason']}: {ready['message']}" if ready else "It has no Ready condition."
