"""From an applied template and instance to a Deployment, a Service and a true status, and on from there."""

from __future__ import annotations

import pytest
import yaml

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
    template,
)

pytestmark = pytest.mark.usefixtures("operator")


def test_template_and_instance_become_a_deployment_a_service_and_a_status(
    api: KubeApi, namespace: str
) -> None:
    applied = api.apply_all(f"{TEMPLATE}---{INSTANCE}")
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")

    deployment, service = api.get("Deployment", "minilm"), api.get("Service", "minilm")
    assert container(deployment)["image"] == "registry.test/encoder:v1"
    assert environment(deployment) == {
        "BATCH_SIZE": "8",
        "LOG_LEVEL": "info",
        "MODEL_NAME": "all-MiniLM-L6-v2",
    }
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]
    for child in (deployment, service):
        assert child["metadata"]["ownerReferences"] == [
            {
                "apiVersion": "modeloperator.dev/v1alpha1",
                "kind": "ModelInstance",
                "name": "minilm",
                "uid": obj["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    status = obj["status"]
    assert status["id"] == obj["metadata"]["uid"]
    assert status["created_at"] == obj["metadata"]["creationTimestamp"]
    assert status["account_id"] == namespace
    assert status["deployment_count"] == 1
    assert status["url"] == f"http://minilm.{namespace}.svc"
    (entry,) = status["deployments"]
    assert entry.pop("pod_revision")
    assert entry.pop("serving")["apis"] == ["EXECUTE", "TYPED", "EMBEDDINGS", "EMBED"]
    assert entry == {
        "name": "minilm",
        "status": "READY",
        "created_at": api.get("Deployment", "minilm")["metadata"]["creationTimestamp"],
        "replicas": 1,
        "ready_replicas": 1,
        "url": status["url"],
    }
    assert status["template"]["uid"] == applied[0]["metadata"]["uid"]
    assert status["request_schema"]["required"] == ["texts"]
    assert status["supports_multi_turn"] is False
    types = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert types == {"Ready": "True", "Available": "True", "UpToDate": "True"}


def test_the_user_s_object_is_written_to_in_its_status_only(api: KubeApi) -> None:
    deploy(api)
    api.wait_for_condition("ModelTemplate", "encoder", "Ready")
    for kind, name in (("ModelInstance", "minilm"), ("ModelTemplate", "encoder")):
        metadata = api.get(kind, name)["metadata"]
        assert "finalizers" not in metadata
        assert "annotations" not in metadata
        managers = {(field["manager"], field.get("subresource")) for field in metadata["managedFields"]}
        assert managers == {("tests", None), ("model-operator", "status")}


def test_template_tells_that_it_is_valid_and_how_many_instances_use_it(api: KubeApi) -> None:
    deploy(api)
    obj = api.wait_for_condition("ModelTemplate", "encoder", "Ready", reason="TemplateValid")
    assert obj["status"]["id"] == obj["metadata"]["uid"]
    wait_for(
        lambda: api.get("ModelTemplate", "encoder")["status"]["instance_count"] == 1,
        message="instance_count is 1",
    )
    api.delete("ModelInstance", "minilm")
    wait_for(
        lambda: api.get("ModelTemplate", "encoder")["status"]["instance_count"] == 0,
        message="instance_count is 0",
    )


def test_template_edit_reaches_the_deployment(api: KubeApi) -> None:
    before = deploy(api)["status"]["template"]["generation"]
    edited = edit_bundle(api, tag="v2")
    wait_for(
        lambda: (
            api.get("ModelInstance", "minilm")["status"]["template"]["generation"]
            == edited["metadata"]["generation"]
            > before
        ),
        message="status.template.generation is the edited one",
    )
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert container(api.get("Deployment", "minilm"))["image"] == "registry.test/encoder:v2"


def test_parameter_edit_reaches_the_deployment_and_removal_brings_the_default_back(api: KubeApi) -> None:
    deploy(api)
    api.patch("ModelInstance", "minilm", {"spec": {"model_creation_parameters": {"BATCH_SIZE": 64}}})
    wait_for(lambda: environment(api.get("Deployment", "minilm"))["BATCH_SIZE"] == "64")
    api.patch("ModelInstance", "minilm", {"spec": {"model_creation_parameters": {"BATCH_SIZE": None}}})
    wait_for(lambda: environment(api.get("Deployment", "minilm"))["BATCH_SIZE"] == "8")
    api.wait_for_condition("ModelInstance", "minilm", "Ready")


def test_instance_may_come_before_its_template(api: KubeApi) -> None:
    api.apply(INSTANCE)
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateNotFound")
    assert obj["status"]["deployment_count"] == 0
    api.apply(TEMPLATE)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")


def test_what_serves_outlives_its_template(api: KubeApi) -> None:
    deploy(api)
    uid = api.get("Deployment", "minilm")["metadata"]["uid"]
    api.delete("ModelTemplate", "encoder")
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateNotFound")
    assert api.condition("ModelInstance", "minilm", "Available")["status"] == "True"
    assert obj["status"]["deployment_count"] == 1
    assert api.get("Deployment", "minilm")["metadata"]["uid"] == uid
    api.apply(TEMPLATE)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert api.get("Deployment", "minilm")["metadata"]["uid"] == uid


def test_instance_can_go_before_and_after_its_template(api: KubeApi) -> None:
    deploy(api)
    api.delete("ModelInstance", "minilm")
    api.delete("ModelTemplate", "encoder")
    api.wait_until_gone("Deployment", "minilm")
    deploy(api, name="second", template_name="other")
    api.delete("ModelTemplate", "other")
    api.wait_for_condition("ModelInstance", "second", "Ready", "False", reason="TemplateNotFound")
    api.delete("ModelInstance", "second")
    api.wait_until_gone("Deployment", "second")
    api.wait_until_gone("Service", "second")


def test_cluster_template_serves_every_namespace_and_never_takes_over_an_instance(
    api: KubeApi, namespace: str
) -> None:
    shared = template(f"shared-{namespace}") | {"kind": "ClusterModelTemplate"}
    try:
        api.apply(shared)
        api.apply(instance(model_template_id=shared["metadata"]["name"]))
        obj = api.wait_for_condition("ModelInstance", "minilm", "Ready")
        assert obj["status"]["template"]["kind"] == "ClusterModelTemplate"

        api.apply(template(shared["metadata"]["name"], tag="v9"))
        api.wait_for_condition("ModelTemplate", shared["metadata"]["name"], "Ready")
        api.apply(instance("newcomer", model_template_id=shared["metadata"]["name"]))
        api.wait_for_condition("ModelInstance", "newcomer", "Ready")
        assert container(api.get("Deployment", "newcomer"))["image"] == "registry.test/encoder:v9"
        assert container(api.get("Deployment", "minilm"))["image"] == "registry.test/encoder:v1"
    finally:
        api.delete("ClusterModelTemplate", shared["metadata"]["name"])


def test_template_can_be_named_by_its_id(api: KubeApi) -> None:
    uid = api.apply(TEMPLATE)["metadata"]["uid"]
    api.apply(instance(model_template_id=uid))
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert obj["status"]["template"]["name"] == "encoder"


def test_externally_hosted_model_is_ready_with_nothing_running(api: KubeApi) -> None:
    api.apply(
        """
        apiVersion: modeloperator.dev/v1alpha1
        kind: ModelInstance
        metadata: {name: claude}
        spec: {model_vendor: ANTHROPIC, model_type: CHAT_COMPLETION}
        """
    )
    obj = api.wait_for_condition("ModelInstance", "claude", "Ready", reason="ExternallyHosted")
    assert obj["status"]["deployment_count"] == 0
    assert obj["status"]["supports_multi_turn"] is True
    assert "messages" in obj["status"]["request_schema"]["properties"]
    assert api.find("Deployment", "claude") is None


def test_hundred_instances_at_once(api: KubeApi) -> None:
    api.apply(TEMPLATE)
    for number in range(100):
        api.apply(instance(f"many-{number}"))

    def all_ready() -> bool:
        reasons = [
            condition["reason"]
            for obj in api.list("ModelInstance")
            for condition in obj.get("status", {}).get("conditions", [])
            if condition["type"] == "Ready"
        ]
        return reasons == ["RolledOut"] * 100

    wait_for(all_ready, deadline=120, message="100 instances are rolled out")
    assert len(api.list("Deployment")) == len(api.list("Service")) == 100


def test_samples_are_valid_and_roll_out(api: KubeApi, samples: list[str]) -> None:
    # Only what is of the samples: cluster templates of other tests come and go meanwhile.
    objs = [obj for sample in samples for obj in yaml.safe_load_all(sample)]
    for obj in objs:
        api.apply(obj)
    for obj in objs:
        if obj["kind"] in ("ModelInstance", "ModelTemplate", "ClusterModelTemplate"):
            api.wait_for_condition(obj["kind"], obj["metadata"]["name"], "Ready", deadline=60)
