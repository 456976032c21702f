"""What the gateway reads: the endpoints of our Services, and how the workers that run are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.waiting import wait_for
from tests.examples.objects import deploy_held, instance, start_pods, template

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object

pytestmark = pytest.mark.usefixtures("operator")


def slices(api: KubeApi, service: str) -> list[Object]:
    """Give the slices of a Service that have a ready endpoint."""
    found = api.list("EndpointSlice", labels=f"kubernetes.io/service-name={service}")
    return [
        each
        for each in found
        if any(endpoint["conditions"].get("ready") for endpoint in each["endpoints"] or ())
    ]


def serving(api: KubeApi, name: str = "minilm") -> dict[str, Any]:
    """Give how the first deployment is called."""
    (first, *_) = api.get("ModelInstance", name)["status"]["deployments"]
    found: dict[str, Any] = first["serving"]
    return found


@pytest.mark.parametrize("service", [{}, {"headless": True}, {"type": "NodePort"}], ids=str)
def test_endpoints_have_the_labels_of_their_service_and_it_as_owner(
    api: KubeApi, service: dict[str, Any]
) -> None:
    obj = template()
    obj["spec"]["service"] = service
    api.apply(obj)
    api.apply(instance(deployments=[{"name": "a"}, {"name": "b", "traffic_weight": 10}]))

    for entry in ("a", "b"):
        name = f"minilm-{entry}"
        (found,) = wait_for(lambda name=name: slices(api, name))  # type: ignore[misc]
        labels = found["metadata"]["labels"]
        assert labels["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
        assert labels["app.kubernetes.io/managed-by"] == "model-operator"
        assert labels["modeloperator.dev/instance"] == "minilm"
        assert labels["modeloperator.dev/deployment"] == name
        (owner,) = found["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("Service", name)
        assert owner["uid"] == api.get("Service", name)["metadata"]["uid"]
        assert owner["controller"]
        assert [port["name"] for port in found["ports"]] == ["http"]
        assert {endpoint["targetRef"]["kind"] for endpoint in found["endpoints"]} == {"Pod"}
    assert serving(api)["port"] == "http"


def test_workers_are_called_as_before_until_the_new_ones_are_rolled_out(api: KubeApi) -> None:
    deploy_held(api)
    before = serving(api)
    assert before["protocol"] == "SGP"
    bundle = {"tag": "v2", "predict_route": "/v2", "args": ["--served-model-name", "bge"]}

    api.patch(
        "ModelTemplate",
        "encoder",
        {"spec": {"endpoint_protocol": "OPENAI", "vendor_configuration": {"bundle_config": bundle}}},
    )

    api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="Deploying")
    wait_for(lambda: len(api.list("Pod", labels="modeloperator.dev/instance=minilm")) == 2)
    assert serving(api) == before
    start_pods(api)
    after = serving(api)
    assert (after["protocol"], after["predict_route"], after["model"]) == ("OPENAI", "/v2", "bge")
    assert after["apis"] == ["EXECUTE", "TYPED", "EMBEDDINGS", "EMBED"]


def test_weight_changes_no_pods(api: KubeApi) -> None:
    api.apply(template())
    api.apply(instance(deployments=[{"name": "a"}]))
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    deployment = api.get("Deployment", "minilm-a")

    changed = api.apply(instance(deployments=[{"name": "a", "traffic_weight": 5}]))

    generation = changed["metadata"]["generation"]
    wait_for(lambda: api.get("ModelInstance", "minilm")["status"]["observedGeneration"] == generation)
    assert (
        api.get("Deployment", "minilm-a")["metadata"]["resourceVersion"]
        == (deployment["metadata"]["resourceVersion"])
    )
