"""The decision of a roll-out: which instances may get the new revision now, and what it waits for.

It is recomputed from what the instances report whenever that changes, so that it is the same after a restart.
Only the stable revision and the time at which the roll-out began are remembered, in the template's status.

An instance *has arrived* when it is Ready at the new revision: a status about anything else proves nothing.
It *counts*, as proof or as failure, unless it was created with the new revision, has no workers, cannot be
read, or failed at the stable revision before: it is Stalled, or has failed for a minute. An instance of the
last three kinds delays no other one, and gets the revision once all others have arrived: the revision is
stable then, and getting the stable one takes no steps. One that was Ready at the new revision and fails since
an edit of its own does not count either, unless nothing else of its step has proven the revision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

from model_operator.api import RolloutState
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.members import Member, members_of, seconds_to_failure
from model_operator.core.rollouts.policy import Policy, Step

_NAMED: Final = 3
"""Number of failed instances that are named."""
_RANK: Final = attrgetter("rank")
_REVOCATION_SECONDS: Final = 1.0
"""When to decide again after grants were taken back: their places in the budget are free only then."""


@dataclass(frozen=True, slots=True)
class Advance:
    """What a roll-out does next.

    Attributes
    ----------
    grants
        The instances that may get the new revision and have not got it yet. One that is not among them any
        more may not, as after a halt.
    state
        Its state.
    step
        Name of the step that it has reached; empty when it is complete.
    stable
        Hash of the stable revision from now on; empty while there is none.
    arrived, moving, failed, waiting
        Numbers of instances: Ready at the new revision, with it and not Ready yet, failed with it,
        without it. They add up to that of the followers; those with a grant are moving.
    look_again_in
        Seconds after which to decide again, although nothing else has changed; None if only a change can
        change the decision.
    empty_steps
        Names of the steps of the template that select no instance, in their order; none where there is no
        instance at all.
    failures
        Number of the failed ones that count; more than ``max_failures`` halt the roll-out.
    failing
        The first of the failed ones, by namespace and name, for messages.
    broken_by_edits
        Number of the failed ones that had arrived and fail since an edit of their own.
    begins_again
        Whether instances that were created since the roll-out began run an older revision, as after a pause
        or in a restored backup. They take part like all others, and the time at which the roll-out began
        becomes that of this decision.
    """

    grants: frozenset[FollowerKey]
    state: RolloutState
    step: str
    stable: str
    arrived: int
    moving: int
    failed: int
    waiting: int
    look_again_in: float | None = None
    empty_steps: tuple[str, ...] = ()
    failures: int = 0
    failing: tuple[FollowerKey, ...] = ()
    broken_by_edits: int = 0
    begins_again: bool = False

    @property
    def admits_new(self) -> bool:
        """Whether a new instance gets the new revision: not while the roll-out is paused or halted."""
        return self.state not in (RolloutState.PAUSED, RolloutState.HALTED)

    @property
    def is_halted(self) -> bool:
        """Whether too many instances have failed at the new revision."""
        return self.state is RolloutState.HALTED


def advance(
    policy: Policy, target: str, stable: str, followers: Iterable[Follower], now: datetime
) -> Advance:
    """Return what a roll-out does next.

    Parameters
    ----------
    policy
        What the template says about its roll-outs.
    target
        Hash of the latest valid revision.
    stable
        Hash of the stable revision; empty while there is none.
    followers
        The instances of the template that are not pinned, in any order.
    now
        The time.
    """
    everyone = tuple(followers)
    stable = _learned_stable(policy, target, stable, everyone)
    members, begins_again = members_of(policy, target, stable, everyone, now)
    if target == stable:
        return _return(policy, target, members)
    decision = _Decision(policy, target, stable, members, now)
    return decision.advance(begins_again=begins_again)


def _learned_stable(policy: Policy, target: str, stable: str, followers: Sequence[Follower]) -> str:
    """Return the stable revision, where it shows without the steps.

    The first revision is stable as soon as no instance has another one. Where an edit reaches all instances
    at once, one that stays broken must not keep the others' revision from being stable.
    """
    if not stable and all(each.revision in ("", target) for each in followers):
        return target
    if any(each.revision != target for each in followers):
        return stable
    if policy.is_stepped or any(each.follows_stable for each in followers):
        return stable
    settled = all(each.is_ready or each.is_stalled for each in followers)
    # One without workers is Ready with any revision.
    is_proven = any(each.is_ready and each.has_workers for each in followers)
    return target if settled and is_proven else stable


def _return(policy: Policy, target: str, members: Sequence[Member]) -> Advance:
    """Return the decision where the new revision is the stable one: it is proven, and takes no steps."""
    waiting = frozenset(each.follower.key for each in members if each.is_behind)
    unsettled = [
        each
        for each in members
        if each.is_behind or (each.counts and not (each.has_arrived or each.has_failed))
    ]
    grants: frozenset[FollowerKey] = frozenset()
    if policy.is_paused and waiting:
        state = RolloutState.PAUSED
    else:
        state, grants = RolloutState.ROLLING_OUT if unsettled else RolloutState.COMPLETE, waiting
    step = policy.steps[min(each.step for each in unsettled)].name if unsettled else ""
    return _counted(policy, members, grants, state, step, target)


def _counted(
    policy: Policy,
    members: Sequence[Member],
    grants: frozenset[FollowerKey],
    state: RolloutState,
    step: str,
    stable: str,
    look_again_in: float | None = None,
    *,
    begins_again: bool = False,
) -> Advance:
    """Return a decision with its numbers of instances."""
    arrived = sum(each.has_arrived for each in members)
    failing = sorted(each.follower.key for each in members if each.has_failed)
    moving = sum(each.has_target for each in members) - arrived - len(failing) + len(grants)
    selected = {each.step for each in members}
    empty = [step.name for index, step in enumerate(policy.named) if members and index not in selected]
    return Advance(
        grants,
        state,
        step,
        stable,
        arrived,
        moving,
        len(failing),
        len(members) - arrived - len(failing) - moving,
        look_again_in,
        tuple(empty),
        sum(each.counts and each.has_failed for each in members),
        tuple(failing[:_NAMED]),
        sum(each.has_failed and each.follower.has_broken_itself for each in members),
        begins_again,
    )


@dataclass(frozen=True, slots=True)
class _Progress:
    """The state before budgets and failures: the first step that is not complete, and what it waits for."""

    index: int
    state: RolloutState
    look_again_in: float | None = None


class _Decision:
    """The decision where the new revision is not proven yet."""

    def __init__(
        self, policy: Policy, target: str, stable: str, members: Sequence[Member], now: datetime
    ) -> None:
        self.policy, self.target, self.stable, self.now = policy, target, stable, now
        self.members = members
        self.counted: list[list[Member]] = [[] for _ in policy.steps]
        sizes = [0] * len(policy.steps)
        for each in members:
            sizes[each.step] += 1
            if each.counts:
                self.counted[each.step].append(each)
        self.budgets = [step.budget(size) for step, size in zip(policy.steps, sizes, strict=True)]
        self.failures = sum(each.counts and each.has_failed for each in members)
        # They had arrived, and what they would have proven since is not known.
        self.unproven = {each.step for each in members if each.has_target and each.follower.has_broken_itself}

    def advance(self, *, begins_again: bool) -> Advance:
        progress = self._progress()
        state, look_again_in = progress.state, progress.look_again_in
        grants, admits_new = frozenset[FollowerKey](), False
        if self._is_halted(progress):
            state = RolloutState.HALTED
        elif self.policy.is_paused and any(each.is_behind for each in self.members):
            state = RolloutState.PAUSED
        else:
            grants, admits_new = self._grants(progress), True
            if any(each.is_granted and each.follower.key not in grants for each in self.members):
                look_again_in = min(look_again_in or _REVOCATION_SECONDS, _REVOCATION_SECONDS)
        look_again_in = min(filter(None, (look_again_in, self._next_failure())), default=None)
        is_complete = state is RolloutState.COMPLETE
        if is_complete and any(each.is_behind for each in self.members):
            # Those that delay no other one get it when the revision has been recorded as the stable one.
            state = RolloutState.ROLLING_OUT
        return _counted(
            self.policy,
            self.members,
            grants,
            state,
            "" if state is RolloutState.COMPLETE else self.policy.steps[progress.index].name,
            self.target if is_complete else self.stable,
            look_again_in,
            begins_again=begins_again and admits_new,
        )

    def _next_failure(self) -> float | None:
        """Return after how many seconds an instance that is in flight has failed; None without one."""
        left = [seconds_to_failure(each.follower, self.now) for each in self.members if each.has_target]
        return min(filter(None, left), default=None)

    def _progress(self) -> _Progress:
        for index, step in enumerate(self.policy.steps):
            held = self._held(index, step)
            if held is not None:
                return held
        return _Progress(len(self.policy.steps) - 1, RolloutState.COMPLETE)

    def _held(self, index: int, step: Step) -> _Progress | None:
        """Return what a step waits for; None when it is complete."""
        counted, tolerates = self.counted[index], self._tolerates(index)
        if not all(each.has_arrived or (tolerates and each.has_failed) for each in counted):
            return _Progress(index, RolloutState.ROLLING_OUT)
        if index in self.unproven and not any(each.has_arrived for each in counted):
            return _Progress(index, RolloutState.ROLLING_OUT)
        since = [each.follower.arrived_at or self.now for each in counted if each.has_arrived]
        left = step.soak_seconds - (self.now - max(since)).total_seconds() if since else 0.0
        # Another operator's clock may have been ahead: without a soak time there is nothing to wait for.
        if left > 0 and step.soak_seconds:
            return _Progress(index, RolloutState.SOAKING, min(left, step.soak_seconds))
        if step.needs_approval and self.policy.approved != self.target:
            return _Progress(index, RolloutState.AWAITING_APPROVAL)
        return None

    def _tolerates(self, index: int) -> bool:
        """Return whether a step can be complete although instances have failed.

        Not if these use up its budget, or are all of its instances: a single canary that fails must not pass
        for a proof.
        """
        most = self.policy.max_failures
        if most is None or self.failures > most or self.failures >= self.budgets[index]:
            return False
        return any(each.has_arrived for each in self.counted[index])

    def _is_halted(self, progress: _Progress) -> bool:
        most = self.policy.max_failures
        if most is None or not self.failures:
            return False
        if self.failures > most:
            return True
        # Failed instances that use up the budget, or are all that a step waits for, hold it as firmly.
        return progress.state is RolloutState.ROLLING_OUT and (
            self.failures >= self.budgets[progress.index]
            or all(each.has_arrived or each.has_failed for each in self.counted[progress.index])
        )

    def _grants(self, progress: _Progress) -> frozenset[FollowerKey]:
        """Return who may have the new revision: those that have a grant first, as far as the budget goes."""
        at_once = {
            each.follower.key
            for each in self.members
            if not self.policy.is_stepped and each.is_behind and not each.follower.follows_stable
        }
        counted = self.counted[progress.index]
        flying = sum(each.counts and each.has_target and not each.has_arrived for each in self.members)
        granted = sum(each.is_granted for each in self.members)
        left = max(0, self.budgets[progress.index] - flying)
        kept = sorted((each for each in counted if each.is_granted), key=_RANK)[:left]
        # A grant that is taken back may be used at this moment: its place is free only afterwards.
        added = sorted((each for each in counted if not each.has_moved), key=_RANK)[: max(0, left - granted)]
        return frozenset(at_once.union(each.follower.key for each in (*kept, *added)))
