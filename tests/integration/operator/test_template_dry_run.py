"""A template is tried on the API server: what would be refused to each instance stands on the template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.cluster import OPERATOR_USER
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.waiting import wait_for
from tests.examples.objects import TEMPLATE, deploy, edit_bundle, instance, ready, template
from tests.fixtures.cluster import PrivateOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kube_api import Object

shared = pytest.mark.usefixtures("operator")

VALID = "Instances can be made from the template."
NEXT_STEP = (
    "Action (template owner): fix the template, or create what it needs; failures that depend on the "
    "cluster are retried automatically."
)


def with_pod(spec: Object, **more: Any) -> Object:
    """Give the template with this ``pod_template.spec``; more goes into ``spec``."""
    obj = template()
    obj["spec"] |= {"pod_template": {"spec": spec}, **more}
    return obj


def model(**fields: Any) -> Object:
    """Give a pod's specification whose main container has these fields."""
    return {"containers": [{"name": "model", **fields}]}


# What is rendered, and what the server says to it.
REFUSED_EVERYWHERE: dict[str, tuple[Object, str, str]] = {
    "path outside the volume": (
        {
            **model(volumeMounts=[{"name": "cache", "mountPath": "/x", "subPath": "../x"}]),
            "volumes": [{"name": "cache", "emptyDir": {}}],
        },
        "Deployment",
        (
            "spec.template.spec.containers[0].volumeMounts.subPath: "
            "Invalid value: \"../x\": must not contain '..'"
        ),
    ),
    "wrong type": (
        {"terminationGracePeriodSeconds": "soon"},
        "Deployment",
        "spec.template.spec.terminationGracePeriodSeconds: expected numeric (int or float), got string",
    ),
    "another wrong type": (
        {"nodeSelector": {"disk": True}},
        "Deployment",
        "spec.template.spec.nodeSelector.disk: expected string, got another type",
    ),
    "unknown field": (
        {"restartpolicy": "Always"},
        "Deployment",
        "spec.template.spec.restartpolicy: field not declared in schema",
    ),
    "missing priority class": (
        {"priorityClassName": "urgent"},
        "Pod",
        "no PriorityClass with name urgent was found",
    ),
    "missing runtime class": (
        {"runtimeClassName": "gvisor"},
        "Pod",
        'pod rejected: RuntimeClass "gvisor" not found',
    ),
}
refused_everywhere = pytest.mark.parametrize(
    ("pod", "kind", "detail"), REFUSED_EVERYWHERE.values(), ids=REFUSED_EVERYWHERE.keys()
)


def refusal(kind: str, detail: str) -> str:
    """Give the whole message of the condition."""
    return f"The API server refuses the rendered {kind}: {detail}. {NEXT_STEP}"


@shared
@refused_everywhere
def test_refusal_stands_on_the_template_before_there_is_an_instance(
    api: KubeApi, pod: Object, kind: str, detail: str
) -> None:
    api.apply(with_pod(pod))
    obj = api.wait_for_condition("ModelTemplate", "encoder", "Ready", "False", reason="PodTemplateRejected")
    assert ready(obj)["message"] == refusal(kind, detail)
    api.wait_for_condition("ModelTemplate", "encoder", "Stalled", reason="PodTemplateRejected")

    api.apply(TEMPLATE)
    obj = api.wait_for_condition("ModelTemplate", "encoder", "Ready")
    assert ready(obj)["message"] == VALID


@shared
@refused_everywhere
def test_cluster_template_is_tried_in_the_operator_s_namespace(
    api: KubeApi, pod: Object, kind: str, detail: str, namespace: str
) -> None:
    api.apply(cluster_template(with_pod(pod), namespace))
    try:
        obj = api.wait_for_condition(
            "ClusterModelTemplate", namespace, "Ready", "False", reason="PodTemplateRejected"
        )
        assert ready(obj)["message"] == refusal(kind, detail)
    finally:
        api.delete("ClusterModelTemplate", namespace)


