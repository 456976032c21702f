"""What a template reports of the roll-out of its latest revision: ``status.rollout`` and condition RolledOut.

Both change only with the roll-out: they hold no time that passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from model_operator.api import Actor, RolloutState
from model_operator.core.objects.conditions import Condition
from model_operator.core.reasons.reasons import Advice
from model_operator.core.rollouts.advance import Advance
from model_operator.core.rollouts.policy import Policy
from model_operator.core.status.rollout_counts import HINDRANCES, RolloutReason
from model_operator.core.values.words import duration, listed, plural

_DONE: Final = (RolloutReason.NO_INSTANCES, RolloutReason.ALL_UPDATED)
_APPROVED: Final = "spec.rollout.approved"


@dataclass(frozen=True, slots=True)
class RolloutReport:
    """The roll-out of one template.

    Attributes
    ----------
    progress
        What it does next.
    policy
        What the template says about its roll-outs.
    revision
        Hash of the revision that rolls out, the latest valid one.
    pinned
        Number of instances that are pinned to a revision, which may be this one.
    started_at
        Time at which the roll-out of the revision began, RFC 3339, UTC.
    is_cluster_wide
        Whether the instances are of many namespaces. Then none is named: the readers of a
        ClusterModelTemplate may not see them all.
    """

    progress: Advance
    policy: Policy
    revision: str
    pinned: int
    started_at: str
    is_cluster_wide: bool = False

    def status(self) -> dict[str, Any]:
        """Return ``status.rollout`` of the template."""
        progress = self.progress
        return {
            "revision": self.revision,
            "state": progress.state.value,
            **({"step": progress.step} if progress.step else {}),
            "started_at": self.started_at,
            "instances": self._following + self.pinned,
            "arrived": progress.arrived,
            "moving": progress.moving,
            "failed": progress.failed,
            "waiting": progress.waiting,
            "pinned": self.pinned,
        }

    def condition(self, hindrance: RolloutReason | None = None) -> Condition:
        """Return the RolledOut condition of the template.

        Parameters
        ----------
        hindrance
            Why instances cannot follow the template as it is now; None when they can.
        """
        if hindrance is not None:
            message = f"{HINDRANCES[hindrance]}; {self._remains()}"
            return Condition("RolledOut", False, hindrance.value, message)
        reason = self._reason()
        return Condition("RolledOut", reason in _DONE, reason.value, self._message(reason))

    @property
    def _following(self) -> int:
        progress = self.progress
        return progress.arrived + progress.moving + progress.failed + progress.waiting

    @property
    def _takes_steps(self) -> bool:
        return self.policy.is_stepped and self.progress.stable != self.revision

    def _soak_time(self) -> str:
        seconds = (each.soak_seconds for each in self.policy.steps if each.name == self.progress.step)
        return duration(int(next(seconds, 0)))

    def _remains(self) -> str:
        """Return what becomes of the instances while the template itself is of no use."""
        reason = self._reason()
        if reason in (*_DONE, RolloutReason.INSTANCES_STALLED):
            return f"its instances stay at revision {self.revision}."
        return f"the roll-out of its last valid revision {_GOES_ON[reason]}: {self._counts()}."

    def _reason(self) -> RolloutReason:
        progress = self.progress
        if not self._following + self.pinned:
            return RolloutReason.NO_INSTANCES
        held = _REASONS.get(progress.state)
        if held is not None:
            return held
        if progress.arrived == self._following:
            return RolloutReason.ALL_UPDATED
        goes_on = self.policy.is_stepped and (progress.moving or progress.waiting)
        return (
            RolloutReason.INSTANCES_STALLED if progress.failed and not goes_on else RolloutReason.ROLLING_OUT
        )

    def _message(self, reason: RolloutReason) -> str:
        """Return what is the case, and who must do what for the roll-out to go on."""
        if reason is RolloutReason.NO_INSTANCES:
            return "No instance uses the template."
        if not self._following:
            verb = "is" if self.pinned == 1 else "are"
            return (
                f"{plural(self.pinned, 'instance')} {verb} pinned to a revision; none follows the template."
            )
        detail, next_step = self._parts(reason)
        detail += self._empty_steps()
        if self.policy.is_paused and reason is not RolloutReason.PAUSED:
            # Nothing waits: what the pause stops comes with the next edit.
            detail += " spec.rollout.paused is true: no instance gets another revision."
        return Advice(Actor.TEMPLATE_OWNER, next_step).sentence(detail) if next_step else detail

    def _parts(self, reason: RolloutReason) -> tuple[str, str]:
        """Return what is the case, and what the template owner must do; empty for nothing."""
        counts, step = self._counts(), self.progress.step
        match reason:
            case RolloutReason.SOAKING:
                soaked = f"The step ends once its instances have been ready for {self._soak_time()}."
                return f"Step {step}: {counts}. {soaked}", ""
            case RolloutReason.AWAITING_APPROVAL:
                return (
                    f"Step {step} is done, and the revision needs approval: {counts}.{self._other()}",
                    f'to approve it, set {_APPROVED}: "{self.revision}" (in quotes).',
                )
            case RolloutReason.PAUSED:
                return (
                    f"Paused in step {step} by spec.rollout.paused: {counts}.",
                    "to continue, remove spec.rollout.paused.",
                )
            case RolloutReason.HALTED:
                return f"Halted in step {step}: {counts}. {self._cause()}", self._way_out()
            # What is stable, as on the way back to it, takes no steps.
            case RolloutReason.ROLLING_OUT if step and self._takes_steps:
                return f"Step {step}: {counts}.", ""
            case _:
                return f"{counts}.", ""

    def _counts(self) -> str:
        progress = self.progress
        parts = [
            f"{progress.arrived} of {plural(self._following, 'instance')} ready at revision {self.revision}"
        ]
        parts += [f"{progress.moving} moving to it"] * bool(progress.moving)
        parts += [f"{progress.failed} failed at it{self._failing()}{self._edits()}"] * bool(progress.failed)
        parts += [f"{progress.waiting} waiting"] * bool(progress.waiting)
        text = ", ".join(parts)
        return f"{text}; {self.pinned} pinned" if self.pinned else text

    def _failing(self) -> str:
        if self.is_cluster_wide:
            return ""
        names = [key.name for key in self.progress.failing]
        more = self.progress.failed - len(names)
        return f" ({listed([*names, *[f'{more} more'] * bool(more)])})" if names else ""

    def _edits(self) -> str:
        count = self.progress.broken_by_edits
        whose = "its own spec" if count == 1 else "their own specs"
        return f", of which {count} since an edit of {whose}" if count else ""

    def _other(self) -> str:
        approved = self.policy.approved
        return f" {_APPROVED} names another revision, {approved}." if approved else ""

    def _empty_steps(self) -> str:
        empty = self.progress.empty_steps
        return (
            f" No instance is in {'step' if len(empty) == 1 else 'steps'} {listed(empty)}." if empty else ""
        )

    def _cause(self) -> str:
        limit = self.policy.max_failures or 0
        if self.progress.failures > limit:
            return f"spec.rollout.max_failures is {limit}."
        return "The failed ones use up max_unavailable of the step, or are all that it waits for."

    def _way_out(self) -> str:
        stable = self.progress.stable
        found = "find the failed instances by kubectl get modelinstances --all-namespaces"
        causes = (
            f"{found}, read their Ready conditions"
            if self.is_cluster_wide
            else "read the Ready conditions of the failed instances"
        )
        back = f" or go back to revision {stable} by reverting the edit" if stable else ""
        return f"{causes}, then fix the template{back}. The roll-out continues by itself when they are ready."


_GOES_ON: Final[Mapping[RolloutReason, str]] = {
    RolloutReason.ROLLING_OUT: "goes on",
    RolloutReason.SOAKING: "goes on",
    RolloutReason.AWAITING_APPROVAL: "awaits approval",
    RolloutReason.PAUSED: "is paused",
    RolloutReason.HALTED: "is halted",
}
_REASONS: Final[Mapping[RolloutState, RolloutReason]] = {
    RolloutState.SOAKING: RolloutReason.SOAKING,
    RolloutState.AWAITING_APPROVAL: RolloutReason.AWAITING_APPROVAL,
    RolloutState.PAUSED: RolloutReason.PAUSED,
    RolloutState.HALTED: RolloutReason.HALTED,
}
