"""Whether waiting for an instance to become Ready can succeed."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from model_operator.core.inspection.facts import (
    Object,
    condition_of,
    is_observed,
    is_template_newer,
    is_true,
)


class WaitState(Enum):
    """State of an instance for a client that waits until it is Ready."""

    READY = "ready"
    RECONCILING = "reconciling"
    """It may become Ready without intervention."""
    PENDING = "pending"
    """The operator has not reconciled the current generation, or the edit of the template, yet."""
    STALLED = "stalled"
    """It will not become Ready without intervention."""
    TERMINATING = "terminating"
    """It will not become Ready: it is being deleted."""


class WaitVerdict(NamedTuple):
    """The state of an instance, and its description.

    Attributes
    ----------
    state
        The state.
    message
        Reason and message of the Ready condition, or why that is out of date.
    """

    state: WaitState
    message: str


def wait_verdict(instance: Object, template: Object | None) -> WaitVerdict:
    """Return the state of an instance.

    A status counts only if it is about the current generation of the instance, and about the revision of its
    template that it is to run.

    Parameters
    ----------
    instance
        The ModelInstance.
    template
        The template that it is bound to; None if it is not known.
    """
    message = reason_and_message(instance)
    if instance["metadata"].get("deletionTimestamp"):
        return WaitVerdict(WaitState.TERMINATING, message)
    if not is_observed(instance):
        generation = instance["metadata"]["generation"]
        return WaitVerdict(
            WaitState.PENDING, f"The operator has not reconciled generation {generation} of the instance yet."
        )
    if is_template_newer(instance, template):
        return WaitVerdict(
            WaitState.PENDING, "The operator has not reconciled the current generation of the template yet."
        )
    if is_true(instance, "Ready"):
        return WaitVerdict(WaitState.READY, message)
    state = WaitState.STALLED if is_true(instance, "Stalled") else WaitState.RECONCILING
    return WaitVerdict(state, message)


def reason_and_message(instance: Object) -> str:
    """Return reason and message of the Ready condition."""
    ready = condition_of(instance, "Ready")
    return f"{ready['reason']}: {ready['message']}" if ready else "The instance has no Ready condition."
