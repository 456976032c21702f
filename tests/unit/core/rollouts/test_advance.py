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


def test_what_no_waiting_resolves_halts_after_two_minutes_and_not_after_the_deadline() -> None:
    """A missing image is no model that loads for long."""
    (broken,) = fleet(1, revision=NEW, is_ready=False, permanent_since=NOW)
    followers = [broken, *fleet(29, "other")]
    early = decide(followers, NOW + timedelta(seconds=90))
    assert (early.state, early.moving, early.failed, early.look_again_in) == (
        RolloutState.ROLLING_OUT,
        3,
        0,
        30,
    )
    # A restart in between changes nothing, nor does a clock that is behind.
    assert decide(followers, NOW - timedelta(days=1)).look_again_in == 120
    halted = decide(followers, NOW + timedelta(seconds=120))
    assert (halted.state, halted.grants, halted.failing) == (
        RolloutState.HALTED,
        frozenset(),
        (broken.key,),
    )

    healed = [arrived(replace(broken, permanent_since=None)), *followers[1:]]
    assert decide(healed, NOW + timedelta(seconds=121)).state is RolloutState.ROLLING_OUT


def test_what_no_waiting_resolves_is_counted_while_paused_and_tolerated_as_any_failure() -> None:
    followers = [*fleet(1, revision=NEW, is_ready=False, permanent_since=NOW), *fleet(29, "other")]
    paused = decide(followers, NOW + timedelta(seconds=90), paused=True)
    assert (paused.state, paused.look_again_in) == (RolloutState.PAUSED, 30)
    later = NOW + timedelta(seconds=120)
    assert decide(followers, later, paused=True).state is RolloutState.HALTED
    assert len(decide(followers, later, max_failures=1).grants) == 2


def test_what_no_waiting_resolves_is_no_failure_of_a_proven_revision_nor_of_one_without_steps() -> None:
    followers = fleet(1, revision=NEW, is_ready=False, permanent_since=NOW)
    later = NOW + timedelta(days=1)
    for found in (
        decide(followers, later, stable=NEW),
        advance(policy_of(None), NEW, OLD, followers, later),
        decide([replace(each, revision=OLD) for each in followers], later),
    ):
        assert (found.failed, found.state) == (0, RolloutState.ROLLING_OUT)


def test_what_was_broken_before_comes_last_and_counts_nothing() -> None:
    followers = [*fleet(1, "broken", is_ready=False, is_stalled=True), *map(arrived, fleet(3))]
    done = decide(followers, NOW + timedelta(seconds=60))
    assert (done.state, done.stable, done.waiting) == (RolloutState.ROLLING_OUT, NEW, 1)
    assert decide(followers, stable=NEW).grants == {followers[0].key}


def test_one_that_has_failed_for_a_minute_was_broken_and_for_a_moment_counts() -> None:
    """A crash loop after a complete roll-out is not Stalled."""
    (crashing,) = fleet(1, "broken", is_ready=False, failing_since=NOW)
    followers = [crashing, *map(arrived, fleet(3))]
    at_once = decide(followers, NOW + timedelta(seconds=59))
    assert at_once.grants == {crashing.key}
    later = decide(followers, NOW + timedelta(seconds=60))
    assert (later.stable, later.waiting) == (NEW, 1)


def test_a_pin_to_nothing_halts_only_its_own_instance() -> None:
    """A deployment of it names a revision that does not exist, which says nothing of the new one."""
    (mistaken,) = fleet(1, "other", revision=NEW, is_ready=False, is_stalled=True, has_own_fault=True)
    found = decide([mistaken, *fleet(10)])
    assert (found.state, found.failed, len(found.grants)) == (RolloutState.ROLLING_OUT, 1, 1)


def test_what_breaks_itself_is_no_failure_and_takes_no_place_in_the_budget() -> None:
    broken = {"revision": NEW, "is_ready": False, "is_stalled": True, "is_edited": True}
    found = decide([*fleet(2, "own", **broken), *fleet(10)])
    assert (found.state, found.failed, found.broken_by_edits) == (RolloutState.ROLLING_OUT, 2, 2)
    assert len(found.grants) == 1
    done = decide([*fleet(2, "own", **broken), *map(arrived, fleet(10))], NOW + timedelta(seconds=60))
    assert (done.state, done.stable) == (RolloutState.COMPLETE, NEW)
    # Another one that fails is a failure all the same.
    failing = fleet(1, "other", revision=NEW, is_ready=False, is_stalled=True)
    assert decide([*fleet(2, "own", **broken), *failing, *fleet(10)]).state is RolloutState.HALTED


