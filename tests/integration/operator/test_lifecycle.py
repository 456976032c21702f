"""Deletion, recreation and restarts of the operator: nothing is lost, and nothing is written twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.waiting import wait_for
from tests.examples.objects import (
    INSTANCE,
    TEMPLATE,
    container,
    deploy,
    edit_bundle,
    environment,
    instance,
    ready,
)
from tests.fixtures.cluster import PrivateOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATOR_USER = "system:serviceaccount:model-operator:model-operator"
CHILDREN = ("Deployment", "Service")


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_deleted_instance_takes_its_children_along(api: KubeApi, propagation: str) -> None:
    deploy(api)
    api.delete("ModelInstance", "minilm", propagation=propagation)
    for kind in ("ModelInstance", *CHILDREN):
        api.wait_until_gone(kind, "minilm")


@pytest.mark.usefixtures("operator")
def test_orphaned_children_are_adopted_by_the_next_instance_of_the_name(api: KubeApi) -> None:
    deploy(api)
    before = {kind: api.get(kind, "minilm")["metadata"]["uid"] for kind in CHILDREN}
    api.delete("ModelInstance", "minilm", propagation="Orphan")
    api.wait_until_gone("ModelInstance", "minilm")
    for kind in CHILDREN:
        _wait_until_orphaned(api, kind)
    uid = api.apply(INSTANCE)["metadata"]["uid"]
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    for kind in CHILDREN:
        metadata = api.get(kind, "minilm")["metadata"]
        assert metadata["uid"] == before[kind]
        assert metadata["ownerReferences"][0]["uid"] == uid


@pytest.mark.usefixtures("operator")
def test_namesake_waits_until_the_old_children_are_gone(api: KubeApi) -> None:
    deploy(api)
    hold = {"metadata": {"finalizers": ["example.com/hold"]}}
    old = api.patch("Deployment", "minilm", hold)["metadata"]["uid"]
    api.delete("ModelInstance", "minilm")
    wait_for(lambda: api.get("Deployment", "minilm")["metadata"].get("deletionTimestamp"))
    uid = api.apply(INSTANCE)["metadata"]["uid"]
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="Deploying")
    wait_for(lambda: "still being deleted" in str(api.get("ModelInstance", "minilm")["status"]))
    assert all(condition["type"] != "Stalled" for condition in obj["status"]["conditions"])
    api.patch("Deployment", "minilm", {"metadata": {"finalizers": None}})
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    for kind in CHILDREN:
        assert api.get(kind, "minilm")["metadata"]["ownerReferences"][0]["uid"] == uid
    assert api.get("Deployment", "minilm")["metadata"]["uid"] != old


@pytest.mark.usefixtures("operator")
def test_instance_that_is_being_deleted_is_left_alone(api: KubeApi) -> None:
    held = instance()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    api.apply(TEMPLATE)
    api.apply(held)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    api.delete("ModelInstance", "minilm", propagation="Background")
    wait_for(lambda: ready(api.get("ModelInstance", "minilm"))["reason"] == "Terminating")
    api.delete("Service", "minilm")
    edit_bundle(api, tag="v2")
    api.wait_for_condition("ModelTemplate", "encoder", "Ready")
    assert api.find("Service", "minilm") is None
    assert container(api.get("Deployment", "minilm"))["image"] == "registry.test/encoder:v1"
    api.patch("ModelInstance", "minilm", {"metadata": {"finalizers": None}})
    api.wait_until_gone("ModelInstance", "minilm")


@pytest.mark.parametrize("propagation", ["Background", "Foreground", "Orphan"])
def test_deletion_while_the_operator_is_down(
    private_api: KubeApi, private_operator: PrivateOperator, propagation: str
) -> None:
    operator = private_operator()
    deploy(private_api)
    operator.stop()
    private_api.delete("ModelInstance", "minilm", propagation=propagation)
    private_api.wait_until_gone("ModelInstance", "minilm")
    private_operator()
    if propagation == "Orphan":
        private_api.apply(instance("witness"))
        private_api.wait_for_condition("ModelInstance", "witness", "Ready")
        assert private_api.find("Deployment", "minilm")
    else:
        for kind in CHILDREN:
            private_api.wait_until_gone(kind, "minilm")


def test_changes_made_while_the_operator_was_down_are_caught_up(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    deploy(private_api)
    operator.kill()
    private_api.delete("Service", "minilm")
    edit_bundle(private_api, tag="v2")
    private_api.apply(instance("second"))
    private_operator()
    wait_for(lambda: container(private_api.get("Deployment", "minilm"))["image"].endswith(":v2"))
    wait_for(lambda: private_api.find("Service", "minilm"))
    for name in ("minilm", "second"):
        private_api.wait_for_condition("ModelInstance", name, "Ready")


def test_restart_on_a_converged_namespace_writes_nothing_and_one_write_heals_one_difference(
    control_plane: ControlPlane, private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    deploy(private_api)
    autoscaled = {"name": "b", "vendor_configuration": {"max_workers": 3}}
    private_api.apply(instance("second", deployments=[{"name": "a"}, autoscaled]))
    private_api.wait_for_condition("ModelInstance", "second", "Ready")
    # There is nothing that measures; the autoscaler says so after the roll-out.
    private_api.wait_for_condition("ModelInstance", "second", "Autoscaling", status="False")
    wait_for(lambda: private_api.get("ModelTemplate", "encoder")["status"]["updated_instance_count"] == 2)
    operator.stop()

    before = len(list(_writes(control_plane, private_api)))
    operator = private_operator()
    wait_for(lambda: "caches are filled" in operator.log.read_text(), message="the operator has started")
    # A new instance is reconciled after everything that was there before it.
    private_api.apply(instance("witness"))
    private_api.wait_for_condition("ModelInstance", "witness", "Ready")
    writes = list(_writes(control_plane, private_api))[before:]
    # Its events are named after it.
    others = {
        (write["resource"], write["name"]) for write in writes if write["name"].split(".")[0] != "witness"
    }
    # The template counts the newcomer.
    assert others <= {("modeltemplates/status", "encoder")}
    operator.stop()

    private_api.delete("ModelInstance", "witness")
    private_api.delete("ModelInstance", "second")
    for name in ("witness", "second-a", "second-b"):
        private_api.wait_until_gone("Deployment", name)
    generation = edit_bundle(private_api, env={"LOG_LEVEL": None})["metadata"]["generation"]
    before = len(list(_writes(control_plane, private_api)))
    private_operator()
    # By then the operator has its answers, before each of which the audit log has its line.
    wait_for(
        lambda: private_api.get("ModelInstance", "minilm")["status"]["template"]["generation"] == generation
    )
    private_api.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert "LOG_LEVEL" not in environment(private_api.get("Deployment", "minilm"))
    applied = [
        (write["resource"], write["name"])
        for write in list(_writes(control_plane, private_api))[before:]
        if not write["resource"].endswith("/status") and write["resource"] != "events"
    ]
    revision = private_api.get("ModelTemplate", "encoder")["status"]["latest_revision"]
    assert applied == [("modeltemplaterevisions", f"encoder-{revision}"), ("deployments", "minilm")]


def _writes(control_plane: ControlPlane, api: KubeApi) -> Iterator[dict[str, Any]]:
    """Give the operator's writes in the namespace, so far; dry-runs write nothing."""
    for event in control_plane.audit_events():
        is_write = "dryRun=All" not in event["query"]
        if is_write and event["user"] == OPERATOR_USER and event["namespace"] == api.namespace:
            yield event


def _wait_until_orphaned(api: KubeApi, kind: str) -> None:
    wait_for(lambda: "ownerReferences" not in api.get(kind, "minilm")["metadata"])