PRIVILEGED = model(securityContext={"privileged": True, "allowPrivilegeEscalation": True})


@shared
@pytest.mark.parametrize(
    "pod", [PRIVILEGED, {"serviceAccountName": "trainer"}], ids=["privileged", "account"]
)
def test_what_only_the_operator_s_namespace_refuses_says_nothing_about_a_cluster_template(
    api: KubeApi, pod: Object, namespace: str
) -> None:
    api.apply(cluster_template(with_pod(pod), namespace))
    try:
        obj = api.wait_for_condition("ClusterModelTemplate", namespace, "Ready")
        assert ready(obj)["message"] == VALID
    finally:
        api.delete("ClusterModelTemplate", namespace)


@shared
def test_missing_service_account_is_named_and_heals(api: KubeApi, namespace: str) -> None:
    api.apply(with_pod({"serviceAccountName": "trainer"}))
    obj = api.wait_for_condition("ModelTemplate", "encoder", "Ready", "False", reason="PodTemplateRejected")
    assert ready(obj)["message"] == (
        refusal(
            "Pod",
            f'error looking up service account {namespace}/trainer: serviceaccount "trainer" not found',
        )
    )
    api.create("{apiVersion: v1, kind: ServiceAccount, metadata: {name: trainer}}")
    api.wait_for_condition("ModelTemplate", "encoder", "Ready", deadline=60)


@shared
def test_pod_security_of_the_namespace_counts(api: KubeApi, namespace: str) -> None:
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    api.patch("Namespace", namespace, label)
    api.apply(with_pod(PRIVILEGED))
    obj = api.wait_for_condition("ModelTemplate", "encoder", "Ready", "False", reason="PodTemplateRejected")
    assert 'rendered Pod: violates PodSecurity "baseline:latest": privileged' in ready(obj)["message"]


@shared
@pytest.mark.parametrize("resource", ["count/deployments.apps", "pods"])
def test_full_quota_says_nothing_about_a_template_and_hides_nothing(api: KubeApi, resource: str) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    api.create({**quota, "spec": {"hard": {resource: "0"}}})
    wait_for(lambda: api.get("ResourceQuota", "none").get("status", {}).get("hard"))
    api.apply(TEMPLATE)
    obj = api.wait_for_condition("ModelTemplate", "encoder", "Ready")
    assert ready(obj)["message"] == VALID

    api.apply(with_pod({"serviceAccountName": "trainer"}))
    api.wait_for_condition("ModelTemplate", "encoder", "Ready", "False", reason="PodTemplateRejected")


HOST = {"hostname": "$(parameters.HOST)"}


@shared
def test_template_without_possible_examples_is_valid_and_says_so(api: KubeApi) -> None:
    schema: Object = {"required": ["HOST"], "properties": {"HOST": {"type": "string"}}}
    api.apply(with_pod(HOST, model_creation_parameters_schema=schema))
    obj = api.wait_for_condition("ModelTemplate", "encoder", "Ready", reason="TemplateValidUntested")
    assert ready(obj)["message"] == (
        f"{VALID} Not checked by a dry run: no example for parameter HOST; add `examples`."
    )

    schema["properties"]["HOST"]["examples"] = ["Not a Host"]
    api.apply(with_pod(HOST, model_creation_parameters_schema=schema))
    obj = api.wait_for_condition("ModelTemplate", "encoder", "Ready", "False", reason="PodTemplateRejected")
    assert "spec.template.spec.hostname: Invalid value" in ready(obj)["message"]

    schema["properties"]["HOST"]["examples"] = ["encoder"]
    api.apply(with_pod(HOST, model_creation_parameters_schema=schema))
    obj = api.wait_for_condition("ModelTemplate", "encoder", "Ready")
    assert ready(obj)["message"] == VALID


