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
    from tests.cluster.kubectl import Kubectl

FLUX = "system:serviceaccount:flux-system:kustomize-controller"
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
    assert "may have 4 GPUs, and this one could have 6, those of a worker" in refusal(api, too_many)
    assert not refusal(api, model(shared))
    assert refusal(api, model(shared, replicas=3))
    assert not refusal(api, model(shared, deployments=[]))
    assert refusal(api, model(shared, deployments=[{"name": "a"}, {"name": "b"}]))
    one = {"max_workers": 1}
    few = [{"name": "a", "vendor_configuration": one}, {"name": "b", "vendor_configuration": one}]
    assert not refusal(api, model(shared, deployments=few))
    annotate(api, "Namespace", api.namespace, max_gpus_of_a_model="some")
    wait_for(lambda: "is no number" in refusal(api, model(shared)), message="a limit that is none")


def test_gpus_that_are_a_parameter_count(policies: KubeApi, api: KubeApi) -> None:
    name = f"by-parameter-{api.namespace[-8:]}"
    obj = {**template(name), "kind": "ClusterModelTemplate"}
    obj["spec"]["vendor_configuration"]["endpoint_config"] = {"gpus": "$(parameters.gpus)"}
    schema: Object = {"type": "object", "properties": {"gpus": {"type": "integer", "default": 1}}}
    obj["spec"]["model_creation_parameters_schema"] = schema
    api.apply(obj)

    def of(gpus: int | str | None, **spec: Any) -> Object:
        return model(name, model_creation_parameters={} if gpus is None else {"gpus": gpus}, **spec)

    try:
        annotate(api, "Namespace", api.namespace, max_gpus_of_a_model="2")
        wait_for(lambda: refusal(policies, of(3)), message="the policy is enforced")
        assert (
            "could have 3, those of a worker times max_workers; lower spec.model_creation_parameters.gpus"
            in (refusal(api, of(3)))
        )
        assert not refusal(api, of(None))
        assert not refusal(api, of(2))
        assert not refusal(api, of("2"))
        assert not refusal(api, of(0, replicas=9))
        assert refusal(api, of(None, replicas=3))
        assert "set spec.model_creation_parameters.gpus" in refusal(api, of("many"))
        own = [{"name": "a", "model_creation_parameters": {"gpus": 2}}, {"name": "b"}]
        assert "could have 3" in refusal(api, of(None, deployments=own))
        assert not refusal(api, of(None, deployments=[{"name": "a"}, {"name": "b"}]))
        del schema["properties"]["gpus"]["default"]
        api.apply(obj)
        wait_for(lambda: refusal(api, of(None)), message="without a default it is not known")
    finally:
        api.delete("ClusterModelTemplate", name)


def share(api: KubeApi, name: str, grant: dict[str, Any] | None) -> None:
    api.patch("ClusterModelTemplate", name, {"spec": {"allowed_namespaces": None}})
    api.patch("ClusterModelTemplate", name, {"spec": {"allowed_namespaces": grant}})


NOT_SHARED = "or it is not shared with this namespace. Action (template owner)"


def test_a_template_is_used_only_where_it_is_shared(policies: KubeApi, shared: str) -> None:
    api = policies
    api.create({**model(shared), "metadata": {"name": "before"}})
    share(api, shared, {"from": "Selected", "names": ["elsewhere", "team-?"]})
    wait_for(lambda: refusal(api, model(shared)), message="the policy is enforced")
    expected = f"There is no ClusterModelTemplate with the name or id '{shared}', {NOT_SHARED}"
    assert expected in refusal(api, model(shared))
    assert NOT_SHARED in refusal(api, model(api.get("ClusterModelTemplate", shared)["metadata"]["uid"]))
    # Another template, and none, are none of its business; nor is a name that a ModelTemplate may have.
    assert not refusal(api, model("not-there"))
    assert not refusal(api, instance("chat", model_template_id=shared))

    # What was there before may change in all else, and in its template only to one that is shared.
    api.patch("ModelInstance", "before", {"spec": {"description": "still here"}})
    api.patch("ModelInstance", "before", {"spec": {"model_template_id": "not-there"}})
    with pytest.raises(KubeApiError, match="not shared with this namespace"):
        api.patch("ModelInstance", "before", {"spec": {"model_template_id": shared}})

    share(api, shared, {"from": "Selected", "names": [f"{api.namespace[:-3]}???"]})
    wait_for(lambda: not refusal(api, model(shared)), message="a pattern fits")
    share(api, shared, {"from": "All"})
    assert not refusal(api, model(shared))


