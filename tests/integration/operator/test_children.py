"""Children are kept as they are wanted, and nobody else's objects are touched."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from tests.cluster.kube_api import KubeApi
from tests.cluster.waiting import wait_for
from tests.examples.objects import (
    TEMPLATE,
    container,
    deploy,
    edit_bundle,
    environment,
    instance,
    ready,
    template,
)

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object

pytestmark = pytest.mark.usefixtures("operator")

USERS_SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: minilm, labels: {owner: somebody}}
spec: {selector: {app: other}, ports: [{port: 80, targetPort: 8080}]}
"""
SELECTORLESS_SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: minilm}
spec: {ports: [{name: web, port: 8443}]}
"""


def test_hand_edited_child_is_repaired(api: KubeApi) -> None:
    deploy(api)
    api.patch(
        "Deployment",
        "minilm",
        [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil:1"}],
        patch_type="json",
    )
    wait_for(lambda: container(api.get("Deployment", "minilm"))["image"] == "registry.test/encoder:v1")
    api.patch("Service", "minilm", {"spec": {"selector": {"app": "other"}}})
    wait_for(lambda: "app" not in api.get("Service", "minilm")["spec"]["selector"])
    api.wait_for_condition("ModelInstance", "minilm", "Ready")


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_deleted_child_comes_back(api: KubeApi, kind: str) -> None:
    deploy(api)
    old = api.get(kind, "minilm")["metadata"]["uid"]
    api.delete(kind, "minilm")
    wait_for(lambda: (api.find(kind, "minilm") or {"metadata": {"uid": old}})["metadata"]["uid"] != old)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")


def test_foreign_labels_and_annotations_on_a_child_survive(api: KubeApi) -> None:
    deploy(api)
    for kind in ("Deployment", "Service"):
        mark = {"metadata": {"labels": {"team": "a"}, "annotations": {"example.com/note": "keep"}}}
        api.patch(kind, "minilm", mark)
    edit_bundle(api, tag="v2")
    wait_for(lambda: container(api.get("Deployment", "minilm"))["image"] == "registry.test/encoder:v2")
    for kind in ("Deployment", "Service"):
        metadata = api.get(kind, "minilm")["metadata"]
        assert metadata["labels"]["team"] == "a"
        assert metadata["annotations"]["example.com/note"] == "keep"


def test_label_that_ties_a_child_to_us_is_put_back(api: KubeApi) -> None:
    deploy(api)
    api.patch("Service", "minilm", {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}})
    wait_for(
        lambda: (
            api.get("Service", "minilm")["metadata"]["labels"].get("app.kubernetes.io/managed-by")
            == "model-operator"
        )
    )


@pytest.mark.parametrize("service", [USERS_SERVICE, SELECTORLESS_SERVICE], ids=["selector", "selectorless"])
def test_user_s_own_service_stays_untouched_and_the_instance_heals_when_it_goes(
    api: KubeApi, service: str
) -> None:
    before = api.create(service)
    api.apply(TEMPLATE)
    api.apply(instance())
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="NameConflict")
    assert "Service minilm" in ready(obj)["message"]
    assert api.find("Deployment", "minilm") is None, "no worker is started that nobody can call"
    api.wait_for_condition("ModelInstance", "minilm", "Stalled")
    assert _without_managed_fields(api.get("Service", "minilm")) == _without_managed_fields(before)
    api.delete("Service", "minilm")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", deadline=60)


def test_other_controller_s_deployment_stays_untouched(api: KubeApi) -> None:
    before = api.create(
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: minilm}
        spec:
          replicas: 0
          selector: {matchLabels: {app: x}}
          template:
            metadata: {labels: {app: x}}
            spec: {containers: [{name: x, image: x}]}
        """
    )
    api.apply(TEMPLATE)
    api.apply(instance())
    api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="NameConflict")
    after = api.get("Deployment", "minilm")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"]
    assert api.get("Service", "minilm")["metadata"]["ownerReferences"][0]["name"] == "minilm"


def test_change_of_the_template_s_port_keeps_service_and_pods_in_step(api: KubeApi) -> None:
    deploy(api)
    edit_bundle(api, port=9000)
    wait_for(lambda: container(api.get("Deployment", "minilm"))["ports"][0]["containerPort"] == 9000)
    assert api.get("Service", "minilm")["spec"]["ports"][0]["targetPort"] == "http"
    api.wait_for_condition("ModelInstance", "minilm", "Ready")