def test_a_step_of_which_nothing_but_what_broke_itself_has_moved_is_not_proven() -> None:
    steps = [{"name": "canary", "namespaces": ["own"], "soak_seconds": 0}]
    broken = {"revision": NEW, "is_ready": False, "is_stalled": True, "is_edited": True}
    followers = [*fleet(1, "own", **broken), *fleet(10)]
    for now in (NOW, NOW + timedelta(days=1)):
        found = decide(followers, now, steps=steps)
        assert (found.state, found.step, found.grants) == (RolloutState.ROLLING_OUT, "canary", frozenset())
    proven = [*followers, *map(arrived, fleet(1, "own", key=FollowerKey("own", "second")))]
    assert decide(proven, steps=steps).step == "remaining"


def test_what_breaks_itself_before_it_moves_was_broken_before() -> None:
    broken = {"is_ready": False, "permanent_since": NOW, "is_edited": True, "revision": "a" * 12}
    found = decide([*fleet(1, "own", **broken), *fleet(3)])
    assert found.grants == {FollowerKey("prod", "model-000")}


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


def test_tolerated_failures_delay_no_step_unless_they_use_up_its_budget() -> None:
    canary = {"name": "canary", "namespaces": ["staging"], "max_unavailable": "100%", "soak_seconds": 0}
    failed = replace(fleet(1, "staging")[0], revision=NEW, is_ready=False, is_stalled=True)
    others = fleet(30)
    alone = decide([failed, *others], steps=[canary], max_failures=1)
    assert (alone.state, alone.step) == (RolloutState.HALTED, "canary")

    proven = [failed, *map(arrived, fleet(3, "staging")[1:])]
    passed = decide([*proven, *others], steps=[canary], max_failures=1)
    assert (passed.state, passed.step, len(passed.grants)) == (RolloutState.ROLLING_OUT, "remaining", 2)

    done = decide([*proven, *map(arrived, others)], NOW + timedelta(seconds=60), max_failures=1)
    assert (done.state, done.stable, done.failed) == (RolloutState.COMPLETE, NEW, 1)
    later = NOW + timedelta(seconds=60)
    one = decide([*proven, *map(arrived, others)], later, max_failures=1, max_unavailable=1)
    assert one.state is RolloutState.HALTED


def test_one_created_with_the_new_revision_neither_halts_nor_delays() -> None:
    broken = fleet(1, "new", revision=NEW, is_new=True, is_ready=False, is_stalled=True)
    assert len(decide([*broken, *fleet(10)]).grants) == 1
    done = decide([*broken, *map(arrived, fleet(10))], NOW + timedelta(seconds=60))
    assert (done.state, done.stable, done.begins_again) == (RolloutState.COMPLETE, NEW, False)


def test_those_created_with_an_older_revision_take_part_in_steps() -> None:
    """As in a restored backup, and after a pause: otherwise they would all move at once at the end."""
    restored = [*fleet(2, "moved", revision=NEW, is_new=True, is_ready=False), *fleet(20, is_new=True)]
    begun = decide(restored, max_unavailable=3, stable="")
    assert (len(begun.grants), begun.begins_again) == (1, True)
    known = decide(restored, max_unavailable=3)
    assert (len(known.grants), known.begins_again) == (1, True)
    paused = decide(restored, paused=True)
    assert (paused.state, paused.begins_again) == (RolloutState.PAUSED, False)

    production = fleet(3, follows_stable=True, is_new=True)
    assert not decide([*production, *map(arrived, fleet(1, "dev"))]).begins_again
    failed = replace(production[0], revision=NEW, is_ready=False, is_stalled=True)
    assert decide([failed, *production[1:]]).state is RolloutState.HALTED


def test_a_restored_backup_of_a_broken_canary_does_not_go_on_to_followers_of_stable() -> None:
    """Its template has lost the stable revision, and with it the time at which the roll-out began."""
    failed = fleet(2, "dev", revision=NEW, is_new=True, is_ready=False, is_stalled=True)
    halted = decide([*failed, *fleet(5, follows_stable=True, is_new=True)], stable="")
    assert (halted.state, halted.grants) == (RolloutState.HALTED, frozenset())


def test_a_smaller_budget_takes_grants_back() -> None:
    followers = [*fleet(3, is_granted=True), *fleet(3, "other")]
    fewer = decide(followers, max_unavailable=2)
    assert fewer.grants == {each.key for each in followers[:2]}
    assert fewer.look_again_in == 1


