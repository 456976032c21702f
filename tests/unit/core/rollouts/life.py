"""A template, its instances and a controller without a cluster, in which roll-outs live and are judged.

What the judge knows is the truth: which instance got which revision by a grant, and whether it runs with it.
The decision sees only what a status shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from model_operator.api import Rollout, RolloutState
from model_operator.core.rollouts.advance import Advance, advance
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.policy import Policy, policy_of

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
HELD = (RolloutState.PAUSED, RolloutState.HALTED)


def revision(number: int) -> str:
    """Return the hash of a revision."""
    return f"{number:012x}"


@dataclass
class Instance:
    """A ModelInstance.

    Attributes
    ----------
    key, follows_stable, labels
        As in its specification.
    created
        Time of its creation.
    revision
        What it runs; empty before its first reconcile.
    is_ready, is_stalled, arrived_at
        Its status, about its revision.
    has_workers
        Whether it is to have any.
    has_own_fault
        Whether it cannot run with any revision.
    granted
        The revision that it got by a grant, last.
    """

    key: FollowerKey
    created: float
    follows_stable: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    revision: str = ""
    is_ready: bool = False
    is_stalled: bool = False
    arrived_at: float | None = None
    has_workers: bool = True
    has_own_fault: bool = False
    granted: str = ""

    def get(self, revision: str) -> None:
        """Take another revision: what its status says of the old one counts no longer."""
        self.revision, self.is_ready, self.is_stalled, self.arrived_at = revision, False, False, None

    def settle(self, now: float, *, works: bool) -> None:
        """Become Ready or Stalled with its revision."""
        if works and not self.is_ready:
            self.arrived_at = now
        if not works:
            self.arrived_at = None
        self.is_ready, self.is_stalled = works, not works


class TemplateLife:
    """One template's roll-outs.

    Attributes
    ----------
    now
        Seconds since the beginning.
    rollout
        The template's field ``rollout``; None without it.
    target, stable, started_at
        The latest revision, and what the template's status remembers.
    broken
        By revision: the namespaces in which it does not run.
    instances
        By namespace and name.
    grants
        What the controller keeps in memory.
    last
        Its last decision.
    """

    def __init__(self, rollout: dict[str, Any] | None) -> None:
        self.now = 0.0
        self.rollout = rollout
        self.target, self.stable, self.started_at = revision(0), "", 0.0
        self.broken: dict[str, frozenset[str]] = {}
        self.instances: dict[FollowerKey, Instance] = {}
        self.grants: frozenset[FollowerKey] = frozenset()
        self.last: Advance | None = None
        self._revisions = 1

    @property
    def policy(self) -> Policy:
        """What the template says now."""
        return policy_of(None if self.rollout is None else Rollout.model_validate(self.rollout))

    @property
    def clock(self) -> datetime:
        """The time as the decision gets it."""
        return EPOCH + timedelta(seconds=self.now)

    # What people and the cluster do.

    def edit(self, broken: Iterable[str] = ()) -> None:
        """Give the template a revision that does not run in these namespaces."""
        self._begin(revision(self._revisions))
        self._revisions += 1
        self.broken[self.target] = frozenset(broken)

    def go_back(self, revision: str) -> None:
        """Revert the template to an earlier revision."""
        self._begin(revision)

    def _begin(self, target: str) -> None:
        if target != self.target:
            self.target, self.started_at, self.grants = target, self.now, frozenset()

    def works(self, instance: Instance) -> bool:
        """Return whether an instance can run with its revision."""
        broken = self.broken.get(instance.revision, frozenset())
        return not instance.has_own_fault and instance.key.namespace not in broken

    def settle(self, instances: Iterable[Instance]) -> None:
        """Have instances become Ready or Stalled."""
        for each in instances:
            if each.revision:
                each.settle(self.now, works=self.works(each))

    # What the controller does.

    def followers(self, grants: frozenset[FollowerKey]) -> list[Follower]:
        """Return what the decision sees."""
        return [
            Follower(
                each.key,
                each.revision,
                each.labels,
                each.follows_stable,
                each.is_ready,
                each.is_stalled,
                each.has_workers,
                each.created > self.started_at,
                None if each.arrived_at is None else EPOCH + timedelta(seconds=each.arrived_at),
                each.key in grants and each.revision != self.target,
            )
            for each in self.instances.values()
        ]

    def decision(self, grants: frozenset[FollowerKey] | None = None) -> Advance:
        """Return the decision, with the controller's grants or others."""
        known = self.grants if grants is None else grants
        return advance(self.policy, self.target, self.stable, self.followers(known), self.clock)

    def decide(self) -> Advance:
        """Decide, and write what is remembered before anything moves."""
        decided = self.last = self.decision()
        self.stable, self.grants = decided.stable, decided.grants
        if decided.begins_again:
            self.started_at = max([self.now, *(each.created for each in self.instances.values())])
        return decided

    def reconcile(self, instance: Instance) -> None:
        """Have an instance get what it may have: its first revision, or that of its grant."""
        if not instance.revision:
            admits_new = self.last is None or self.last.admits_new
            is_held = instance.follows_stable or not admits_new
            instance.get(self.stable if is_held and self.stable else self.target)
        elif instance.key in self.grants and instance.revision != self.target:
            instance.get(self.target)
            instance.granted = self.target

    def restart(self) -> None:
        """Lose what is only in memory."""
        self.grants, self.last = frozenset(), None


