"""What a template says about its roll-outs, with the built-in defaults: budgets, times and steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from typing import Final

from model_operator.api import REMAINING, STABLE_FOLLOWERS, Rollout, RolloutStep

MAX_UNAVAILABLE: Final = "10%"
"""Built-in default of ``rollout.max_unavailable``."""
MAX_FAILURES: Final = 0
"""Built-in default of ``rollout.max_failures``."""
SOAK_SECONDS: Final = 60
"""Built-in default of ``rollout.soak_seconds``."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step, with the defaults of its roll-out.

    Attributes
    ----------
    name
        Its name; those of the last two, which each roll-out has, are `model_operator.api.REMAINING` and
        `model_operator.api.STABLE_FOLLOWERS`.
    labels
        Labels that a member has.
    namespaces
        Patterns of the namespaces of its members; empty for all.
    max_unavailable
        Number of instances, or a percentage of the members.
    soak_seconds
        Time for which its members have to have been Ready before the next step.
    needs_approval
        Whether the next step begins only once the revision is approved.
    """

    name: str
    labels: Mapping[str, str]
    namespaces: tuple[str, ...]
    max_unavailable: int | str
    soak_seconds: float
    needs_approval: bool = False

    def selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Return whether an instance with this namespace and these labels is a member."""
        for name, value in self.labels.items():
            if labels.get(name) != value:
                return False
        return not self.namespaces or _expression(self.namespaces).match(namespace) is not None

    def budget(self, members: int) -> int:
        """Return how many instances may have the new revision without being Ready.

        Parameters
        ----------
        members
            Number of the step's members, of which a percentage is rounded down, to at least one.
        """
        if isinstance(self.max_unavailable, int):
            return self.max_unavailable
        return max(1, members * int(self.max_unavailable.removesuffix("%")) // 100)


@dataclass(frozen=True, slots=True)
class Policy:
    """How the edits of one template roll out.

    Attributes
    ----------
    steps
        The steps that the template names, then that of the remaining instances, then that of the instances
        that follow the stable revision.
    max_failures
        Number of instances that may fail at the new revision; None for any number.
    is_paused
        Whether no instance may get another revision.
    approved
        Hash of the approved revision; None without one.
    is_stepped
        Whether the template has the field ``rollout``. Without it, the instances that follow ``latest`` get
        an edit at once.
    """

    steps: tuple[Step, ...]
    max_failures: int | None = MAX_FAILURES
    is_paused: bool = False
    approved: str | None = None
    is_stepped: bool = True

    @property
    def named(self) -> tuple[Step, ...]:
        """The steps that the template names."""
        return self.steps[:-2]

    def step_of(self, namespace: str, labels: Mapping[str, str], *, follows_stable: bool) -> int:
        """Return the index of the step of an instance: the first one that selects it.

        Parameters
        ----------
        namespace, labels
            Of the instance.
        follows_stable
            Whether it follows the stable revision: its step is the last.
        """
        last = len(self.steps) - 1
        if follows_stable:
            return last
        for index in range(last - 1):  # Without a copy of the steps, as it is called for each instance.
            if self.steps[index].selects(namespace, labels):
                return index
        return last - 1


_AT_ONCE: Final = Policy(
    # Those that follow the stable revision get it when the others have been Ready for a while.
    tuple(Step(name, {}, (), "100%", SOAK_SECONDS) for name in (REMAINING, STABLE_FOLLOWERS)),
    max_failures=None,
    is_stepped=False,
)


@lru_cache(maxsize=1024)
def _expression(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return the expression for any of the patterns of a step, which looks at many instances."""
    return re.compile("|".join(map(translate, patterns)))


def policy_of(rollout: Rollout | None) -> Policy:
    """Return the policy of a template.

    Parameters
    ----------
    rollout
        Its field ``rollout``; None without it.
    """
    if rollout is None:
        return _AT_ONCE
    unavailable = MAX_UNAVAILABLE if rollout.max_unavailable is None else rollout.max_unavailable
    soak = SOAK_SECONDS if rollout.soak_seconds is None else rollout.soak_seconds
    return Policy(
        (
            *(_step(each, unavailable, soak) for each in rollout.steps or ()),
            *(Step(name, {}, (), unavailable, soak) for name in (REMAINING, STABLE_FOLLOWERS)),
        ),
        MAX_FAILURES if rollout.max_failures is None else rollout.max_failures,
        bool(rollout.paused),
        rollout.approved,
    )


def _step(step: RolloutStep, unavailable: int | str, soak: float) -> Step:
    return Step(
        step.name,
        step.labels or {},
        tuple(step.namespaces or ()),
        unavailable if step.max_unavailable is None else step.max_unavailable,
        soak if step.soak_seconds is None else step.soak_seconds,
        bool(step.needs_approval),
    )
