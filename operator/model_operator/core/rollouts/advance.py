"""The decision of a roll-out: which instances may get the new revision now, and what it waits for.

It is recomputed from what the instances report whenever that changes, so that it is the same after a restart.
Only the stable revision and the time at which the roll-out began are remembered, in the template's status.

An instance *has arrived* when it is Ready at the new revision: a status about anything else proves nothing.
It *counts*, as proof or as failure, unless it is new, has no workers, or was Stalled at the stable revision
before: such an instance delays no other one, and gets the revision once all others have arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from model_operator.api import RolloutState
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.policy import Policy, Step

_NAMED = 3
"""Number of failed instances that are named."""


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
        Numbers of instances: Ready at the new revision, with it and not Ready yet, with it and Stalled,
        without it. They add up to that of the followers.
    look_again_in
        Seconds after which time alone changes the decision; None if it does not.
    empty_steps
        Names of the steps of the template that select no instance, in their order; none where there is no
        instance at all.
    failures
        Number of the failed ones that count; more than ``max_failures`` halt the roll-out.
    failing
        The first of the failed ones, by namespace and name, for messages.
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

    @property
    def admits_new(self) -> bool:
        """Whether a new instance gets the new revision: not while the roll-out is paused or halted."""
        return self.state not in (RolloutState.PAUSED, RolloutState.HALTED)


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
        The instances of the template that are not pinned.
    now
        The time.
    """
    return _Decision(policy, target, stable, tuple(followers), now).advance()


@dataclass(frozen=True, slots=True)
class _Progress:
    """The state before budgets and failures: the first step that is not complete, and what it waits for."""

    index: int
    state: RolloutState
    look_again_in: float | None = None