class Judge:
    """Finds what a decision must not be, by the truth and a reading of the rules of its own."""

    def __init__(self, life: TemplateLife) -> None:
        self.life = life
        self.policy = life.policy
        self.stable, self.grants = life.stable, life.grants

    def step_of(self, instance: Instance) -> str:
        """Return the name of the step of an instance."""
        if instance.follows_stable:
            return "stable"
        for each in (self.life.rollout or {}).get("steps", ()):
            namespaces = each.get("namespaces", ["*"])
            has_labels = each.get("labels", {}).items() <= instance.labels.items()
            if has_labels and any(fnmatchcase(instance.key.namespace, name) for name in namespaces):
                return str(each["name"])
        return "remaining"

    def members(self, step: str) -> list[Instance]:
        """Return the instances of a step."""
        return [each for each in self.life.instances.values() if self.step_of(each) == step]

    def budget(self, step: str) -> int:
        """Return how many instances of a step may be unavailable."""
        given = next(each.max_unavailable for each in self.policy.steps if each.name == step)
        if isinstance(given, int):
            return given
        return max(1, int(len(self.members(step)) * int(given[:-1]) / 100))

    def in_flight(self) -> list[Instance]:
        """Return those that got the revision by a grant and are not Ready with it."""
        target = self.life.target
        return [
            each
            for each in self.life.instances.values()
            if each.revision == target == each.granted and each.has_workers and not each.is_ready
        ]

    def waiting_healthy(self) -> list[Instance]:
        """Return those that run another revision, and are Ready with it."""
        target = self.life.target
        return [
            each
            for each in self.life.instances.values()
            if each.revision not in ("", target) and each.has_workers and each.is_ready
        ]

    def judge(self, decided: Advance) -> None:
        """Judge a decision that was taken with what is remembered as of the creation of this judge."""
        life, policy = self.life, self.policy
        instances = life.instances
        total = decided.arrived + decided.moving + decided.failed + decided.waiting
        assert total == len(instances)
        assert min(decided.arrived, decided.moving, decided.failed, decided.waiting) >= 0
        assert all(instances[key].revision != life.target for key in decided.grants)
        assert decided.stable in (self.stable, life.target)
        assert (decided.step == "") == (decided.state is RolloutState.COMPLETE)
        if decided.state in HELD:
            assert not decided.grants, "something moves while the roll-out is held"
            assert not decided.admits_new
        if policy.is_paused:
            assert not decided.grants, "something moves while the roll-out is paused"
        if life.target == self.stable:
            waiting = {key for key, each in instances.items() if each.revision != life.target}
            assert decided.grants == (set() if policy.is_paused else waiting), "going back takes no steps"
            assert decided.state is not RolloutState.HALTED
        elif not self.stable and all(each.revision in ("", life.target) for each in instances.values()):
            assert decided.stable == life.target, "the first revision is stable at once"
        elif policy.is_stepped:
            self._judge_steps(decided)

    def _judge_steps(self, decided: Advance) -> None:
        life, policy = self.life, self.policy
        failed = [each for each in self.in_flight() if each.is_stalled]
        if len(failed) > (policy.max_failures or 0) and decided.stable == self.stable:
            assert decided.state is RolloutState.HALTED, "it goes on after too many failures"
        if decided.state is RolloutState.HALTED:
            assert any(
                each.is_stalled and each.revision == life.target for each in life.instances.values()
            ), "halted by something else than a failure"
        granted = [life.instances[key] for key in decided.grants]
        assert {self.step_of(each) for each in granted} <= {decided.step}, "a step is out of its order"
        if granted:
            most = max(self.budget(decided.step), len(self.in_flight()))
            assert len(self.in_flight()) + len(granted) <= most, "over the budget"
            assert all(each.has_workers for each in granted), "one without workers proves nothing"
            assert not any(each.is_stalled and each.revision == self.stable for each in granted)
            self._judge_order(decided, granted)
        for name in self._earlier(decided):
            self._judge_complete(name)
        if self.stable and decided.stable != self.stable:
            assert not self.waiting_healthy(), "stable before all have it"
            for step in policy.steps:
                self._judge_complete(step.name)

    def _judge_order(self, decided: Advance, granted: list[Instance]) -> None:
        chosen = {each.key for each in granted} | self.grants
        passed_over = [
            each
            for each in self.waiting_healthy()
            if self.step_of(each) == decided.step and each.key not in chosen
        ]
        added = [each for each in granted if each.key not in self.grants]
        # Those on the way to another revision are unavailable already.
        unproven = [each for each in added if not each.is_ready and each.revision == self.stable]
        assert not (unproven and passed_over), "one that proves nothing goes before one that is Ready"
        ready = [each.key for each in added if each.is_ready]
        if ready and passed_over:
            assert max(ready) < min(each.key for each in passed_over), "not in the order of their names"

    def _earlier(self, decided: Advance) -> list[str]:
        names = [each.name for each in self.policy.steps]
        return names[: names.index(decided.step)] if decided.step else []

    def _judge_complete(self, name: str) -> None:
        """Find what a step that the roll-out has passed must not have."""
        life = self.life
        step = next(each for each in self.policy.steps if each.name == name)
        members = self.members(name)
        assert not any(each in members for each in self.waiting_healthy()), "a step is passed over"
        unproven = [each for each in self.in_flight() if each in members and not each.is_stalled]
        assert not unproven, "a step is passed before all of it have arrived"
        for each in members:
            if each.revision == life.target == each.granted and each.is_ready and each.has_workers:
                assert each.arrived_at is not None
                assert life.now - each.arrived_at >= step.soak_seconds, "a step has not soaked"
        if step.needs_approval:
            assert self.policy.approved == life.target, "a step is passed without its approval"


def judged(life: TemplateLife) -> Advance:
    """Decide under a judge, and check that order and lost grants do not change the decision."""
    judge = Judge(life)
    ordered = life.decision()
    taken_back = {each.key for each in life.followers(life.grants) if each.is_granted} - ordered.grants
    turned = list(reversed(life.followers(life.grants)))
    assert advance(life.policy, life.target, life.stable, turned, life.clock) == ordered
    decided = life.decide()
    assert decided == ordered
    judge.judge(decided)
    if not decided.begins_again and not taken_back and decided.stable == judge.stable:
        again = life.decision()
        assert again == replace(decided, look_again_in=again.look_again_in), (
            f"taken, it changes: {decided}, {again}"
        )
    return decided
