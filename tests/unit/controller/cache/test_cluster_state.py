"""What the caches tell about who belongs to whom."""

from __future__ import annotations

from typing import Any

from model_operator.api import TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState, bound_template, instance_of_child
from tests.unit.controller.objects import child, instance, template


def test_children_are_those_that_the_instance_controls() -> None:
    state = ClusterState()
    demo = instance("demo")
    state.children["Deployment"].put(child("demo", owner=demo))
    state.children["Service"].put(child("demo", owner=demo, kind="Service"))
    state.children["Deployment"].put(child("other", owner=instance("other", uid="i2")))
    state.children["Deployment"].put(child("orphan", label="demo"))

    found = state.children_of("team", "i1")

    assert [(one["kind"], one["metadata"]["name"]) for one in found] == [
        ("Deployment", "demo"),
        ("Service", "demo"),
    ]


def test_instances_of_a_template_of_the_namespace() -> None:
    state = ClusterState()
    for one in (
        instance("by-name", uid="i1"),
        instance("by-id", uid="i2", template_id="t1"),
        instance("bound", uid="i3", template_id="another", bound="t1"),
        instance("elsewhere", namespace="other", uid="i4"),
        instance("another", uid="i5", template_id="another"),
    ):
        state.instances.put(one)

    found = set(state.instances_of(template("embed")))

    assert found == {("team", "by-name"), ("team", "by-id"), ("team", "bound")}


def test_instances_of_a_template_of_the_cluster_are_everywhere() -> None:
    state = ClusterState()
    state.instances.put(instance("demo"))
    state.instances.put(instance("demo", namespace="other", uid="i2"))

    found = set(state.instances_of(template("embed", namespace="")))

    assert found == {("team", "demo"), ("other", "demo")}


def test_templates_by_name_and_uid() -> None:
    state = ClusterState()
    state.templates[TemplateKind.MODEL_TEMPLATE].put(template("embed"))
    state.templates[TemplateKind.CLUSTER_MODEL_TEMPLATE].put(template("embed", namespace="", uid="t2"))

    local = state.by_name(TemplateKind.MODEL_TEMPLATE, "team", "embed")
    of_cluster = state.by_name(TemplateKind.CLUSTER_MODEL_TEMPLATE, "team", "embed")

    assert local is not None
    assert of_cluster is not None
    assert (local.resource.metadata.uid, of_cluster.resource.metadata.uid) == ("t1", "t2")
    assert (state.by_uid("t1"), state.by_uid("t2")) == (local, of_cluster)
    assert state.by_name(TemplateKind.MODEL_TEMPLATE, "other", "embed") is None
    assert state.by_uid("t3") is None


def test_a_template_is_compiled_once_for_each_generation() -> None:
    state = ClusterState()
    templates = state.templates[TemplateKind.MODEL_TEMPLATE]

    def look() -> object:
        return state.by_uid("t1")

    templates.put(template("embed"))
    first = look()
    templates.put(template("embed", status={"instance_count": 1}))
    after_status = look()
    templates.put(template("embed", generation=2))
    edited = look()
    state.forget_template("t1")
    forgotten = look()

    assert first is after_status
    assert first is not edited
    assert edited is not forgotten


def test_the_instance_of_a_child() -> None:
    assert instance_of_child(child("demo-a", owner=instance("demo"))) == ("team", "demo")
    assert instance_of_child(child("demo-a", label="demo")) == ("team", "demo")
    assert instance_of_child(child("demo-a")) is None
    # The controller knows better than a label that somebody edited.
    assert instance_of_child(child("demo-a", owner=instance("demo"), label="other")) == ("team", "demo")


def test_bound_template() -> None:
    assert bound_template(instance("demo", bound="t1")["status"]) == "t1"
    assert bound_template(instance("demo")["status"]) is None
    assert bound_template({"template": None}) is None
    assert bound_template(None) is None


def foreign_to(demo: dict[str, Any], name: str, **changes: Any) -> dict[str, Any]:
    """Return a Deployment that refers to an instance's uid, and is not that instance's all the same."""
    obj = child(name, owner=demo, label="demo")
    references = [{**obj["metadata"]["ownerReferences"][0], **changes.pop("owner", {})}]
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": references, **changes}}


def test_an_owner_counts_only_in_its_own_namespace_and_with_our_kind() -> None:
    state = ClusterState()
    demo = instance("demo")
    strangers = (
        foreign_to(demo, "elsewhere", namespace="other"),
        foreign_to(demo, "group", owner={"apiVersion": "example.com/v1"}),
        foreign_to(demo, "kind", owner={"kind": "ModelTemplate"}),
        foreign_to(demo, "no-controller", owner={"controller": False}),
    )
    for one in strangers:
        state.children["Deployment"].put(one)
    own = foreign_to(demo, "later-version", owner={"apiVersion": "modeloperator.dev/v1"})
    state.children["Deployment"].put(own)

    assert state.children_of("team", "i1") == [own]
    assert state.children_of_kind("Deployment", "team", "i1") == [own]
    assert state.children_of_kind("Service", "team", "i1") == []


def test_a_template_of_a_namespace_counts_no_instance_of_another() -> None:
    state = ClusterState()
    state.instances.put(instance("own", uid="i1", bound="t1"))
    state.instances.put(instance("elsewhere", namespace="other", uid="i2", bound="t1"))

    assert state.count_instances(template("embed")).instances == 1
    assert state.count_instances(template("embed", namespace="")).instances == 2
