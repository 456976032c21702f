"""Properties of one decision, for followers in any state, also such as no life leads to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from model_operator.api import Rollout, RolloutState
from model_operator.core.rollouts.advance import Advance, advance
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.policy import policy_of
from tests.unit.core.rollouts.life import Instance, TemplateLife
from tests.unit.core.rollouts.test_lives import NAMESPACES, ROLLOUTS, SHARES, run

OLDER, OLD, NEW = "0" * 12, "1" * 12, "f" * 12
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def followers(draw: st.DrawFn) -> list[Follower]:
    """Draw instances with distinct names."""
    found = []
    for number in range(draw(st.integers(0, 20))):
        revision = draw(st.sampled_from(["", OLDER, OLD, OLD, NEW, NEW]))
        standing = draw(st.sampled_from(["ready", "ready", "stalled", "neither"]))
        since = draw(
            st.none() | st.integers(-3600, 3600).map(lambda seconds: NOW + timedelta(seconds=seconds))
        )
        found.append(
            Follower(
                FollowerKey(draw(st.sampled_from(NAMESPACES)), f"model-{number:02}"),
                revision,
                draw(st.sampled_from([{}, {"tier": "canary"}])),
                follows_stable=draw(st.integers(0, 4)) == 0,
                is_ready=standing == "ready",
                is_stalled=standing == "stalled",
                has_workers=draw(st.integers(0, 4)) > 0,
                is_new=draw(st.integers(0, 3)) == 0,
                arrived_at=since if standing == "ready" else None,
                is_granted=draw(st.booleans()),
            )
        )
    return found


CASES = st.tuples(ROLLOUTS | ROLLOUTS | st.none(), followers(), st.sampled_from(["", OLD, OLD, NEW]))
Case = tuple[dict[str, Any] | None, list[Follower], str]


def decide(case: Case, **rollout: Any) -> Advance:
    given, all_of_them, stable = case
    spec = None if given is None else Rollout.model_validate({**given, **rollout})
    return advance(policy_of(spec), NEW, stable, all_of_them, NOW)


def recorded(case: Case, decided: Advance) -> Case:
    """Return the case with what the decision has the controller remember."""
    given, all_of_them, _ = case
    return (
        given,
        [replace(each, is_granted=each.key in decided.grants) for each in all_of_them],
        decided.stable,
    )


@given(CASES, st.randoms(use_true_random=False))
def test_the_order_of_instances_does_not_matter(case: Case, random: Any) -> None:
    given, all_of_them, stable = case
    shuffled = list(all_of_them)
    random.shuffle(shuffled)
    assert decide((given, shuffled, stable)) == decide(case)


@given(CASES)
def test_a_decision_does_not_change_by_being_taken_or_forgotten(case: Case) -> None:
    """A restarted controller, which has lost its grants, decides the same."""
    first = decide(recorded(case, replace(decide(case), grants=frozenset())))
    taken = decide(recorded(case, first))
    if first.stable == case[2] or not first.grants:
        assert (taken.grants, taken.state, taken.step) == (first.grants, first.state, first.step)
        assert (taken.moving, taken.waiting) == (first.moving, first.waiting)
    lost = replace(taken, grants=frozenset())
    assert decide(recorded(recorded(case, taken), lost)).grants == taken.grants


@given(CASES)
def test_what_is_held_grants_nothing_and_counts_add_up(case: Case) -> None:
    given, all_of_them, stable = case
    decided = decide(case)
    assert decided.arrived + decided.moving + decided.failed + decided.waiting == len(all_of_them)
    assert min(decided.arrived, decided.moving, decided.failed, decided.waiting) >= 0
    if decided.state in (RolloutState.HALTED, RolloutState.PAUSED):
        assert not decided.grants
    waiting = {each.key for each in all_of_them if each.revision != NEW}
    assert decided.grants <= waiting
    if decided.state is RolloutState.COMPLETE:
        assert not waiting
        assert decided.stable == NEW
    if given is not None:
        paused = decide(case, paused=True)
        assert not paused.grants
        assert paused.state in (RolloutState.HALTED, RolloutState.PAUSED) or not waiting
    if stable == NEW:
        assert decided.grants == waiting
    assert decided.look_again_in is None or 0 < decided.look_again_in <= 604_800


@given(CASES)
def test_going_back_is_no_roll_out(case: Case) -> None:
    given, all_of_them, _ = case
    back = decide((given, all_of_them, NEW))
    assert back.grants == {each.key for each in all_of_them if each.revision != NEW}
    assert back.stable == NEW
    assert back.look_again_in is None


@given(CASES)
def test_a_grant_that_is_taken_back_has_its_place_until_the_next_decision(case: Case) -> None:
    given, all_of_them, _ = case
    decided = decide(case)
    granted = {each.key for each in all_of_them if each.is_granted and each.revision != NEW}
    if granted - decided.grants and decided.admits_new:
        assert decided.look_again_in is not None
        assert decided.look_again_in <= 1
    if given is not None and decided.grants - granted and decided.stable == case[2] != NEW:
        budgets = {step.name: step.max_unavailable for step in policy_of(Rollout.model_validate(given)).steps}
        budget = budgets[decided.step]
        most = budget if isinstance(budget, int) else max(1, len(all_of_them) * int(budget[:-1]) // 100)
        assert len(decided.grants | granted) <= most


@given(SHARES, st.integers(1, 30), st.integers(0, 3))
def test_a_revision_that_breaks_everything_reaches_the_budget_at_most(
    share: int | str, count: int, failures: int
) -> None:
    life = TemplateLife({"max_unavailable": share, "max_failures": failures})
    for number in range(count):
        key = FollowerKey(NAMESPACES[number % len(NAMESPACES)], f"model-{number:02}")
        life.instances[key] = Instance(key, -1.0)
    run(life)
    life.edit(NAMESPACES)
    run(life)
    assert life.last is not None
    assert life.last.state is RolloutState.HALTED
    reached = sum(each.revision == life.target for each in life.instances.values())
    most = share if isinstance(share, int) else max(1, count * int(share[:-1]) // 100)
    assert 1 <= reached <= most
    assert reached == min(most, count)

    life.go_back(life.stable)
    run(life)
    assert all(each.is_ready for each in life.instances.values())
    assert life.decision().state is RolloutState.COMPLETE
