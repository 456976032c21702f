"""The decisions of roll-outs from the caches: what they read, whom they wake, what a pause waits for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from model_operator.api import RolloutState, TemplateKind
from model_operator.controller.reconcile import followers
from model_operator.controller.reconcile.rollout_courses import Decision, RolloutCourses
from model_operator.controller.reconcile.status_pace import StatusPace
from model_operator.core.objects.template_annotation import with_template_revision
from model_operator.core.rollouts.course import Course
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.reading import read_follower
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_instance
from tests.unit.controller.fake_scheduler import FakeScheduler
from tests.unit.controller.objects import child, hash_of, instance, revision, template
from tests.unit.controller.world import World

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, NEW = template("embed"), template("embed", generation=2)
READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
NAMES = ("a", "b", "c", "d")


class Rolling(World):
    """Four instances at the first revision of a template, whose second one rolls out in steps."""

    def __init__(self, steps: Any = None) -> None:
        super().__init__(is_storing=True)
        self.scheduler = FakeScheduler()
        self.courses = RolloutCourses(self.state, self.scheduler, lambda: NOW)
        self.cache(revision(OLD, 1))
        self.cache(revision(NEW, 2))
        for name in NAMES:
            self.have(name)
        self.edit({} if steps is None else steps, stable_revision=hash_of(OLD))

    def edit(self, steps: Any, generation: int = 2, **status: Any) -> None:
        obj = template("embed", generation=generation, status=status)
        obj["spec"]["vendor_configuration"]["bundle_config"]["tag"] = "v2"
        if steps is not None:
            obj["spec"]["rollout"] = steps
        self.cache(obj)

    def have(self, name: str, of: Any = OLD, uid: str | None = None, spec: Any = None, **more: Any) -> Any:
        """Have an instance that is Ready at a revision, and its Deployment."""
        obj = instance(name, uid=uid or f"uid-{name}", bound="t1")
        obj["metadata"] |= {"generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"} | more
        obj["spec"] |= spec or {}
        obj["status"] |= {"observedGeneration": 1, "conditions": [READY]}
        obj["status"]["template"]["revision"] = hash_of(of)
        self.cache(obj)
        deployment = child(name, owner=obj) | {"spec": {"replicas": 1}}
        self.cache(with_template_revision(deployment, hash_of(of)))
        return obj

    @property
    def template(self) -> CompiledTemplate:
        found = self.state.by_uid("t1")
        assert found is not None
        return found

    def decide(self) -> Decision:
        found = self.courses.decide(self.template)
        assert found is not None
        return found

    def woken(self) -> list[str]:
        found = sorted(name for _, name, delay in self.scheduler.delayed if delay == 0)
        self.scheduler.delayed.clear()
        return found

    def course(self, name: str = "a", **spec: Any) -> Course | None:
        obj = instance(name)
        obj["spec"] |= spec
        return self.courses.course_of(parse_instance(obj)[0], self.template)


def test_those_that_may_move_are_woken_once() -> None:
    world = Rolling({"max_unavailable": 2})
    found = world.decide()
    assert found.course == Course(
        hash_of(NEW), hash_of(OLD), frozenset({FollowerKey("team", "a"), FollowerKey("team", "b")})
    )
    assert world.woken() == ["a", "b"]
    assert (found.progress.moving, found.progress.waiting, found.pinned) == (2, 2, 0)
    assert world.decide() == found
    assert world.woken() == []

    world.have("a", NEW)
    assert world.decide().course.grants == {("team", "b"), ("team", "c")}
    assert world.woken() == ["c"]


def test_a_pause_ends_the_grants_and_concerns_all_that_wait() -> None:
    world = Rolling()
    world.decide()
    world.have("a", NEW)
    world.woken()
    world.edit({"paused": True}, 3, stable_revision=hash_of(OLD))
    found = world.decide()
    assert (found.course.grants, found.course.admits_new) == (frozenset(), False)
    assert found.progress.state is RolloutState.PAUSED
    assert world.woken() == ["b", "c", "d"]

    world.edit({}, 4, stable_revision=hash_of(OLD))
    assert world.decide().course.grants == {("team", "b")}
    assert world.woken() == ["b", "c", "d"]


def test_an_instance_reads_the_decision_on_the_template_as_it_is() -> None:
    world = Rolling()
    first = world.course()
    assert first is not None
    assert (first.target, set(first.grants)) == (hash_of(NEW), {FollowerKey("team", "a")})
    assert world.woken() == ["a"], "it was decided just now"
    assert world.course() is first

    world.edit({"paused": True}, 3, stable_revision=hash_of(OLD))
    paused = world.course()
    assert paused is not None
    assert not paused.admits_new
    assert world.course(model_template_revision=hash_of(OLD)) is None

    world.edit(None, 4, stable_revision=hash_of(OLD))
    assert world.course() is None
    assert world.course(model_template_revision="stable") is not None


def test_without_a_stored_revision_there_is_no_decision() -> None:
    world = Rolling()
    for kept in world.state.revisions.of(world.template):
        world.state.revisions.caches[TemplateKind.MODEL_TEMPLATE].remove(dict(kept))
    assert world.course() is None
    assert world.courses.decide(world.template) is None
    assert world.courses.running(instance("a"), world.template) == ""


def test_what_runs_is_read_from_status_and_deployment() -> None:
    world = Rolling()
    a = world.have("a")
    assert world.courses.running(a, world.template) == hash_of(OLD)
    world.cache(with_template_revision(child("a", owner=a), hash_of(NEW)))
    assert world.courses.running(a, world.template) == hash_of(NEW)


def test_an_orphaned_deployment_says_what_runs_after_a_restore() -> None:
    world = Rolling()
    a = world.have("a")
    restored = {
        **a,
        "metadata": {**a["metadata"], "uid": "restored", "resourceVersion": "9999"},
        "status": {},
    }
    world.cache(restored)
    orphan = with_template_revision(child("a", label="a"), hash_of(OLD))
    orphan["spec"] = {
        "selector": {"matchLabels": {"modeloperator.dev/instance": "a", "modeloperator.dev/deployment": "a"}}
    }
    world.cache(orphan)
    assert world.courses.running(restored, world.template) == hash_of(OLD)

    # One of another name it will not adopt.
    world.state.children["Deployment"].remove(orphan)
    world.cache({**orphan, "metadata": {**orphan["metadata"], "name": "other", "uid": "other"}})
    assert world.courses.running(restored, world.template) == ""


@pytest.mark.parametrize("state", ["PAUSED", "HALTED"])
def test_nothing_moves_before_the_status_says_that_a_pause_or_halt_has_ended(state: str) -> None:
    world = Rolling()
    reported = {"revision": hash_of(NEW), "state": state, "started_at": "2026-01-01T09:00:00Z"}
    world.edit({}, 3, stable_revision=hash_of(OLD), rollout=reported)
    found = world.decide()
    assert found.progress.state is RolloutState.ROLLING_OUT
    assert (found.course.grants, found.course.admits_new) == (frozenset(), False)
    assert found.course.is_halted is (state == "HALTED")

    world.edit({}, 3, stable_revision=hash_of(OLD), rollout={**reported, "state": "ROLLING_OUT"})
    assert world.decide().course.grants == {("team", "a")}
    # Of another revision it says nothing.
    world.edit({}, 3, stable_revision=hash_of(OLD), rollout={**reported, "revision": hash_of(OLD)})
    assert world.decide().course.admits_new


def test_the_start_of_a_roll_out_is_remembered() -> None:
    world = Rolling()
    assert world.decide().started_at == "2026-01-01T12:00:00Z"
    reported = {"revision": hash_of(NEW), "started_at": "2026-01-01T09:00:00Z"}
    world.edit({}, 2, rollout=reported)
    assert world.decide().started_at == "2026-01-01T09:00:00Z"
    world.edit({}, 2, rollout={**reported, "revision": hash_of(OLD)})
    assert world.decide().started_at == "2026-01-01T09:00:00Z", "in memory"


def test_instances_that_were_created_later_at_an_older_revision_have_it_begin_again() -> None:
    """As after a pause: once the later time is in the status, they are like all others."""
    world = Rolling()
    reported = {"revision": hash_of(NEW), "started_at": "2026-01-01T09:00:00Z"}
    world.edit({"paused": True}, 2, stable_revision=hash_of(OLD), rollout=reported)
    world.have("later", creationTimestamp="2026-01-01T11:00:00Z")
    assert world.decide().started_at == "2026-01-01T09:00:00Z"
    world.edit({}, 3, stable_revision=hash_of(OLD), rollout=reported)
    assert world.decide().started_at == "2026-01-01T12:00:00Z"
    world.have("ahead", creationTimestamp="2026-01-01T12:00:05Z")
    again = world.decide()
    assert (again.started_at, again.progress.begins_again) == ("2026-01-01T12:00:05Z", True)

    reported["started_at"] = again.started_at
    world.edit({}, 3, stable_revision=hash_of(OLD), rollout=reported)
    assert not world.decide().progress.begins_again


def test_only_its_own_instances_take_part() -> None:
    world = Rolling()
    world.have("pinned", spec={"model_template_revision": hash_of(OLD)})
    world.have("leaving", deletionTimestamp="2026-01-01T00:00:00Z")
    other = template("other", uid="t2")
    world.cache(other)
    elsewhere = instance("elsewhere", uid="e", bound="t2", template_id="other")
    world.cache(elsewhere)
    world.cache(instance("by-uid", uid="u", template_id="t1"))
    broken = instance("broken", uid="x", bound="t1")
    world.cache({**broken, "spec": {"model_template_id": 5}})
    restored = world.have("restored")
    world.cache(
        {**restored, "metadata": {**restored["metadata"], "resourceVersion": "9999999"}, "status": {}}
    )

    found = world.decide()
    progress = found.progress
    total = progress.arrived + progress.moving + progress.failed + progress.waiting
    assert (total, found.pinned) == (len(NAMES) + 3, 1)


def test_a_stable_revision_that_is_not_stored_is_none_to_run() -> None:
    world = Rolling()
    world.edit({"paused": True}, 2, stable_revision="0" * 12)
    assert world.decide().course.stable == ""


def test_nothing_moves_while_a_template_cannot_be_read() -> None:
    world = Rolling()
    obj = template("embed", generation=3, status={"stable_revision": hash_of(OLD)})
    world.cache({**obj, "spec": {"model_type": 5}})
    course = world.course()
    assert course is not None
    assert (course.admits_new, course.grants) == (False, frozenset())


async def test_a_pause_waits_for_the_moves_in_progress() -> None:
    world = Rolling()
    target, a = world.decide().course.target, world.state.instances.get("team", "a")
    new = world.state.revisions.by_hash(world.template, target)
    assert a is not None
    assert new is not None
    with world.courses.moving(a, new), world.courses.moving(a, new):
        waiting = asyncio.create_task(world.courses.settle("t1"))
        await asyncio.sleep(0)
        assert world.courses.is_moving("t1")
        assert not waiting.done()
    await asyncio.wait_for(waiting, 5)
    assert not world.courses.is_moving("t1")

    # Neither is one that stays, or has it already.
    old = world.state.revisions.by_hash(world.template, hash_of(OLD))
    moved = world.have("b", NEW)
    for obj, revised in ((a, old), (a, None), (moved, new)):
        with world.courses.moving(obj, revised):
            assert not world.courses.is_moving("t1")


def test_a_deleted_template_is_forgotten() -> None:
    world = Rolling()
    world.decide()
    world.state.forget_template("t1")
    assert world.courses.course_of(parse_instance(instance("a"))[0], world.template) is not None
    templates = world.state.templates[TemplateKind.MODEL_TEMPLATE]
    templates.remove(templates.by_uid("t1") or {})
    world.state.forget_template("t1")
    assert world.courses._decisions == {}


@pytest.mark.parametrize(
    ("patch", "stepped", "expected"),
    [
        pytest.param({"rollout": {}}, True, 0.75, id="progress"),
        pytest.param({"rollout": {}}, False, 0, id="all at once"),
        pytest.param({}, True, 0, id="nothing"),
        pytest.param({"observedGeneration": 3, "rollout": {}}, True, 0, id="an edit"),
        pytest.param({"latest_revision": "x"}, True, 0, id="a revision"),
    ],
)
def test_progress_is_written_once_a_second(patch: Any, stepped: bool, expected: float) -> None:
    times = iter([10.0, 10.25, 10.25, 11.0])
    pace = StatusPace(lambda: next(times))
    world = Rolling()
    world.edit({} if stepped else None, 3)
    decision = world.decide()
    pace.was_written("t1")
    assert pace.wait("t1", patch, decision) == expected
    assert pace.wait("t2", patch, decision) == 0
    pace.forget("t1")
    assert pace.wait("t1", patch, decision) == 0
    assert pace.wait("t1", patch, None) == 0


def test_only_what_has_changed_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world, read = Rolling(), list[str]()

    def counted(instance: Any, *more: Any) -> Follower:
        read.append(instance["metadata"]["name"])
        return read_follower(instance, *more)

    monkeypatch.setattr(followers, "read_follower", counted)
    world.decide()
    assert sorted(read) == sorted(NAMES)
    read.clear()
    world.decide()
    assert read == []
    a = world.have("a", NEW)
    world.decide()
    assert read == ["a"]
    b = world.state.instances.get("team", "b")
    world.cache(with_template_revision(child("b", owner=b), hash_of(NEW)))
    world.cache(with_template_revision(child("a-2", owner=a), hash_of(NEW)))
    read.clear()
    world.decide()
    assert sorted(read) == ["a", "b"]
    world.state.instances.remove(world.state.instances.get("team", "a") or {})
    read.clear()
    found = world.decide().progress
    assert (read, found.arrived + found.moving + found.waiting) == ([], 3)
