"""The policies on templates, models and GPUs refuse what they say, and nothing else, on a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.kube_api import KubeApiError
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kube_api import KubeApi, Object

POLICIES = REPOSITORY / "manifests" / "policies"
PREFIX = "policy.modeloperator.dev/"


@pytest.fixture
def policies(api: KubeApi) -> Iterator[KubeApi]:
    """Apply all policies, and wait until the API server enforces them."""
    listed = yaml.safe_load((POLICIES / "kustomization.yaml").read_text())["resources"]
    objects: list[Object] = [
        obj for name in listed for obj in yaml.safe_load_all((POLICIES / name).read_text())
    ]
    assert sorted(path.name for path in POLICIES.glob("*.yaml")) == sorted([*listed, "kustomization.yaml"])
    for obj in objects:
        api.apply(obj)
    yield api
    for obj in objects:
        api.delete(obj["kind"], obj["metadata"]["name"])


@pytest.fixture
def shared(api: KubeApi) -> Iterator[str]:
    """Give the name of a cluster template with two GPUs a worker."""
    name = f"shared-{api.namespace[-8:]}"
    obj = {**template(name), "kind": "ClusterModelTemplate"}
    endpoint = obj["spec"]["vendor_configuration"].setdefault("endpoint_config", {})
    endpoint |= {"gpus": 2, "gpu_type": "nvidia-l4", "max_workers": 2}
    api.apply(obj)
    yield name
    api.delete("ClusterModelTemplate", name)


def annotate(api: KubeApi, kind: str, name: str, **values: str | None) -> None:
    named = {f"{PREFIX}{key.replace('_', '-')}": value for key, value in values.items()}
    api.patch(kind, name, {"metadata": {"annotations": named}})


def refusal(api: KubeApi, obj: Object) -> str:
    """Return the message of the refusal of an object, empty if it is accepted."""
    try:
        api.create(obj, dry_run=True)
    except KubeApiError as error:
        if error.reason != "Forbidden":
            raise
        return error.message
    return ""


def model(template: str, **spec: Any) -> Object:
    return instance("chat", model_template_id=template, model_template_kind="ClusterModelTemplate", **spec)


def test_a_namespace_uses_only_its_templates(policies: KubeApi, shared: str) -> None:
    api = policies
    other = instance("chat", model_template_id=shared)
    assert not refusal(api, other)
    api.create({**other, "metadata": {"name": "before"}})

    annotate(api, "Namespace", api.namespace, templates="tei-embedding, vllm-chat")
    wait_for(lambda: refusal(api, model(shared)), message="the policy is enforced")
    assert "this namespace may use tei-embedding, vllm-chat; ask the cluster" in refusal(api, model(shared))
    assert "must be ClusterModelTemplate in this namespace" in refusal(api, instance("chat"))
    assert not refusal(api, model("vllm-chat"))

    # What runs goes on, and may change in all else.
    api.patch("ModelInstance", "before", {"spec": {"description": "still here"}})
    with pytest.raises(KubeApiError, match="this namespace may use"):
        api.patch("ModelInstance", "before", {"spec": {"model_template_kind": "ClusterModelTemplate"}})

    annotate(api, "Namespace", api.namespace, templates="")
    wait_for(lambda: "may use no template" in refusal(api, model(shared)), message="none is allowed")


@pytest.mark.usefixtures("operator")
def test_a_template_has_no_more_models_than_its_limit(policies: KubeApi, shared: str) -> None:
    api = policies
    api.patch("ClusterModelTemplate", shared, {"metadata": {"labels": {f"{PREFIX}limited": "true"}}})
    wait_for(lambda: "is no number" in refusal(api, model(shared)), message="a limit without a number")
    annotate(api, "ClusterModelTemplate", shared, max_instances="1")
    wait_for(lambda: not refusal(api, model(shared)), message="the first may be created")
    api.create(model(shared))
    other = {**model(shared), "metadata": {"name": "second"}}
    wait_for(lambda: refusal(api, other), message="the second may not")
    assert f"the cluster may have 1 models of ClusterModelTemplate {shared}, and has 1" in refusal(api, other)
    assert not refusal(api, {**model("elsewhere"), "metadata": {"name": "second"}})
    api.patch("ModelInstance", "chat", {"spec": {"description": "counted already"}})
    api.delete("ModelInstance", "chat")
    wait_for(lambda: not refusal(api, other), message="its place is free")


def test_a_model_has_no_more_gpus_than_its_namespace_allows(policies: KubeApi, shared: str) -> None:
    api = policies
    annotate(api, "Namespace", api.namespace, max_gpus_of_a_model="4")
    too_many = model(shared, vendor_configuration={"max_workers": 3})
    wait_for(lambda: refusal(api, too_many), message="the policy is enforced")
    assert "may have 4 GPUs, and this one 3 workers with 2 each" in refusal(api, too_many)
    assert not refusal(api, model(shared))
    assert refusal(api, model(shared, replicas=3))
    assert not refusal(api, model(shared, deployments=[]))
    assert refusal(api, model(shared, deployments=[{"name": "a"}, {"name": "b"}]))
    one = {"max_workers": 1}
    few = [{"name": "a", "vendor_configuration": one}, {"name": "b", "vendor_configuration": one}]
    assert not refusal(api, model(shared, deployments=few))
    annotate(api, "Namespace", api.namespace, max_gpus_of_a_model="some")
    wait_for(lambda: "is no number" in refusal(api, model(shared)), message="a limit that is none")