class _Decision:
    def __init__(
        self, policy: Policy, target: str, stable: str, followers: tuple[Follower, ...], now: datetime
    ) -> None:
        self.policy, self.target, self.stable, self.now = policy, target, stable, now
        self.followers = followers
        self.members: list[list[Follower]] = [[] for _ in policy.steps]
        for each in followers:
            self.members[self._index(each)].append(each)

    def advance(self) -> Advance:
        has_target = [each for each in self.followers if each.revision == self.target]
        arrived = sum(each.is_ready for each in has_target)
        failing = sorted(each.key for each in has_target if each.is_stalled)
        failed = len(failing)
        progress = self._progress()
        state, grants = progress.state, frozenset[FollowerKey]()
        if self._is_halted(progress):
            state = RolloutState.HALTED
        elif self.policy.is_paused and any(map(self._is_waiting, self.followers)):
            state = RolloutState.PAUSED
        else:
            grants = frozenset(self._grants(progress))
        moving = (
            len(has_target)
            - arrived
            - failed
            + sum(each.key in grants for each in self.followers if each.revision != self.target)
        )
        return Advance(
            grants,
            state,
            "" if state is RolloutState.COMPLETE else self.policy.steps[progress.index].name,
            self._next_stable(state),
            arrived,
            moving,
            failed,
            len(self.followers) - arrived - moving - failed,
            progress.look_again_in,
            self._empty_steps(),
            self._failures(),
            tuple(failing[:_NAMED]),
        )

    def _empty_steps(self) -> tuple[str, ...]:
        if not self.followers:
            return ()
        named = zip(self.policy.named, self.members, strict=False)
        return tuple(step.name for step, members in named if not members)

    def _index(self, follower: Follower) -> int:
        last = len(self.policy.steps) - 1
        if follower.follows_stable:
            return last
        named = self.policy.steps[: last - 1]
        selecting = (
            index for index, step in enumerate(named) if step.selects(follower.key.namespace, follower.labels)
        )
        return next(selecting, last - 1)

    def _is_waiting(self, follower: Follower) -> bool:
        return follower.revision != self.target

    def _has_moved(self, follower: Follower) -> bool:
        return follower.revision == self.target or follower.is_granted

    def _has_arrived(self, follower: Follower) -> bool:
        return follower.revision == self.target and follower.is_ready

    def _was_broken(self, follower: Follower) -> bool:
        """Return whether an instance is Stalled for a reason of its own, not by an earlier roll-out."""
        return (
            not self._has_moved(follower)
            and follower.is_stalled
            and (not self.stable or follower.revision == self.stable)
        )

    def _counts(self, follower: Follower) -> bool:
        return follower.has_workers and not follower.is_new and not self._was_broken(follower)

    @property
    def _is_return(self) -> bool:
        """Whether the roll-out goes back to what is proven, without steps."""
        return self.target == self.stable

    def _failures(self) -> int:
        return sum(
            each.revision == self.target and each.is_stalled and self._counts(each) for each in self.followers
        )

    def _in_flight(self) -> int:
        return sum(
            self._has_moved(each) and not self._has_arrived(each) and self._counts(each)
            for each in self.followers
        )

    def _budget(self, index: int) -> int:
        return self.policy.steps[index].budget(len(self.members[index]))

    def _is_halted(self, progress: _Progress) -> bool:
        if self._is_return or self.policy.max_failures is None:
            return False
        failures = self._failures()
        if failures > self.policy.max_failures:
            return True
        # Failed instances that use up the budget hold the step as firmly.
        waits = any(not self._has_moved(each) and self._counts(each) for each in self.members[progress.index])
        return waits and failures >= self._budget(progress.index) > 0

    def _progress(self) -> _Progress:
        if self._is_return:
            settled = all(
                each.revision == self.target and (each.is_ready or each.is_stalled or not self._counts(each))
                for each in self.followers
            )
            index = next((index for index, members in enumerate(self.members) if members), 0)
            return _Progress(index, RolloutState.COMPLETE if settled else RolloutState.ROLLING_OUT)
        for index, step in enumerate(self.policy.steps):
            held = self._held(index, step)
            if held is not None:
                return held
        return _Progress(len(self.policy.steps) - 1, RolloutState.COMPLETE)

    def _held(self, index: int, step: Step) -> _Progress | None:
        """Return what a step waits for; None when it is complete."""
        counted = [each for each in self.members[index] if self._counts(each)]
        if not all(map(self._has_arrived, counted)):
            return _Progress(index, RolloutState.ROLLING_OUT)
        last = max((each.arrived_at or self.now for each in counted), default=None)
        left = 0.0 if last is None else step.soak_seconds - (self.now - last).total_seconds()
        if left > 0:
            return _Progress(index, RolloutState.SOAKING, min(left, step.soak_seconds))
        if step.needs_approval and self.policy.approved != self.target:
            return _Progress(index, RolloutState.AWAITING_APPROVAL)
        return None

    def _grants(self, progress: _Progress) -> Iterator[FollowerKey]:
        yield from (each.key for each in self.followers if self._is_waiting(each) and each.is_granted)
        waiting = [each for each in self.followers if not self._has_moved(each)]
        if self._is_return:
            yield from (each.key for each in waiting)
            return
        if not self.policy.is_stepped:
            yield from (each.key for each in waiting if not each.follows_stable)
        if progress.state is not RolloutState.ROLLING_OUT:
            return
        budget = self._budget(progress.index) - self._in_flight()
        candidates = [
            each for each in self.members[progress.index] if not self._has_moved(each) and self._counts(each)
        ]
        candidates.sort(key=_rank)
        yield from (each.key for each in candidates[: max(0, budget)])

    def _next_stable(self, state: RolloutState) -> str:
        is_known = bool(self.stable)
        if state is RolloutState.COMPLETE or (
            not is_known and all(each.revision == self.target for each in self.followers)
        ):
            return self.target
        if self.policy.is_stepped or any(each.follows_stable for each in self.followers):
            return self.stable
        # All at once: an instance that stays broken must not keep the others' revision from being stable.
        settled = all(
            each.revision == self.target and (each.is_ready or each.is_stalled) for each in self.followers
        )
        return self.target if settled and any(each.is_ready for each in self.followers) else self.stable


def _rank(follower: Follower) -> tuple[int, FollowerKey]:
    """Return the order within a step.

    Those that an earlier roll-out broke need the new revision most, and lose least by it; then those that are
    Ready, which can prove something.
    """
    return (0 if follower.is_stalled else 1 if follower.is_ready else 2), follower.key