SELECTORS: list[tuple[dict[str, Any], bool]] = [
    ({"matchLabels": {"team": "a"}}, True),
    ({"matchLabels": {"team": "a", "tier": "prod"}}, False),
    ({"matchLabels": {"team": "b"}}, False),
    ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]}, True),
    ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]}, False),
    ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, False),
    ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]}, True),
    ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, True),
    ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, False),
    ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
    ({"matchLabels": {"team": "a"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
]


def test_a_selector_is_read_as_kubernetes_does(policies: KubeApi) -> None:
    api = policies
    api.patch("Namespace", api.namespace, {"metadata": {"labels": {"team": "a"}}})
    names = [f"selected-{number}-{api.namespace[-8:]}" for number in range(len(SELECTORS))]
    for name, (selector, _) in zip(names, SELECTORS, strict=True):
        obj = {**template(name), "kind": "ClusterModelTemplate"}
        obj["spec"]["allowed_namespaces"] = {"from": "Selected", "names": ["elsewhere"], "selector": selector}
        api.apply(obj)
    expected = {str(selector): fits for selector, fits in SELECTORS}

    def verdicts() -> bool:
        found = {
            str(selector): not refusal(api, model(name))
            for name, (selector, _) in zip(names, SELECTORS, strict=True)
        }
        assert found == expected
        return True

    wait_for(verdicts, message="each selector is read")
    for name in names:
        api.delete("ClusterModelTemplate", name)


def test_who_may_not_read_the_template_learns_nothing(
    policies: KubeApi, shared: str, kubectl: Kubectl
) -> None:
    api = policies
    share(api, shared, {"from": "Selected", "names": ["elsewhere"]})
    wait_for(lambda: refusal(api, model(shared)), message="the policy is enforced")
    binding = ("create", "rolebinding", "alice", "--clusterrole=admin", "--user=alice")
    kubectl("--namespace", api.namespace, *binding)
    kubectl("--namespace", api.namespace, "create", "role", "models", "--verb=create,patch,get",
            "--resource=modelinstances.modeloperator.dev")  # fmt: skip
    kubectl("--namespace", api.namespace, "create", "rolebinding", "models", "--role=models", "--user=alice")

    def says(name: str, user: str, *identity: str) -> str:
        done = kubectl(
            *("--namespace", api.namespace, "--as", user, *identity, "create", "--dry-run=server", "-f-"),
            input=yaml.safe_dump(model(name)),
            check=False,
        )
        return (done.stderr + done.stdout).replace(name, "NAME")

    wait_for(lambda: "created" in says("not-there", "alice"), message="alice may create models")
    assert says(shared, "alice") == says("not-there", "alice")
    # Where the kind must be stated, neither is admitted, and the answers are the same.
    api.patch("Namespace", api.namespace, {"metadata": {"labels": {f"{PREFIX}stated-templates": "required"}}})
    wait_for(lambda: "may not read a ClusterModelTemplate" in says(shared, "alice"), message="required")
    assert says(shared, "alice") == says("not-there", "alice")
    # A commit may hold the grant and the model.
    assert "created" in says(shared, FLUX, "--as-group", "system:masters")
    assert NOT_SHARED in says(shared, "bob", "--as-group", "system:masters")


def test_a_namespace_may_require_the_kind(policies: KubeApi, shared: str) -> None:
    api = policies
    unstated = instance("chat", model_template_id=shared)
    api.create({**unstated, "metadata": {"name": "before"}})
    api.patch("Namespace", api.namespace, {"metadata": {"labels": {f"{PREFIX}stated-templates": "required"}}})
    wait_for(lambda: refusal(api, unstated), message="the policy is enforced")
    assert "spec.model_template_kind: required in this namespace" in refusal(api, unstated)
    assert not refusal(api, model(shared))
    assert not refusal(api, instance("chat", model_template_id=shared, model_template_kind="ModelTemplate"))
    api.patch("ModelInstance", "before", {"spec": {"description": "still here"}})
