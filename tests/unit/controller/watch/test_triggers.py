"""Who is looked at when an object changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from model_operator.controller.queue import WorkQueue
from model_operator.controller.scope import Key
from model_operator.kube.object_cache import Object
from tests.unit.controller.objects import broken, child, hash_of, instance, revision, template
from tests.unit.controller.world import KINDS, World


class RecordingQueue(WorkQueue[Key]):
    """Notes what is added."""

    def __init__(self) -> None:
        super().__init__()
        self.added: list[str] = []

    def add(self, key: Key, delay: float = 0, *, low_priority: bool = False) -> None:
        later = " later" if delay else " patiently" if low_priority else ""
        self.added.append(f"{key.kind}/{key.namespace}/{key.name}{later}")


class Watched(World):
    """A world whose objects change; `added` is what was added to the queue since it was last read."""

    def __init__(self, *excluded: str, namespaces: tuple[str, ...] = (), is_storing: bool = False) -> None:
        self.recorded = RecordingQueue()
        super().__init__(queue=self.recorded, namespaces=namespaces, excluded=excluded, is_storing=is_storing)

    def see(self, obj: dict[str, Any], event: str | None = "MODIFIED") -> list[str]:
        """Return who is to be looked at after an event; each is named once, as in the queue."""
        # What the API server sends in a list has no kind.
        sent = {field: value for field, value in obj.items() if field != "kind"}
        self.triggers.observe(KINDS[obj["kind"]], event, sent)
        return self.added()

    def added(self) -> list[str]:
        added = list(dict.fromkeys(self.recorded.added))
        self.recorded.added.clear()
        return added


DEMO = "ModelInstance/team/demo"
EMBED = "ModelTemplate/team/embed"


def test_an_instance_is_looked_at_when_it_changes_and_not_when_nothing_is_new() -> None:
    world = Watched()
    demo = instance("demo")

    assert world.see(demo, "ADDED") == [DEMO]
    assert world.see(demo, None) == []
    assert world.see(instance("demo")) == [DEMO]


def test_what_the_operator_wrote_itself_is_recognised_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Watched()
    written, newer = child("demo", owner=instance("demo")), child("demo", owner=instance("demo"))
    cache = world.state.children["Deployment"]
    cache.put(written)
    read: list[str] = []
    form = cache.form

    def recording(obj: dict[str, Any]) -> dict[str, Any]:
        read.append(obj["metadata"]["name"])
        return form(obj)

    monkeypatch.setattr(cache, "form", recording)

    assert world.see(written) == world.see(written, "ADDED") == world.see(written, None) == []
    assert read == []
    assert world.see(newer) == [DEMO]
    assert read == ["demo"], "once is enough"
    assert world.see(written) == [], "an older version"
    assert world.see(newer, "DELETED") == [DEMO], "the version that is cached, as a resync has it"
    assert cache.get("team", "demo") is None


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "PodDisruptionBudget"])
def test_what_an_autoscaler_measures_wakes_nobody(kind: str) -> None:
    world = Watched()
    demo = instance("demo")
    world.see(demo, "ADDED")
    assert world.see(child("demo", owner=demo, kind=kind), "ADDED") == [DEMO]

    assert world.see({**child("demo", owner=demo, kind=kind), "status": {"currentReplicas": 2}}) == []
    assert world.see({**child("demo", owner=demo, kind=kind), "spec": {"maxReplicas": 9}}) == [DEMO]
    assert world.see(child("demo", owner=demo, kind=kind), "DELETED") == [DEMO]


def test_an_autoscaler_that_can_no_longer_measure_wakes_its_instance() -> None:
    world = Watched()
    demo = instance("demo")
    world.see(demo, "ADDED")
    kind = "HorizontalPodAutoscaler"
    world.see(child("demo", owner=demo, kind=kind), "ADDED")

    def seen(status: str, message: str) -> list[str]:
        active = {"type": "ScalingActive", "status": status, "reason": "ForATest", "message": message}
        return world.see({**child("demo", owner=demo, kind=kind), "status": {"conditions": [active]}})

    assert seen("False", "no metrics") == [f"{DEMO} patiently"]
    assert seen("False", "no metrics at all") == []
    assert seen("True", "metrics") == [f"{DEMO} patiently"]


def test_what_a_child_says_of_itself_wakes_its_instance_after_those_with_more_to_do() -> None:
    world = Watched()
    demo = instance("demo")
    world.see(demo, "ADDED")
    before = {**child("demo", owner=demo), "status": {"replicas": 1}}
    assert world.see(before, "ADDED") == [DEMO]

    assert world.see({**child("demo", owner=demo), "status": {"replicas": 2}}) == [f"{DEMO} patiently"]
    edited = {**child("demo", owner=demo), "status": {"replicas": 2}, "spec": {"replicas": 5}}
    assert world.see(edited) == [DEMO]
    assert world.see(child("demo", owner=demo), "DELETED") == [DEMO]


def test_a_deleted_instance_has_its_template_count_anew() -> None:
    world = Watched()
    world.see(template("embed"))
    world.see(instance("demo", bound="t1"))

    assert world.see(instance("demo", bound="t1"), "DELETED") == [DEMO, f"{EMBED} later"]
    assert world.state.instances.get("team", "demo") is None


def test_an_instance_that_was_replaced_unnoticed_has_its_template_count_anew() -> None:
    world = Watched()
    world.see(template("embed"))
    world.see(instance("demo", bound="t1"))

    assert world.see(instance("demo", uid="i2", template_id="another"), None) == [DEMO, f"{EMBED} later"]


def test_a_status_that_was_written_without_an_answer_has_the_templates_count_anew() -> None:
    world = Watched()
    world.see(template("embed"))
    world.see(instance("demo"))

    assert world.see(instance("demo", bound="t1")) == [DEMO, f"{EMBED} later"]
    assert world.see(instance("demo", bound="t1")) == [DEMO]
    assert world.see(instance("demo")) == [DEMO, f"{EMBED} later"]


def test_a_template_wakes_its_instances_when_it_comes_changes_and_goes() -> None:
    world = Watched()
    world.see(instance("demo"))

    assert world.see(template("embed")) == [EMBED, DEMO]
    assert world.see(template("embed", generation=2)) == [EMBED, DEMO]
    assert world.see(template("embed", generation=2), "DELETED") == [DEMO]


def test_an_edit_wakes_instances_once_its_revision_is_stored() -> None:
    world = Watched(is_storing=True)
    world.see(instance("demo"))
    world.see(instance("pinned", uid="i2"))
    assert world.see(template("embed")) == [EMBED, DEMO, "ModelInstance/team/pinned"]
    assert world.see(revision(template("embed"))) == [EMBED, DEMO, "ModelInstance/team/pinned"]

    edited = template("embed", generation=2, status={"latest_revision": hash_of(template("embed"))})
    assert world.see(edited) == [EMBED]
    stored = revision(edited, 2)
    assert world.see(stored) == [EMBED, DEMO, "ModelInstance/team/pinned"]
    assert world.see(stored, None) == []
    assert world.see(broken(generation=3, status={"latest_revision": hash_of(edited)})) == [EMBED]


def test_another_stable_revision_wakes_those_that_name_it_in_a_deployment_too() -> None:
    world = Watched(is_storing=True)
    whole, entry = instance("whole", uid="i2"), instance("entry", uid="i3")
    whole["spec"]["model_template_revision"] = "stable"
    entry["spec"] |= {
        "model_template_revision": "b" * 12,
        "deployments": [{"model_template_revision": "stable"}],
    }
    for each in (template("embed"), revision(template("embed")), instance("demo"), whole, entry):
        world.see(each)
    naming = {"ModelInstance/team/whole", "ModelInstance/team/entry"}

    status = {"stable_revision": "a" * 12}
    assert set(world.see(template("embed", status=status))) == {EMBED, *naming}
    assert world.see(template("embed", status=status)) == [EMBED]


def test_a_revision_wakes_those_that_are_pinned_to_it() -> None:
    world = Watched(is_storing=True)
    pinned = instance("pinned", uid="i2")
    pinned["spec"]["model_template_revision"] = hash_of(template("embed", generation=7))
    entry = instance("entry", uid="i3")
    entry["spec"]["deployments"] = [{"model_template_revision": pinned["spec"]["model_template_revision"]}]
    waiting = instance("waiting", uid="i4", bound="t1")
    waiting["status"]["template"]["revision"] = pinned["spec"]["model_template_revision"]
    for each in (template("embed"), revision(template("embed")), instance("demo"), pinned, entry, waiting):
        world.see(each)
    wanted = revision(template("embed", generation=7))

    # One that runs it while it waits, too: it has none until then.
    concerned = {f"ModelInstance/team/{name}" for name in ("pinned", "entry", "waiting")}
    assert set(world.see(wanted, "ADDED")) == {EMBED, *concerned}
    wanted["metadata"]["resourceVersion"] = revision(template("embed"))["metadata"]["resourceVersion"]
    assert set(world.see(wanted, "DELETED")) == {EMBED, *concerned}
    # Of no template.
    assert world.see(revision(template("other")), "ADDED") == []


def test_a_templates_own_status_wakes_no_instance() -> None:
    world = Watched()
    world.see(instance("demo"))
    world.see(template("embed"))

    assert world.see(template("embed", status={"instance_count": 1})) == [EMBED]


def test_a_template_of_the_cluster_wakes_instances_everywhere() -> None:
    world = Watched()
    world.see(instance("demo"))
    world.see(instance("demo", namespace="other", uid="i2"))

    assert world.see(template("embed", namespace="")) == [
        "ClusterModelTemplate//embed",
        "ModelInstance/other/demo",
        DEMO,
    ]


def test_a_template_that_was_made_anew_unseen_wakes_its_instances() -> None:
    world = Watched()
    world.see(template("embed", uid="t1"))
    world.see(instance("demo"))
    world.see(instance("bound", uid="i2", template_id="t1", bound="t1"))
    before = world.state.by_uid("t1")

    told = world.see(template("embed", uid="t2"), None)

    # Both are of generation 1, and the deletion in between was never announced.
    assert set(told) == {EMBED, DEMO, "ModelInstance/team/bound"}
    assert before is not None
    assert world.state.by_uid("t1") is None


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED", "DELETED"])
def test_a_child_wakes_its_instance(event: str) -> None:
    world = Watched()
    demo = instance("demo")
    if event == "DELETED":
        world.see(child("demo-a", owner=demo))

    assert world.see(child("demo-a", owner=demo), event) == [DEMO]


def test_an_orphan_wakes_the_instance_of_its_label() -> None:
    assert Watched().see(child("demo-a", label="demo")) == [DEMO]


def test_a_child_wakes_its_instance_when_somebody_removes_what_tells_whose_it_is() -> None:
    world = Watched()
    world.see(child("demo", owner=instance("demo"), label="demo"))

    assert world.see(child("demo")) == [DEMO]


def test_a_child_of_nobody_wakes_nobody() -> None:
    assert Watched().see(child("stray")) == []


def test_a_late_event_wakes_nobody() -> None:
    world = Watched()
    older, newer = instance("demo"), instance("demo")
    world.see(newer)

    assert world.see(older) == []


def test_an_object_is_reduced_to_what_is_kept_once() -> None:
    """Its bounds are checked there, which takes most of the time of an event."""
    world = World()
    reduced: list[str] = []

    def counted(form: Callable[[Object], Object]) -> Callable[[Object], Object]:
        def reduce(obj: Object) -> Object:
            reduced.append(obj["kind"])
            return form(obj)

        return reduce

    for cache in (world.state.instances, world.state.children["Deployment"]):
        cache.form = counted(cache.form)
    owner = instance("demo")

    world.triggers.observe(KINDS["ModelInstance"], "ADDED", owner)
    world.triggers.observe(KINDS["Deployment"], "ADDED", child("demo", owner=owner))

    assert reduced == ["ModelInstance", "Deployment"]
    assert world.state.children["Deployment"].get("team", "demo") is not None


def test_cached_objects_have_their_kind() -> None:
    world = Watched()
    world.see(instance("demo"))

    cached = world.state.instances.get("team", "demo")

    assert cached is not None
    assert (cached["apiVersion"], cached["kind"]) == ("modeloperator.dev/v1alpha1", "ModelInstance")


def test_looking_at_everything() -> None:
    world = Watched()
    world.see(instance("demo"))
    world.see(template("embed"))
    world.see(template("embed", namespace="", uid="t2"))
    world.see(child("demo"))

    world.triggers.enqueue_all()

    assert set(world.added()) == {EMBED, "ClusterModelTemplate//embed", DEMO}


def test_what_instances_that_are_gone_have_left_is_looked_at_with_the_rest() -> None:
    world = Watched()
    world.see(child("demo", owner=instance("demo")))
    world.see(child("free", label="free"))
    world.added()

    world.triggers.enqueue_all()

    assert set(world.added()) == {DEMO, "ModelInstance/team/free"}


def test_excluded_namespaces_are_left_alone() -> None:
    world = Watched("kube-*", "other")

    assert world.see(instance("demo", namespace="kube-system")) == []
    assert world.see(instance("demo", namespace="other", uid="i2")) == []
    assert world.see(instance("demo", uid="i3")) == [DEMO]
    assert len(world.state.instances) == 1


def test_what_is_cluster_scoped_is_in_no_excluded_namespace() -> None:
    assert Watched("*").see(template("embed", namespace="")) == ["ClusterModelTemplate//embed"]


def test_an_operator_for_some_namespaces_leaves_the_others_alone() -> None:
    world = Watched(namespaces=("team",))

    assert world.see(instance("demo", namespace="other", uid="i2")) == []
    assert world.see(instance("demo")) == [DEMO]


def test_an_operator_for_some_namespaces_says_nothing_about_templates_of_the_cluster() -> None:
    world = Watched(namespaces=("team",))
    world.see(instance("demo", bound="t2"))

    # It cannot count all of their instances; its own it looks at.
    assert world.see(template("embed", namespace="", uid="t2")) == [DEMO]
    world.triggers.update_template_counts("t2")
    assert world.added() == []
    world.triggers.enqueue_all()
    assert world.added() == [DEMO]


def test_recounting_an_unknown_template() -> None:
    world = Watched()

    world.triggers.update_template_counts("t9")
    world.triggers.update_template_counts(None)

    assert world.added() == []


def test_an_instance_in_another_step_or_without_workers_is_counted_anew() -> None:
    world = Watched()
    world.see(template("embed"))
    demo = instance("demo", bound="t1")
    world.see(demo)
    labelled = instance("demo", bound="t1")
    labelled["metadata"]["labels"] = {"tier": "canary"}
    assert world.see(labelled) == [DEMO, f"{EMBED} later"]

    leaving = instance("demo", bound="t1")
    leaving["metadata"] |= {"labels": {"tier": "canary"}, "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert world.see(leaving) == [DEMO, f"{EMBED} later"]

    one = {**child("demo", owner=demo), "spec": {"replicas": 1}}
    assert world.see(one) == [f"{EMBED} later", DEMO]
    assert world.see({**child("demo", owner=demo), "spec": {"replicas": 2}}) == [DEMO]
    assert world.see({**child("demo", owner=demo), "spec": {"replicas": 0}}) == [f"{EMBED} later", DEMO]


class DelayQueue(WorkQueue[Key]):
    """Notes the delays."""

    def __init__(self) -> None:
        super().__init__()
        self.delays: list[float] = []

    def add(self, key: Key, delay: float = 0, *, low_priority: bool = False) -> None:
        del key, low_priority
        self.delays.append(delay)


@pytest.mark.parametrize(
    ("rollout", "state", "expected"),
    [
        ({}, "ROLLING_OUT", 0.2),
        ({}, None, 0.2),
        ({}, "COMPLETE", 1.0),
        (None, "ROLLING_OUT", 1.0),
    ],
)
def test_a_decision_in_steps_follows_soon(rollout: Any, state: str | None, expected: float) -> None:
    world = World(queue=(queue := DelayQueue()))
    obj = template("embed", status={"rollout": {"state": state}} if state else {})
    obj["spec"] |= {} if rollout is None else {"rollout": rollout}
    world.cache(obj)
    world.triggers.update_template_counts("t1")
    world.triggers.requeue_template_after(obj, 42)
    assert queue.delays == [expected, 42]


@pytest.mark.parametrize(
    ("rollout", "count", "expected"),
    [(None, 1, 1.0005), (None, 1000, 1.5), (None, 100_000, 10.0), ({}, 1000, 0.3), ({}, 100_000, 2.0)],
)
def test_the_more_instances_are_counted_the_less_often(
    monkeypatch: pytest.MonkeyPatch, rollout: Any, count: int, expected: float
) -> None:
    world = World(queue=(queue := DelayQueue()))
    obj = template("embed")
    obj["spec"] |= {} if rollout is None else {"rollout": rollout}
    world.cache(obj)
    monkeypatch.setattr(world.state.instances, "count", lambda *_: count)

    world.triggers.update_template_counts("t1")

    assert queue.delays == [pytest.approx(expected)]


def test_the_instances_that_are_bound_to_the_template_are_counted() -> None:
    world = World(queue=(queue := DelayQueue()))
    for obj in (template("embed"), *(instance(name, uid=name, bound="t1") for name in ("one", "two"))):
        world.cache(obj)
    world.cache(instance("other", uid="other", bound="t2"))

    world.triggers.update_template_counts("t1")

    assert queue.delays == [pytest.approx(1.001)]


def shared_with(*names: str, **fields: Any) -> dict[str, Any]:
    """Return a version of the template `embed` of the namespace `platform`, shared with these namespaces."""
    obj = template("embed", namespace="platform", **fields)
    if names:
        obj["spec"]["allowed_namespaces"] = {"from": "Selected", "names": list(names)}
    return obj


def user(name: str, namespace: str, uid: str, bound: str | None = None) -> dict[str, Any]:
    """Return a version of an instance that names the namespace `platform`."""
    obj = instance(name, namespace=namespace, uid=uid, bound=bound)
    obj["spec"]["model_template_namespace"] = "platform"
    return obj


def test_a_grant_and_its_withdrawal_wake_the_instances_that_they_concern() -> None:
    world = Watched()
    for one in (user("a", "team-a", "i1", "t1"), user("b", "team-b", "i2"), user("c", "team-c", "i3")):
        world.see(one, "ADDED")
    world.see(instance("own", namespace="platform", uid="i4"), "ADDED")
    world.see(instance("unrelated", namespace="team-b", uid="i5"), "ADDED")
    world.see(shared_with("team-a"), "ADDED")
    platform = "ModelTemplate/platform/embed"

    assert world.see(shared_with("team-a", "team-b")) == [platform, "ModelInstance/team-b/b"]
    assert world.see(shared_with("team-b")) == [platform, "ModelInstance/team-a/a"]
    assert world.see(shared_with("team-b", "nowhere")) == [platform]


def test_an_edit_of_a_template_wakes_no_instance_that_it_is_not_shared_with() -> None:
    world = Watched()
    for one in (user("bound", "team-a", "i1", "t1"), user("guess", "team-b", "i2")):
        world.see(one, "ADDED")
    world.see(instance("by-id", namespace="team-b", uid="i3", template_id="t1"), "ADDED")

    added = world.see(shared_with(), "ADDED")
    edited = world.see(shared_with(generation=2))
    deleted = world.see(shared_with(generation=3), "DELETED")

    bound, platform = "ModelInstance/team-a/bound", "ModelTemplate/platform/embed"
    assert (added, edited, deleted) == ([platform, bound], [platform, bound], [bound])
