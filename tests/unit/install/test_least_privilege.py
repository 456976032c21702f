"""What the shipped rights must never have, whatever the operator comes to do."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.cluster.webhooks import shipped
from tests.install.overlays import FOLDER
from tests.install.rights import Right, granted

RBAC = shipped("rbac.yaml")
OWN_SECRET = "model-operator-webhook-cert"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
STORES = {"create", "delete"}
FORBIDDEN_GROUPS = {
    "apiextensions.k8s.io",
    "authentication.k8s.io",
    "certificates.k8s.io",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
}
FORBIDDEN_RESOURCES = {"configmaps", "namespaces", "nodes", "serviceaccounts", "persistentvolumes"}
LABELS_OF_NAMESPACES = {Right("", "namespaces", verb) for verb in ("list", "watch")}
"""A template may be shared by them."""
FORBIDDEN_VERBS = {"bind", "escalate", "impersonate", "deletecollection", "approve", "sign"}


def forbidden(right: Right) -> bool:
    """Whether a right is one that the operator must not have."""
    resource, _, subresource = right.resource.partition("/")
    return (
        right.group in FORBIDDEN_GROUPS
        or right.verb in FORBIDDEN_VERBS
        or (right.group == "" and resource in FORBIDDEN_RESOURCES and right not in LABELS_OF_NAMESPACES)
        or (
            right.group == ""
            and resource == "pods"
            and (right.verb not in {"create", "list"} or bool(subresource))
        )
        or (right.group == "" and resource == "secrets" and right.name != OWN_SECRET)
        # What people write is read; only its status is written. Revisions are stored and deleted only.
        or (
            right.group == "modeloperator.dev"
            and not subresource
            and right.verb in WRITES - (STORES if resource.endswith("templaterevisions") else set())
        )
        or (right.group == "admissionregistration.k8s.io" and right.name != "model-operator")
    )


def test_what_the_operator_may_never_do() -> None:
    assert [str(right) for right in sorted(granted(RBAC)) if forbidden(right)] == []


def test_secrets_are_a_matter_of_its_own_namespace() -> None:
    for obj in RBAC:
        resources = {resource for rule in obj.get("rules", []) for resource in rule["resources"]}
        if resources & {"secrets", "leases"}:
            assert (obj["kind"], obj["metadata"]["namespace"]) == ("Role", "model-operator")


@pytest.mark.parametrize(
    "rule",
    [
        {"resources": ["secrets"], "verbs": ["list"]},
        {"resources": ["secrets"], "verbs": ["create"]},
        {"resources": ["secrets"], "verbs": ["get"], "resourceNames": ["another"]},
        {"resources": ["pods/exec"], "verbs": ["create"]},
        {"resources": ["pods"], "verbs": ["delete"]},
        {"resources": ["configmaps"], "verbs": ["get"]},
        {"resources": ["namespaces"], "verbs": ["get"]},
        {"resources": ["namespaces"], "verbs": ["patch"]},
        {"resources": ["serviceaccounts/token"], "verbs": ["create"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["get"]},
        {"apiGroups": ["modeloperator.dev"], "resources": ["modelinstances"], "verbs": ["patch"]},
        {"apiGroups": ["modeloperator.dev"], "resources": ["modeltemplates"], "verbs": ["delete"]},
        {"apiGroups": ["modeloperator.dev"], "resources": ["modeltemplaterevisions"], "verbs": ["patch"]},
        {"resources": ["users"], "verbs": ["impersonate"]},
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations"],
            "verbs": ["patch"],
        },
    ],
)
def test_such_a_right_would_be_found(rule: dict[str, Any]) -> None:
    (right,) = granted([{"kind": "ClusterRole", "rules": [{"apiGroups": [""], **rule}]}])
    assert forbidden(right)


def test_operator_of_one_namespace_has_nothing_of_the_cluster() -> None:
    text = (FOLDER / "single-namespace" / "operator" / "rbac.yaml").read_text()
    roles = [obj for obj in yaml.safe_load_all(text) if obj]
    assert {obj["kind"] for obj in roles} == {"Role", "RoleBinding"}
    rights = granted(roles)
    assert [str(right) for right in sorted(rights) if forbidden(right)] == []
    touched = {right.resource.partition("/")[0] for right in rights}
    assert not touched & {
        "secrets",
        "clustermodeltemplates",
        "clustermodeltemplaterevisions",
        "mutatingwebhookconfigurations",
    }
    patches = yaml.safe_load((FOLDER / "single-namespace" / "operator" / "kustomization.yaml").read_text())[
        "patches"
    ]
    removed = [patch["target"]["kind"] for patch in patches if "$patch: delete" in patch.get("patch", "")]
    assert any("ClusterRole" in kind for kind in removed)


def test_gateway_reads_what_it_lists_and_reviews_callers() -> None:
    """Nothing else: the REST API writes with the key of its caller."""
    text = (FOLDER.parent / "gateway" / "rbac.yaml").read_text()
    account, role, binding = (obj for obj in yaml.safe_load_all(text) if obj)
    assert {str(right) for right in granted([role])} == {
        "list modelinstances.modeloperator.dev",
        "watch modelinstances.modeloperator.dev",
        "list modeltemplates.modeloperator.dev",
        "watch modeltemplates.modeloperator.dev",
        "list clustermodeltemplates.modeloperator.dev",
        "watch clustermodeltemplates.modeloperator.dev",
        "list namespaces",
        "watch namespaces",
        "list endpointslices.discovery.k8s.io",
        "watch endpointslices.discovery.k8s.io",
        "create tokenreviews.authentication.k8s.io",
        "create subjectaccessreviews.authorization.k8s.io",
    }
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert {**subject, "kind": account["kind"]} == {
        "kind": "ServiceAccount",
        **{name: account["metadata"][name] for name in ("name", "namespace")},
    }


def test_only_the_gateway_lets_people_call_models() -> None:
    text = (FOLDER.parent / "gateway" / "people.yaml").read_text()
    executing, client = [obj for obj in yaml.safe_load_all(text) if obj]
    executes = "create modelinstances/execute.modeloperator.dev"
    assert [str(right) for right in granted([executing])] == [executes]
    assert executing["metadata"]["labels"] == {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}
    # A program that uses the REST API decides nothing of what runs, and no built-in role contains more by it.
    assert "labels" not in client["metadata"]
    instances = {f"{verb} modelinstances" for verb in ("get", "list", "create", "update", "delete")}
    rights = {str(right).removesuffix(".modeloperator.dev") for right in granted([client])}
    assert rights - {executes.removesuffix(".modeloperator.dev")} == {
        *instances,
        "get modeltemplates",
        "list modeltemplates",
    }
    shipped_alone = {right.resource for right in granted(shipped("people.yaml"))}
    assert "modelinstances/execute" not in shipped_alone


def test_confinement_is_about_every_right_to_write() -> None:
    """A right to write that is added to rbac.yaml takes a rule in confinement.yaml, or a reason here."""
    (confinement,) = [
        obj for obj in shipped("confinement.yaml") if obj["kind"] == "ValidatingAdmissionPolicy"
    ]
    matched = {
        (group, resource, operation)
        for rule in confinement["spec"]["matchConstraints"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for operation in rule["operations"]
    }
    operations = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE", "delete": "DELETE"}
    written = {
        (right.group, right.resource, operations[right.verb])
        for right in granted(RBAC)
        if right.verb in operations and right.group != "modeloperator.dev"
    }
    # RBAC binds it to the one name.
    written.remove(("coordination.k8s.io", "leases", "UPDATE"))
    assert written <= matched
    assert ("modeloperator.dev", "*/*", "*") in matched


def test_confinement_is_bound_to_whom_the_rights_are_given() -> None:
    policy, binding = shipped("confinement.yaml")
    (subjects,) = [obj for obj in RBAC if obj["kind"] == "ClusterRoleBinding"]
    assert f"{subjects['apiVersion']}.{subjects['kind']}" == ".".join(policy["spec"]["paramKind"].values())
    assert binding["spec"]["paramRef"]["name"] == subjects["metadata"]["name"]
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["validationActions"] == ["Deny"]
    assert policy["spec"]["failurePolicy"] == "Fail"
