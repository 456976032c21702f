"""Random lives of a template's roll-outs: people and the cluster do anything, and each decision is judged."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from model_operator.api import RolloutState
from model_operator.core.rollouts.follower import FollowerKey
from tests.unit.core.rollouts.life import HELD, Instance, TemplateLife, judged, revision

NAMESPACES = ("prod", "qa", "staging-a", "staging-b")
SHARES = st.sampled_from([1, 2, 3, "10%", "30%", "100%"])
SOAKS = st.sampled_from([0, 30, 600])
STEP = st.fixed_dictionaries(
    {},
    optional={
        "labels": st.just({"tier": "canary"}),
        "namespaces": st.sampled_from([["staging-*"], ["qa"], ["nowhere"], ["*"]]),
        "max_unavailable": SHARES,
        "soak_seconds": SOAKS,
        "needs_approval": st.booleans(),
    },
)
STEPS = st.lists(STEP, max_size=3).map(
    lambda steps: [{"name": f"step-{number}", **each} for number, each in enumerate(steps)]
)
ROLLOUTS = st.fixed_dictionaries(
    {"steps": STEPS},
    optional={
        "max_unavailable": SHARES,
        "soak_seconds": SOAKS,
        "max_failures": st.integers(0, 2),
    },
)
BROKEN = st.sampled_from([(), (), ("prod",), ("staging-a",), NAMESPACES])
AT_MOST = 2_000
"""Decisions until a roll-out that nothing holds is complete."""


def fleet(life: TemplateLife, count: int, **fields: Any) -> None:
    """Add instances that are Ready at the stable revision."""
    for number in range(count):
        key = FollowerKey(NAMESPACES[number % len(NAMESPACES)], f"model-{number:02}")
        life.instances[key] = Instance(key, -1.0, revision=life.target, **fields)
    life.settle(life.instances.values())
    judged(life)


def run(life: TemplateLife) -> None:
    """Let the controller and the cluster go on until nothing changes any more."""
    for _ in range(AT_MOST):
        decided = judged(life)
        moving = [each for each in life.instances.values() if not each.revision or each.key in life.grants]
        for each in moving:
            life.reconcile(each)
        unsettled = [each for each in life.instances.values() if not each.is_ready and not each.is_stalled]
        life.settle(unsettled)
        if moving or unsettled or decided.begins_again:
            continue
        if decided.look_again_in is not None:
            life.now += decided.look_again_in
        elif life.decision() == decided:
            waits_for = {RolloutState.COMPLETE, RolloutState.AWAITING_APPROVAL, *HELD}
            assert decided.state in waits_for or not life.policy.is_stepped, (
                "nothing moves, and nobody says so"
            )
            return
    raise AssertionError("the roll-out does not end")


class Lives(RuleBasedStateMachine):
    """Whatever people, the cluster and restarts do."""

    def __init__(self) -> None:
        super().__init__()
        self.life = TemplateLife({})
        self.created = 0

    def _one(self, number: int) -> Instance | None:
        instances = list(self.life.instances.values())
        return instances[number % len(instances)] if instances else None

    @initialize(rollout=ROLLOUTS | ROLLOUTS | ROLLOUTS | st.none(), count=st.integers(0, 14))
    def begin(self, rollout: dict[str, Any] | None, count: int) -> None:
        self.life = TemplateLife(rollout)
        for number in range(count):
            self.create(NAMESPACES[number % len(NAMESPACES)], number % 5 == 4, number % 3 == 0)
        run(self.life)

    @rule(namespace=st.sampled_from(NAMESPACES), follows_stable=st.booleans(), is_canary=st.booleans())
    def create(self, namespace: str, follows_stable: bool, is_canary: bool) -> None:
        self.created += 1
        key = FollowerKey(namespace, f"model-{self.created:03}")
        labels = {"tier": "canary"} if is_canary else {}
        self.life.instances[key] = Instance(key, self.life.now, follows_stable, labels)

    @rule(number=st.integers(0, 99))
    def delete(self, number: int) -> None:
        if each := self._one(number):
            del self.life.instances[each.key]

    @rule(broken=BROKEN, seconds=st.integers(0, 5))
    def edit(self, broken: tuple[str, ...], seconds: int) -> None:
        self.life.now += seconds
        self.life.edit(broken)

    @rule(number=st.integers(0, 3))
    def go_back(self, number: int) -> None:
        earlier = [self.life.stable or revision(0), *self.life.broken]
        self.life.now += 1
        self.life.go_back(earlier[number % len(earlier)])

    @rule(number=st.integers(0, 99), breaks=st.booleans())
    def break_or_heal(self, number: int, breaks: bool) -> None:
        if each := self._one(number):
            each.has_own_fault = breaks
            self.life.settle([each])

    @rule(number=st.integers(0, 99), has_workers=st.booleans())
    def scale(self, number: int, has_workers: bool) -> None:
        if each := self._one(number):
            each.has_workers = has_workers

    @rule(number=st.integers(0, 99))
    def pods_go_away(self, number: int) -> None:
        if (each := self._one(number)) and each.is_ready:
            each.is_ready, each.arrived_at = False, None

    @rule(rounds=st.integers(1, 6), settled=st.sets(st.integers(0, 9)))
    def go_on(self, rounds: int, settled: set[int]) -> None:
        """The controller decides and moves what it may, and some of the instances settle."""
        for _ in range(rounds):
            judged(self.life)
            instances = list(self.life.instances.values())
            for each in instances:
                self.life.reconcile(each)
            self.life.settle(each for number, each in enumerate(instances) if number % 10 in settled)

    @rule(numbers=st.sets(st.integers(0, 19), max_size=5))
    def move_some(self, numbers: set[int]) -> None:
        """The controller is slower than its decisions."""
        for number, each in enumerate(list(self.life.instances.values())):
            if number in numbers:
                self.life.reconcile(each)

    @rule()
    def settle_and_decide(self) -> None:
        self.life.settle(self.life.instances.values())
        judged(self.life)

    @rule()
    def end(self) -> None:
        run(self.life)

    @rule(seconds=st.sampled_from([1, 29, 30, 600]))
    def wait(self, seconds: int) -> None:
        self.life.now += seconds

    @rule()
    def restart(self) -> None:
        self.life.restart()
        judged(self.life)

    @rule()
    def restore_a_backup(self) -> None:
        """All objects are created again, and have lost their statuses, but not their annotations."""
        life = self.life
        life.stable, life.now = "", life.now + 1
        life.started_at = life.now
        life.restart()
        for each in life.instances.values():
            each.created = life.now + 1
            each.get(each.revision)
        life.now += 2

    @rule(paused=st.booleans(), share=SHARES)
    def change_the_rollout(self, paused: bool, share: int | str) -> None:
        if self.life.rollout is not None:
            self.life.rollout |= {"paused": paused, "max_unavailable": share}
            judged(self.life)

    @rule(is_this=st.booleans())
    def approve(self, is_this: bool) -> None:
        if self.life.rollout is not None:
            self.life.rollout["approved"] = self.life.target if is_this else revision(0)

    def teardown(self) -> None:
        """With nothing that holds it, the roll-out ends."""
        life = self.life
        life.broken.clear()
        for each in life.instances.values():
            each.has_own_fault = False
        life.settle(life.instances.values())
        if life.rollout is not None:
            life.rollout |= {"paused": False, "approved": life.target}
        run(life)
        assert life.last is not None
        assert life.last.state is RolloutState.COMPLETE
        assert {each.revision for each in life.instances.values()} <= {life.target}
        assert life.stable == life.target


def test_lives() -> None:
    run_state_machine_as_test(
        Lives, settings=settings(max_examples=200, stateful_step_count=40, report_multiple_bugs=False)
    )
