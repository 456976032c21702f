"""A diagnosis, the common result of all checks of pods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from model_operator.core.diagnosis.foreign_messages import MultiAttach, Shortage
from model_operator.core.reasons.reasons import PRECEDENCE, Advice, Reason


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a worker is not ready.

    Attributes
    ----------
    reason
        The reason to report. `Reason.Deploying` is for progress that is not a failure, such as a model that
        is still loading; it is added to the message.
    detail
        A sentence that does not change while the cause is the same.
    advice
        Who must act and how, where that differs from the advice of the reason.
    shortages
        What, as the scheduler says, nodes lack: an old worker may hold it.
    attached
        The volume that another node has, if that is the cause.
    is_permanent
        Whether no waiting resolves it, as of an image that does not exist. A registry that
        does not answer, a node that may be added or a model that may still start are no such causes.
    """

    reason: Reason
    detail: str
    advice: Advice | None = None
    shortages: frozenset[Shortage] = frozenset()
    attached: MultiAttach | None = None
    is_permanent: bool = False

    @property
    def is_failure(self) -> bool:
        """Whether this is a failure, not progress."""
        return self.reason is not Reason.Deploying

    @property
    def rank(self) -> int:
        """The place in the order of precedence, the first to be reported first."""
        return PRECEDENCE.index(self.reason)


class Finding(NamedTuple):
    """What was found of a pod or a container.

    Attributes
    ----------
    cause
        The cause; None when there is none.
    is_certain
        Whether the pod's Events cannot change it.
    """

    cause: Diagnosis | None = None
    is_certain: bool = True


NOTHING = Finding()
"""Nothing is known to be wrong."""


def failure(
    reason: Reason, text: str, advice: Advice | None = None, *, is_permanent: bool = False
) -> Diagnosis:
    """Return a cause whose detail is `text` made a sentence."""
    return Diagnosis(reason, f"{text.rstrip(' .')}.", advice, is_permanent=is_permanent)


def note(text: str, advice: Advice | None = None) -> Diagnosis:
    """Return a diagnosis of what is in progress; with advice, if the actor should check that it is."""
    return failure(Reason.Deploying, text, advice)


def with_cause(text: str, cause: str | None) -> str:
    """Return a text followed by what is known of its cause, if anything is."""
    return f"{text}: {cause}" if cause else text