def test_the_last_to_arrive_ends_the_soak_time() -> None:
    followers = [*map(arrived, fleet(2)), arrived(fleet(1, "late")[0], NOW + timedelta(seconds=30))]
    later = NOW + timedelta(seconds=60)
    assert decide(followers, later).look_again_in == 30
    unknown = [*followers, replace(followers[0], key=FollowerKey("prod", "x"), arrived_at=None)]
    assert decide(unknown, later).look_again_in == 60


def test_an_arrival_by_a_clock_that_is_ahead_delays_nobody_without_a_soak_time() -> None:
    canary, *others = fleet(1, "staging") + fleet(2)
    followers = [arrived(canary, NOW + timedelta(hours=1)), *others]
    first = [{"name": "canary", "namespaces": ["staging"]}]
    found = decide(followers, max_unavailable=1, soak_seconds=0, steps=first)
    assert (found.state, len(found.grants), found.look_again_in) == (RolloutState.ROLLING_OUT, 1, None)
    steps = [{"name": "canary", "namespaces": ["prod"], "soak_seconds": 60}]
    followers = [arrived(each, NOW + timedelta(hours=1)) for each in followers]
    soaking = decide([*followers, *fleet(1, "other")], steps=steps)
    assert (soaking.state, soaking.look_again_in) == (RolloutState.SOAKING, 60)


def test_a_withdrawn_approval_takes_grants_back() -> None:
    steps = [{"name": "canary", "namespaces": ["staging"], "needs_approval": True, "soak_seconds": 0}]
    followers = [*map(arrived, fleet(1, "staging")), *fleet(1, is_granted=True), *fleet(10, "other")]
    assert followers[1].key in decide(followers, steps=steps, approved=NEW, max_unavailable=2).grants
    withdrawn = decide(followers, steps=steps)
    assert (withdrawn.state, withdrawn.grants, withdrawn.look_again_in) == (
        RolloutState.AWAITING_APPROVAL,
        frozenset(),
        1,
    )


def test_a_step_that_opens_again_gets_the_budget_when_the_grants_of_later_steps_are_free() -> None:
    """As when an instance that was broken before recovers: a grant taken back may be used at this moment."""
    steps = [{"name": "canary", "namespaces": ["staging"]}]
    healed = fleet(1, "staging")[0]
    followers = [healed, *fleet(1, is_granted=True), *fleet(5, "other")]
    opened = decide(followers, steps=steps)
    assert (opened.step, opened.grants, opened.look_again_in) == ("canary", frozenset(), 1)
    followers[1] = replace(followers[1], is_granted=False)
    assert decide(followers, steps=steps).grants == {healed.key}


def test_the_first_revision_is_stable_at_once() -> None:
    first = decide(fleet(3, revision=NEW, is_ready=False), stable="", steps=[{"name": "canary"}])
    assert (first.state, first.stable) == (RolloutState.ROLLING_OUT, NEW)
    assert decide([], stable="").stable == NEW


def test_without_a_rollout_followers_of_stable_wait_until_the_others_have_soaked() -> None:
    at_once = policy_of(None)
    followers = [*fleet(2, follows_stable=True), *map(arrived, fleet(2, "dev"))]
    soaking = advance(at_once, NEW, OLD, followers, NOW)
    assert (soaking.state, soaking.grants, soaking.stable) == (RolloutState.SOAKING, frozenset(), OLD)
    soaked = advance(at_once, NEW, OLD, followers, NOW + timedelta(seconds=60))
    assert soaked.grants == {each.key for each in followers[:2]}


def test_without_a_rollout_one_that_stays_broken_delays_nothing() -> None:
    followers = [*map(arrived, fleet(2)), *fleet(1, "broken", revision=NEW, is_ready=False, is_stalled=True)]
    done = advance(policy_of(None), NEW, OLD, followers, NOW)
    assert (done.state, done.stable) == (RolloutState.COMPLETE, NEW)


def test_an_edit_on_the_way_makes_no_other_instance_unavailable() -> None:
    followers = fleet(10)
    followers[7] = replace(followers[7], revision="b" * 12, is_ready=False)
    assert decide(followers).grants == {followers[7].key}
    # At the stable revision it is not known why.
    followers[7] = replace(followers[7], revision=OLD)
    assert decide(followers).grants == {followers[0].key}