@shared
def test_admission_policy_counts_as_a_refusal(api: KubeApi, cluster_api: KubeApi, namespace: str) -> None:
    policy, binding = team_policy(namespace)
    cluster_api.apply(policy)
    cluster_api.apply(binding)
    try:
        # The server takes a policy up some moments after it has it.
        def is_in_force() -> bool:
            edit_bundle(api, tag=f"v{len(tags)}")
            tags.append(None)
            obj = api.get("ModelTemplate", "encoder")
            return ready(obj).get("reason") == "PodTemplateRejected"

        tags: list[None] = []
        api.apply(TEMPLATE)
        wait_for(is_in_force)
        message = ready(api.get("ModelTemplate", "encoder"))["message"]
        assert message.startswith("The API server refuses the rendered Deployment: ValidatingAdmissionPolicy")
        assert "denied request: name a team. Action (template owner)" in message
    finally:
        cluster_api.delete("ValidatingAdmissionPolicyBinding", namespace)
        cluster_api.delete("ValidatingAdmissionPolicy", namespace)


def test_two_requests_for_each_generation_and_none_for_anything_else(
    control_plane: ControlPlane, private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    deploy(private_api)
    wait_for(lambda: private_api.get("ModelTemplate", "encoder")["status"]["instance_count"] == 1)
    once = [("patch", "deployments", 201), ("create", "pods", 201)]
    assert list(dry_runs(control_plane, private_api)) == once

    private_api.patch("ModelTemplate", "encoder", {"metadata": {"labels": {"team": "search"}}})
    edit_bundle(private_api, tag="v2")
    private_api.wait_for_condition("ModelTemplate", "encoder", "Ready")
    private_api.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert list(dry_runs(control_plane, private_api)) == once * 2
    assert private_api.find("Deployment", "model-operator-dry-run") is None
    operator.stop()

    # Its status says that it was accepted: a restart has nothing to ask.
    private_operator()
    private_api.apply(instance("witness"))
    private_api.wait_for_condition("ModelInstance", "witness", "Ready")
    assert list(dry_runs(control_plane, private_api)) == once * 2


@pytest.mark.parametrize(
    ("extent", "expected"), [("deployment", [("patch", "deployments", 201)]), ("off", [])]
)
def test_trying_can_be_limited(
    control_plane: ControlPlane,
    private_api: KubeApi,
    private_operator: PrivateOperator,
    monkeypatch: pytest.MonkeyPatch,
    extent: str,
    expected: list[tuple[str, str, int]],
) -> None:
    monkeypatch.setenv("MODEL_OPERATOR_TEMPLATE_DRY_RUN", extent)
    private_operator()
    private_api.apply(with_pod({"priorityClassName": "urgent"}))
    private_api.wait_for_condition("ModelTemplate", "encoder", "Ready")
    assert list(dry_runs(control_plane, private_api)) == expected


def dry_runs(control_plane: ControlPlane, api: KubeApi) -> Iterator[tuple[str, str, int]]:
    """Give verb, resource and HTTP status of the operator's dry-runs in the namespace, so far."""
    for event in control_plane.audit_events():
        is_ours = event["user"] == OPERATOR_USER and event["namespace"] == api.namespace
        if is_ours and "dryRun=All" in event["query"]:
            yield event["verb"], event["resource"], event["code"]


def cluster_template(obj: Object, name: str) -> Object:
    return {**obj, "kind": "ClusterModelTemplate", "metadata": {"name": name}}


def team_policy(namespace: str) -> tuple[Object, Object]:
    """Give a policy, and its binding, by which Deployments in the namespace need a label ``team``."""
    group = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": namespace}}
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}
    policy = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "'team' in object.metadata.labels", "message": "name a team"}],
    }
    only_here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    binding = {"policyName": namespace, "validationActions": ["Deny"], "matchResources": only_here}
    return (
        {**group, "kind": "ValidatingAdmissionPolicy", "spec": policy},
        {**group, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    )
