"""A cause, as all that looks for one speaks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from model_operator.core.reasons.reasons import PRECEDENCE, Advice, Reason


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a worker is not ready.

    Attributes
    ----------
    reason
        The reason to report. `Reason.Deploying` is for what is no failure, such as a model that is still
        loading: something to add to the message.
    detail
        A sentence that says the same each time while the cause is the same.
    advice
        Who must act and how, where that differs from what the reason says of itself.
    insufficient
        The names of the resources of which, as the scheduler says, nodes have too little.
    """

    reason: Reason
    detail: str
    advice: Advice | None = None
    insufficient: frozenset[str] = frozenset()

    @property
    def is_failure(self) -> bool:
        """Whether something is wrong, rather than under way."""
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
        The cause; None when there is nothing to tell.
    is_certain
        Whether the pod's events can add nothing to it.
    """

    cause: Diagnosis | None = None
    is_certain: bool = True


NOTHING = Finding()
"""Nothing is known to be wrong."""


def failure(reason: Reason, text: str, advice: Advice | None = None) -> Diagnosis:
    """Return a cause whose detail is `text` made a sentence."""
    return Diagnosis(reason, f"{text.rstrip(' .')}.", advice)


def note(text: str) -> Diagnosis:
    """Return what is under way."""
    return failure(Reason.Deploying, text)
