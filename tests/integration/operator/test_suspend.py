"""Suspended instances, and workers of an instance beside its deployments, on a control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.waiting import wait_for
from tests.examples.objects import edit_bundle, instance, ready, template

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi

pytestmark = pytest.mark.usefixtures("operator")

AUTOSCALER, BUDGET = "HorizontalPodAutoscaler", "PodDisruptionBudget"
BOUNDS: dict[str, Any] = {"min_workers": 2, "max_workers": 6}


def workers(api: KubeApi) -> dict[str, int]:
    return {each["metadata"]["name"]: each["spec"]["replicas"] for each in api.list("Deployment")}


def names(api: KubeApi, kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in api.list(kind)}


@pytest.mark.parametrize(
    ("spec", "before", "autoscaled"),
    [
        ({"replicas": 3}, {"minilm": 3}, set()),
        ({"vendor_configuration": BOUNDS}, {"minilm": 2}, {"minilm"}),
        (
            {"vendor_configuration": BOUNDS, "deployments": [{"name": "a"}, {"name": "b"}]},
            {"minilm-a": 2, "minilm-b": 2},
            {"minilm-a", "minilm-b"},
        ),
    ],
    ids=["fixed", "autoscaled", "several"],
)
def test_suspended_and_resumed(
    api: KubeApi, spec: dict[str, Any], before: dict[str, int], autoscaled: set[str]
) -> None:
    api.apply(template())
    api.apply(instance(**spec))
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert workers(api) == before
    wait_for(lambda: (names(api, AUTOSCALER), names(api, BUDGET)) == (autoscaled, set(before)))
    uids = {each["metadata"]["uid"] for each in api.list("Deployment")}

    api.patch("ModelInstance", "minilm", {"spec": {"suspend": True}})

    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="Suspended")
    assert ready(obj)["message"] == "spec.suspend is true; the model has no workers."
    assert (obj["status"]["replicas"], obj["status"]["url"]) == (
        0,
        f"http://{min(before)}.{api.namespace}.svc",
    )
    assert workers(api) == dict.fromkeys(before, 0)
    assert names(api, "Service") == set(before)
    wait_for(lambda: names(api, AUTOSCALER) | names(api, BUDGET) == set())
    edit_bundle(api, tag="v2")
    generation = api.get("ModelTemplate", "encoder")["metadata"]["generation"]
    wait_for(lambda: api.get("ModelInstance", "minilm")["status"]["template"]["generation"] == generation)
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="Suspended")

    api.patch("ModelInstance", "minilm", {"spec": {"suspend": None}})

    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    assert workers(api) == before
    assert {each["metadata"]["uid"] for each in api.list("Deployment")} == uids
    wait_for(lambda: (names(api, AUTOSCALER), names(api, BUDGET)) == (autoscaled, set(before)))


def test_bounds_of_the_instance_keep_its_names(api: KubeApi) -> None:
    api.apply(template())
    api.apply(instance())
    url = api.wait_for_condition("ModelInstance", "minilm", "Ready")["status"]["url"]
    uid = api.get("Service", "minilm")["metadata"]["uid"]

    api.patch("ModelInstance", "minilm", {"spec": {"vendor_configuration": BOUNDS}})

    wait_for(lambda: names(api, AUTOSCALER) == {"minilm"})
    wait_for(lambda: api.get("ModelInstance", "minilm")["status"]["ready_replicas"] == BOUNDS["min_workers"])
    assert api.get("ModelInstance", "minilm")["status"]["url"] == url
    assert api.get("Service", "minilm")["metadata"]["uid"] == uid
    assert names(api, "Deployment") == {"minilm"}