def test_service_follows_the_template_and_keeps_what_the_cluster_assigns(api: KubeApi) -> None:
    deploy(api)
    template_spec = {
        "service": {"type": "NodePort", "annotations": {"example.com/exposed": "yes"}},
        "metadata": {"labels": {"cost-center": "42"}, "annotations": {"reloader.stakater.com/auto": "true"}},
    }
    api.patch("ModelTemplate", "encoder", {"spec": template_spec})
    wait_for(lambda: api.get("Service", "minilm")["spec"]["type"] == "NodePort")
    assert api.get("Service", "minilm")["spec"]["ports"][0]["nodePort"]
    wait_for(lambda: api.get("Deployment", "minilm")["metadata"]["labels"].get("cost-center") == "42")

    # What a person assigns stays; what the template states comes back.
    chosen = [{"op": "replace", "path": "/spec/ports/0/nodePort", "value": 31234}]
    api.patch("Service", "minilm", chosen, patch_type="json")
    api.patch("Service", "minilm", {"spec": {"externalTrafficPolicy": "Local"}})
    api.patch("Service", "minilm", {"metadata": {"annotations": {"example.com/exposed": None}}})
    api.patch("Deployment", "minilm", {"metadata": {"annotations": {"reloader.stakater.com/auto": None}}})
    wait_for(lambda: "example.com/exposed" in api.get("Service", "minilm")["metadata"]["annotations"])
    wait_for(
        lambda: "reloader.stakater.com/auto" in api.get("Deployment", "minilm")["metadata"]["annotations"]
    )
    service = api.get("Service", "minilm")
    assert service["spec"]["ports"][0]["nodePort"] == 31234
    assert service["spec"]["externalTrafficPolicy"] == "Local"
    writes = service["metadata"]["resourceVersion"]

    api.patch("ModelTemplate", "encoder", {"spec": {"metadata": {"labels": {"cost-center": "43"}}}})
    wait_for(lambda: api.get("Service", "minilm")["metadata"]["labels"]["cost-center"] == "43")
    assert int(api.get("Service", "minilm")["metadata"]["resourceVersion"]) > int(writes)
    assert api.get("Service", "minilm")["spec"]["ports"][0]["nodePort"] == 31234

    api.patch("ModelTemplate", "encoder", {"spec": {"service": None, "metadata": None}})
    wait_for(lambda: api.get("Service", "minilm")["spec"]["type"] == "ClusterIP")
    assert "nodePort" not in api.get("Service", "minilm")["spec"]["ports"][0]
    wait_for(lambda: "cost-center" not in api.get("Deployment", "minilm")["metadata"]["labels"])
    api.wait_for_condition("ModelInstance", "minilm", "Ready")


def test_headless_service_replaces_the_other_one_and_back(api: KubeApi) -> None:
    deploy(api)
    changes: tuple[dict[str, object] | None, ...] = ({"headless": True, "scheme": "grpc"}, None)
    for service in changes:
        old = api.get("Service", "minilm")["metadata"]["uid"]
        api.patch("ModelTemplate", "encoder", {"spec": {"service": service}})
        live = wait_for(functools.partial(_another_service, api, old))
        assert (live["spec"]["clusterIP"] == "None") is (service is not None)
        host = f"minilm.{api.namespace}.svc"
        url = f"grpc://{host}:5005" if service else f"http://{host}"
        wait_for(functools.partial(_has_url, api, url))
        api.wait_for_condition("ModelInstance", "minilm", "Ready")


def test_change_from_sync_to_async_removes_the_service_after_the_roll_out(api: KubeApi) -> None:
    deploy(api)
    api.patch("ModelTemplate", "encoder", {"spec": {"endpoint_type": "ASYNC"}})
    api.wait_until_gone("Service", "minilm")
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready")
    wait_for(lambda: "url" not in api.get("ModelInstance", "minilm")["status"])
    assert obj["status"]["deployment_count"] == 1
    api.patch("ModelTemplate", "encoder", {"spec": {"endpoint_type": "SYNC"}})
    wait_for(lambda: api.find("Service", "minilm"))
    wait_for(lambda: "url" in api.get("ModelInstance", "minilm")["status"])


def test_change_of_model_template_id_moves_the_same_deployment(api: KubeApi) -> None:
    uid = deploy(api)["status"]["template"]["uid"]
    deployment = api.get("Deployment", "minilm")["metadata"]["uid"]
    other = api.apply(template("other", image="other", env=None))
    api.patch("ModelInstance", "minilm", {"spec": {"model_template_id": "other"}})
    wait_for(
        lambda: (
            api.get("ModelInstance", "minilm")["status"]["template"]["uid"] == other["metadata"]["uid"] != uid
        )
    )
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    live = api.get("Deployment", "minilm")
    assert live["metadata"]["uid"] == deployment
    assert container(live)["image"] == "registry.test/other:v1"
    assert environment(live) == {"MODEL_NAME": "all-MiniLM-L6-v2"}


def test_renamed_deployment_is_replaced_without_a_gap(api: KubeApi) -> None:
    api.apply(TEMPLATE)
    api.apply(instance(deployments=[{"name": "a"}, {"name": "b"}]))
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    api.apply(instance(deployments=[{"name": "a"}, {"name": "c"}]))
    wait_for(lambda: api.find("Deployment", "minilm-c"))
    api.wait_until_gone("Deployment", "minilm-b")
    api.wait_until_gone("Service", "minilm-b")
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready")
    wait_for(lambda: api.get("ModelInstance", "minilm")["status"]["deployment_count"] == 2)
    assert [entry["name"] for entry in obj["status"]["deployments"]][:2] == ["minilm-a", "minilm-c"]


def test_empty_list_of_deployments_runs_nothing_and_leaving_it_out_runs_one(api: KubeApi) -> None:
    deploy(api)
    api.apply(instance(deployments=[]))
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="NotDeployed")
    api.wait_until_gone("Deployment", "minilm")
    api.apply(instance())
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")


def test_scale_subresource_pins_the_number_of_workers(api: KubeApi) -> None:
    deploy(api)
    api.patch("ModelInstance", "minilm", {"spec": {"replicas": 3}}, subresource="scale")
    wait_for(lambda: api.get("ModelInstance", "minilm")["status"].get("ready_replicas") == 3)
    assert api.get("Deployment", "minilm")["spec"]["replicas"] == 3
    api.patch("ModelInstance", "minilm", {"spec": {"replicas": 0}}, subresource="scale")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="ScaledToZero")


def _another_service(api: KubeApi, uid: str) -> Object | None:
    service = api.find("Service", "minilm")
    return service if service and service["metadata"]["uid"] != uid else None


def _has_url(api: KubeApi, url: str) -> bool:
    return bool(api.get("ModelInstance", "minilm")["status"].get("url") == url)


def _without_managed_fields(obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return obj | {"metadata": metadata}
