"""Objects that only claim to be an instance's: by its uid from another namespace, by another kind, by labels.

The uid of an instance is no secret: it stands in ``status.id``, and in the owner references of its children.
"""

from __future__ import annotations

import copy
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from model_operator.core.diagnosis.deployment_pods import REVISION
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.waiting import wait_for
from tests.examples.objects import (
    FAILURE,
    TEMPLATE,
    deploy,
    edit_bundle,
    instance,
    ready,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kube_api import Object

pytestmark = pytest.mark.usefixtures("operator")

HOLD = "example.com/hold"
"""Finalizer by which a stranger keeps what the garbage collector would remove."""
DONE = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "readyReplicas": 1,
    "availableReplicas": 1,
    "conditions": [
        {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": "The stranger says so.",
            "lastUpdateTime": "2026-01-01T00:00:00Z",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for kind, reason in (
            ("Progressing", "NewReplicaSetAvailable"),
            ("Available", "MinimumReplicasAvailable"),
        )
    ],
}


@pytest.fixture
def stranger(cluster_api: KubeApi) -> Iterator[KubeApi]:
    """Give a client for another namespace, which is let go of at the end."""
    for name in fresh_namespace(cluster_api, "mo-shared"):
        client = cluster_api.in_namespace(name)
        yield client
        for held in client.list("Deployment"):
            client.patch("Deployment", held["metadata"]["name"], {"metadata": {"finalizers": None}})


def forged(live: Object, namespace: str, name: str, **owner: Any) -> Object:
    """Give a copy of a Deployment, under another name and with an owner that differs in what is given."""
    metadata = live["metadata"]
    references = [{**metadata["ownerReferences"][0], **owner}]
    spec = copy.deepcopy(live["spec"])
    chosen = {**spec["selector"]["matchLabels"], "modeloperator.dev/deployment": name}
    spec["selector"]["matchLabels"] = chosen
    spec["template"]["metadata"]["labels"] |= chosen
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**metadata["labels"], "modeloperator.dev/deployment": name},
            "annotations": metadata["annotations"],
            "ownerReferences": references,
            "finalizers": [HOLD],
        },
        "spec": spec,
    }


def say_done(api: KubeApi, name: str) -> None:
    """Write the status of a Deployment that is rolled out with one worker."""
    api.patch("Deployment", name, {"status": DONE}, subresource="status")


def touch(api: KubeApi, name: str = "minilm") -> None:
    """Have an instance reconciled."""
    api.patch("ModelInstance", name, {"metadata": {"annotations": {"touched": str(time.monotonic_ns())}}})


def test_deployment_of_another_namespace_is_no_child(api: KubeApi, stranger: KubeApi) -> None:
    deploy(api)
    before = wait_for(lambda: counted(api, workers=1), message="one worker is counted")
    stranger.create(forged(api.get("Deployment", "minilm"), stranger.namespace, "minilm-more"))

    for _ in range(10):
        say_done(stranger, "minilm-more")
        touch(api)
        time.sleep(0.2)
        status = api.get("ModelInstance", "minilm")["status"]
        assert (status["deployment_count"], status["replicas"], status["ready_replicas"]) == (1, 1, 1)
        assert [entry["name"] for entry in status["deployments"]] == ["minilm"]

    assert stranger.get("Deployment", "minilm-more")["spec"] is not None
    assert api.get("ModelInstance", "minilm")["status"]["id"] == before["status"]["id"]


def counted(api: KubeApi, *, workers: int) -> Object | None:
    obj = api.get("ModelInstance", "minilm")
    return obj if obj["status"].get("ready_replicas") == workers else None


def test_replacement_in_another_namespace_has_nothing_deleted(api: KubeApi, stranger: KubeApi) -> None:
    api.apply(TEMPLATE)
    api.apply(instance(deployments=[{"name": "old"}]))
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    # Timestamps have whole seconds: what is created within the same one counts as created together.
    created = datetime.fromisoformat(api.get("Deployment", "minilm-old")["metadata"]["creationTimestamp"])
    wait_for(lambda: datetime.now(UTC) - created > timedelta(seconds=2))
    # The replacement never becomes ready.
    api.patch(
        "ModelTemplate", "encoder", {"spec": {"pod_template": {"metadata": {"labels": {FAILURE: "held"}}}}}
    )
    stranger.create(forged(api.get("Deployment", "minilm-old"), stranger.namespace, "minilm-new"))
    api.apply(instance(deployments=[{"name": "new"}]))
    wait_for(lambda: api.find("Deployment", "minilm-new"))

    for _ in range(15):
        say_done(stranger, "minilm-new")
        touch(api)
        time.sleep(0.2)
        assert not api.get("Deployment", "minilm-old")["metadata"].get("deletionTimestamp")
        assert ready(api.get("ModelInstance", "minilm"))["status"] == "False"


@pytest.mark.parametrize(
    "owner",
    [
        {"apiVersion": "example.com/v1"},
        {"kind": "ModelTemplate"},
        {"apiVersion": "v1", "kind": "ConfigMap"},
    ],
    ids=["group", "kind", "core"],
)
def test_owner_of_another_kind_is_no_owner(api: KubeApi, owner: dict[str, str]) -> None:
    deploy(api)
    api.create(forged(api.get("Deployment", "minilm"), api.namespace, "minilm-more", **owner))
    try:
        for _ in range(5):
            touch(api)
            time.sleep(0.2)
            status = api.get("ModelInstance", "minilm")["status"]
            assert [entry["name"] for entry in status["deployments"]] == ["minilm"]
            assert api.find("Deployment", "minilm-more")
    finally:
        api.patch("Deployment", "minilm-more", {"metadata": {"finalizers": None}})


def test_pod_with_our_labels_is_ignored(api: KubeApi) -> None:
    """A pod that nobody of ours owns crashes, beside a roll-out that waits for its workers."""
    deploy(api)
    api.patch(
        "ModelTemplate", "encoder", {"spec": {"pod_template": {"metadata": {"labels": {FAILURE: "held"}}}}}
    )
    edit_bundle(api, tag="v2")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", "False")
    live = api.get("Deployment", "minilm")
    present = max(api.list("ReplicaSet"), key=lambda each: int(each["metadata"]["annotations"][REVISION]))
    labels = {**live["spec"]["template"]["metadata"]["labels"], FAILURE: "image-pull"}
    for number, owner in enumerate(
        ({}, {"apiVersion": "batch/v1", "kind": "Job"}, {"apiVersion": "apps/v1", "kind": "Deployment"})
    ):
        references = [{**owner, "name": "minilm", "uid": present["metadata"]["uid"], "controller": True}]
        api.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"stray-{number}",
                    "labels": labels,
                    "finalizers": [HOLD],
                    **({"ownerReferences": references} if owner else {}),
                },
                "spec": {"containers": [{"name": "model", "image": "stranger.test/evil:1"}]},
            }
        )
    try:
        # Workers are looked at after five seconds without progress, and every few seconds from then on.
        end = time.monotonic() + 12
        while time.monotonic() < end:
            told = ready(api.get("ModelInstance", "minilm"))
            assert "stranger.test" not in told["message"]
            assert told["reason"] == "Deploying"
            time.sleep(0.3)
    finally:
        for number in range(3):
            try:
                api.patch("Pod", f"stray-{number}", {"metadata": {"finalizers": None}})
            except KubeApiError as error:
                assert error.code == 404  # noqa: PT017 -- nothing else may be wrong
