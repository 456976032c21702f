"""Ready is never said too early nor taken back without need, judged by every version of the instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.kube_api import KubeApi
from tests.cluster.waiting import wait_for
from tests.examples.objects import (
    INSTANCE,
    TEMPLATE,
    container,
    deploy,
    edit_bundle,
    held,
    instance,
    ready,
    start_pods,
    template,
)
from tests.fixtures.cluster import PrivateOperator

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object, Objects

CHILDREN = ("Deployment", "Service")


@pytest.mark.usefixtures("operator")
def test_neither_scaling_nor_an_annotation_on_the_deployment_takes_ready_back(api: KubeApi) -> None:
    start = deploy(api)["metadata"]["resourceVersion"]
    for replicas in (3, 2):
        api.patch("ModelInstance", "minilm", {"spec": {"replicas": replicas}}, subresource="scale")
        wait_for(lambda: api.get("ModelInstance", "minilm")["status"]["ready_replicas"] == replicas)  # noqa: B023
    api.patch("Deployment", "minilm", {"metadata": {"annotations": {"example.com/note": "look"}}})
    wait_for(lambda: _is_observed(api.get("Deployment", "minilm")))
    # What the operator is told later it looks at later.
    api.apply(instance("witness"))
    api.wait_for_condition("ModelInstance", "witness", "Ready")

    versions = api.versions("ModelInstance", "minilm", start)

    assert {version["spec"].get("replicas") for version in versions} == {3, 2}
    assert {version["status"]["ready_replicas"] for version in versions} >= {1, 3, 2}
    assert [ready(version) for version in versions if ready(version)["status"] != "True"] == []


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("strategy", ["RollingUpdate", "Recreate"])
def test_a_new_revision_and_the_way_back_are_ready_only_when_rolled_out(api: KubeApi, strategy: str) -> None:
    given = held(template())
    given["spec"]["strategy"] = {"type": strategy}
    api.apply(given)
    api.apply(instance(replicas=2))
    start = start_pods(api)["metadata"]["resourceVersion"]
    for tag in ("v2", "v1"):
        generation = edit_bundle(api, tag=tag)["metadata"]["generation"]
        start_pods(api)
        wait_for(lambda: _is_rolled_out(api.get("ModelInstance", "minilm"), generation))  # noqa: B023
        assert container(api.get("Deployment", "minilm"))["image"].endswith(f":{tag}")

    instances, deployments = (api.versions(kind, "minilm", start) for kind in ("ModelInstance", "Deployment"))

    for generation, tag in ((2, "v2"), (3, "v1")):
        told = [one for one in instances if one["status"]["template"]["generation"] == generation]
        assert {ready(one)["status"] for one in told} == {"False", "True"}
        for one in told:
            if ready(one)["status"] == "True":
                deployment = _as_it_was(deployments, one)
                assert _is_complete(deployment), f"Ready with {deployment['status']}"
                assert container(deployment)["image"].endswith(f":{tag}")


@pytest.mark.usefixtures("operator")
def test_workers_that_a_quota_refuses_are_told_though_the_others_serve(api: KubeApi) -> None:
    deploy(api)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods"}}
    api.create({**quota, "spec": {"hard": {"pods": "1"}}})
    wait_for(lambda: api.get("ResourceQuota", "pods").get("status", {}).get("used", {}).get("pods") == "1")
    api.patch("ModelInstance", "minilm", {"spec": {"replicas": 3}}, subresource="scale")

    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="PodsRejected")

    assert "exceeded quota" in ready(obj)["message"]
    assert api.condition("ModelInstance", "minilm", "Available")["status"] == "True"
    assert api.condition("ModelInstance", "minilm", "Stalled") == {}
    api.delete("ResourceQuota", "pods")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", deadline=90)


@pytest.mark.usefixtures("operator")
def test_entry_renamed_to_a_name_that_is_taken_leaves_what_serves(api: KubeApi, namespace: str) -> None:
    api.apply(TEMPLATE)
    api.apply(instance(deployments=[{"name": "a"}]))
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    ours = f"http://minilm-a.{namespace}.svc"
    users = api.create(
        """
        apiVersion: v1
        kind: Service
        metadata: {name: minilm-b}
        spec: {selector: {app: other}, ports: [{port: 80}]}
        """
    )
    start = api.apply(instance(deployments=[{"name": "b"}]))["metadata"]["resourceVersion"]

    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="NameConflict")

    assert "Service minilm-b" in ready(obj)["message"]
    assert api.condition("ModelInstance", "minilm", "Available")["status"] == "True"
    for kind in CHILDREN:
        assert "deletionTimestamp" not in api.get(kind, "minilm-a")["metadata"]
    assert api.find("Deployment", "minilm-b") is None
    assert api.get("Service", "minilm-b")["spec"] == users["spec"]
    assert [entry.get("url") for entry in obj["status"]["deployments"]] == [None, ours]
    assert {version["status"]["url"] for version in api.versions("ModelInstance", "minilm", start)} == {ours}

    api.delete("Service", "minilm-b")
    for kind in CHILDREN:
        api.wait_until_gone(kind, "minilm-a", deadline=90)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    wait_for(
        lambda: api.get("ModelInstance", "minilm")["status"]["url"] == f"http://minilm-b.{namespace}.svc"
    )


@pytest.mark.usefixtures("operator")
def test_paused_deployment_is_resumed(api: KubeApi) -> None:
    deploy(api)
    api.patch("Deployment", "minilm", {"spec": {"paused": True}}, manager="kubectl-rollout")
    wait_for(lambda: not api.get("Deployment", "minilm")["spec"].get("paused"))
    edit_bundle(api, tag="v2")
    wait_for(lambda: container(api.get("Deployment", "minilm"))["image"].endswith(":v2"))
    wait_for(lambda: _is_complete(api.get("Deployment", "minilm")))
    api.wait_for_condition("ModelInstance", "minilm", "Ready")


def test_children_orphaned_while_the_operator_was_down_are_adopted(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    deploy(private_api)
    before = {kind: private_api.get(kind, "minilm")["metadata"]["uid"] for kind in CHILDREN}
    pods = _pods(private_api)
    operator.stop()
    private_api.delete("ModelInstance", "minilm", propagation="Orphan")
    private_api.wait_until_gone("ModelInstance", "minilm")
    for kind in CHILDREN:
        wait_for(lambda: "ownerReferences" not in private_api.get(kind, "minilm")["metadata"])  # noqa: B023
    uid = private_api.apply(INSTANCE)["metadata"]["uid"]

    private_operator()

    private_api.wait_for_condition("ModelInstance", "minilm", "Ready")
    for kind in CHILDREN:
        metadata = private_api.get(kind, "minilm")["metadata"]
        assert metadata["uid"] == before[kind]
        assert [(owner["uid"], owner["controller"]) for owner in metadata["ownerReferences"]] == [(uid, True)]
    assert _pods(private_api) == pods, "nothing was restarted"


def _is_observed(deployment: Object) -> bool:
    observed: int = deployment["status"].get("observedGeneration", 0)
    generation: int = deployment["metadata"]["generation"]
    return observed >= generation


def _is_complete(deployment: Object) -> bool:
    """Tell what ``kubectl rollout status`` would."""
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    counts = [status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas")]
    return _is_observed(deployment) and all(count == wanted for count in counts)


def _is_rolled_out(obj: Object, generation: int) -> bool:
    told = (obj["status"]["template"]["generation"], ready(obj)["status"])
    return told == (generation, "True")


def _as_it_was(versions: Objects, other: Object) -> Object:
    """Give the version of an object that was there when another object got its version."""
    return max((one for one in versions if _version(one) < _version(other)), key=_version)


def _version(obj: Object) -> int:
    # The API server counts the versions of all kinds in one row.
    return int(obj["metadata"]["resourceVersion"])


def _pods(api: KubeApi) -> set[str]:
    return {pod["metadata"]["uid"] for pod in api.list("Pod")}
