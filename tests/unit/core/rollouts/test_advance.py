"""The decisions of a roll-out, one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from model_operator.api import Rollout, RolloutState
from model_operator.core.rollouts.advance import Advance, advance
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.policy import policy_of

OLD, NEW = "0" * 12, "f" * 12
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def fleet(count: int, namespace: str = "prod", **fields: object) -> list[Follower]:
    """Return instances that are Ready at the stable revision."""
    template = Follower(FollowerKey(namespace, ""), OLD, {}, is_ready=True)
    named = [replace(template, key=FollowerKey(namespace, f"model-{index:03}")) for index in range(count)]
    return [replace(each, **fields) for each in named]  # type: ignore[arg-type]


def decide(followers: list[Follower], now: datetime = NOW, stable: str = OLD, **rollout: object) -> Advance:
    return advance(policy_of(Rollout.model_validate(rollout)), NEW, stable, followers, now)


def arrived(follower: Follower, since: datetime = NOW) -> Follower:
    return replace(
        follower, revision=NEW, is_ready=True, is_stalled=False, arrived_at=since, is_granted=False
    )


def test_a_tenth_at_a_time() -> None:
    followers = fleet(25)
    first = decide(followers)
    assert sorted(first.grants) == [each.key for each in followers[:2]]
    assert (first.state, first.step, first.moving, first.waiting) == (
        RolloutState.ROLLING_OUT,
        "remaining",
        2,
        23,
    )

    moved = [replace(followers[0], revision=NEW, is_ready=False), arrived(followers[1]), *followers[2:]]
    assert decide(moved).grants == {followers[2].key}


def test_a_failure_halts_and_the_next_revision_starts_with_what_it_broke() -> None:
    followers = [replace(each, revision=NEW, is_ready=False, is_stalled=True) for each in fleet(1)]
    followers += fleet(9, "other")
    halted = decide(followers)
    assert (halted.state, halted.grants, halted.failed, halted.admits_new) == (
        RolloutState.HALTED,
        frozenset(),
        1,
        False,
    )

    fixed = advance(policy_of(Rollout()), "a" * 12, OLD, followers, NOW)
    assert fixed.grants == {followers[0].key}


def test_what_was_broken_before_comes_last_and_counts_nothing() -> None:
    followers = [*fleet(1, "broken", is_ready=False, is_stalled=True), *map(arrived, fleet(3))]
    done = decide(followers, NOW + timedelta(seconds=60))
    assert (done.state, done.stable, done.waiting) == (RolloutState.COMPLETE, NEW, 1)
    assert decide(followers, stable=NEW).grants == {followers[0].key}


def test_a_canary_soaks_and_waits_for_its_approval() -> None:
    steps = [{"name": "canary", "namespaces": ["staging-*"], "soak_seconds": 1800, "needs_approval": True}]
    followers = [*map(arrived, fleet(2, "staging-a")), *fleet(10)]
    soaking = decide(followers, NOW + timedelta(seconds=1799), steps=steps)
    assert (soaking.state, soaking.step, soaking.look_again_in) == (RolloutState.SOAKING, "canary", 1)
    soaked = NOW + timedelta(seconds=1800)
    waiting = decide(followers, soaked, steps=steps, approved=OLD)
    assert (waiting.state, waiting.grants) == (RolloutState.AWAITING_APPROVAL, frozenset())
    assert len(decide(followers, soaked, steps=steps, approved=NEW).grants) == 1


def test_going_back_takes_no_steps() -> None:
    followers = [*fleet(5), *fleet(5, "other", is_ready=False, is_stalled=True)]
    back = decide(followers, stable=NEW, steps=[{"name": "canary", "needs_approval": True}])
    assert back.grants == {each.key for each in followers}


def test_nothing_moves_while_paused() -> None:
    paused = decide(fleet(5, is_granted=True), paused=True)
    assert (paused.state, paused.grants) == (RolloutState.PAUSED, frozenset())


def test_followers_of_stable_come_last() -> None:
    followers = [*fleet(2, "a-production", follows_stable=True), *fleet(1)]
    assert decide(followers).grants == {followers[2].key}
    done = [*followers[:2], arrived(followers[2])]
    assert decide(done).state is RolloutState.SOAKING
    last = decide(done, NOW + timedelta(seconds=60))
    assert last.step == "stable"
    assert last.grants == {followers[0].key}


def test_without_a_rollout_all_move_at_once() -> None:
    at_once = policy_of(None)
    followers = [*fleet(20), *fleet(1, "broken", is_stalled=True, is_ready=False)]
    assert advance(at_once, NEW, OLD, followers, NOW).grants == {each.key for each in followers}


def test_steps_that_select_no_instance_are_named() -> None:
    steps = [
        {"name": "canary", "labels": {"tier": "canary"}},
        {"name": "prod", "namespaces": ["prod"]},
        {"name": "late", "namespaces": ["p*"]},
    ]
    followers = fleet(3) + fleet(1, "staging", labels={"tier": "canary"}, follows_stable=True)

    assert decide(followers, steps=steps).empty_steps == ("canary", "late")
    assert decide(followers, paused=True, steps=steps).empty_steps == ("canary", "late")
    assert decide(fleet(1, "dev"), steps=[]).empty_steps == ()
    assert decide([], steps=steps).empty_steps == ()
