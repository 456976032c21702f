"""The instances of a template in their steps: which have moved, arrived or failed, and which count.

An instance counts, as proof or as failure, unless it was created with the new revision, has no workers,
cannot be read, failed at the stable revision before, or fails since an edit of its own. It has failed when it
is Stalled at the new revision, or fails there for a cause that no waiting resolves.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.policy import Policy

_BROKEN_SECONDS: Final = 60.0
"""How long an instance has failed that was broken before: a canary that fails for a moment still counts."""
_PERMANENT_SECONDS: Final = 120.0
"""How long an instance fails for a cause that no waiting resolves before it is a failure of the revision: by
then, what another controller creates after the template, such as a Secret, is there."""


class Member(NamedTuple):
    """A follower in its step, with what the decision asks of it more than once."""

    follower: Follower
    step: int
    has_target: bool
    counts: bool
    is_midway: bool
    """Whether an earlier roll-out, which has not ended, moved it, and it is not Ready yet."""
    has_failed: bool = False
    """Whether it has the new revision and fails with it: it is Stalled, or waiting does not help."""

    @property
    def is_granted(self) -> bool:
        """Whether it may get the new revision, and has not got it yet."""
        return self.follower.is_granted and not self.has_target

    @property
    def is_behind(self) -> bool:
        """Whether it can get the new revision, and has not got it yet."""
        return self.follower.can_move and not self.has_target

    @property
    def has_moved(self) -> bool:
        """Whether it has the new revision, or may have it by now."""
        return self.has_target or self.follower.is_granted

    @property
    def has_arrived(self) -> bool:
        """Whether it is Ready at the new revision."""
        return self.has_target and self.follower.is_ready

    @property
    def rank(self) -> tuple[int, FollowerKey]:
        """Its place within the step.

        Those that an earlier roll-out broke need the new revision most, and lose least by it. So do those
        that it moved and that are not Ready yet: with another one, there would be more of these. Then come
        those that are Ready, which can prove something.
        """
        follower = self.follower
        is_first = follower.is_stalled or self.is_midway
        return (0 if is_first else 1 if follower.is_ready else 2), follower.key


def members_of(
    policy: Policy, target: str, stable: str, followers: Sequence[Follower], now: datetime
) -> tuple[list[Member], bool]:
    """Return the followers in their steps, and whether the roll-out begins again.

    Parameters
    ----------
    policy, target, stable, followers, now
        As for `model_operator.core.rollouts.advance.advance`.
    """

    def was_broken(each: Follower) -> bool:
        """Return whether an instance fails for a reason of its own, not by an earlier roll-out."""
        if each.revision == target or not (policy.is_stepped or each.follows_stable):
            return False
        since = each.failing_since
        fails = each.is_stalled or (since is not None and (now - since).total_seconds() >= _BROKEN_SECONDS)
        return fails and (not stable or each.revision in ("", stable))

    can_count = [
        each.has_workers
        and each.can_move
        and not each.has_own_fault
        and not each.has_broken_itself
        and not was_broken(each)
        for each in followers
    ]
    # One that was created with an older revision cannot be distinguished later from one that was created
    # with the new one: as long as there is any, all of them count.
    begins_again = policy.is_stepped and any(
        able and each.is_new and not each.follows_stable and each.revision not in ("", target)
        for each, able in zip(followers, can_count, strict=True)
    )
    # Where there are no steps nothing halts, and the stable revision is proven.
    is_judged = policy.is_stepped and target != stable
    return [
        Member(
            each,
            policy.step_of(each.key.namespace, each.labels, follows_stable=each.follows_stable),
            each.revision == target,
            # A new one that follows `stable` was created with the stable revision. Without that, as in a
            # restored backup, the time at which the roll-out began is not known either.
            able and (begins_again or not stable or each.follows_stable or not each.is_new),
            bool(stable) and not each.is_ready and each.revision not in ("", stable, target),
            each.revision == target
            and (each.is_stalled or (is_judged and seconds_to_failure(each, now) == 0.0)),
        )
        for each, able in zip(followers, can_count, strict=True)
    ], begins_again


def seconds_to_failure(follower: Follower, now: datetime) -> float | None:
    """Return the seconds after which an instance in flight counts as failed; None where it may still arrive.

    Parameters
    ----------
    follower
        The instance.
    now
        The time.
    """
    if follower.permanent_since is None:
        return None
    left = _PERMANENT_SECONDS - (now - follower.permanent_since).total_seconds()
    # Another operator's clock may have been ahead.
    return min(max(left, 0.0), _PERMANENT_SECONDS)
