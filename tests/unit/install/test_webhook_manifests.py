"""The shipped manifests and the operator agree on paths, ports and names."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from model_operator.api import GROUP, VERSION
from model_operator.controller.webhooks.certificate import CONFIGURATION_NAME, SECRET_NAME, SERVICE_NAME
from model_operator.core.objects.kept_form import CREATED_BY_TYPE, CREATED_BY_USER
from model_operator.core.webhooks.callers import Webhook, webhook_named
from model_operator.kube.resources import CLUSTER_MODEL_TEMPLATES, MODEL_INSTANCES, MODEL_TEMPLATES
from tests.cluster.cluster import MANIFESTS, OPERATOR_NAMESPACE
from tests.cluster.webhooks import shipped
from tests.examples.reviews import FakeServer, admission

CONFIGURATIONS = [obj for obj in shipped("webhooks.yaml") if obj["kind"] != "Service"]
WEBHOOKS = [webhook for configuration in CONFIGURATIONS for webhook in configuration["webhooks"]]
KINDS = {kind.plural: kind for kind in (MODEL_INSTANCES, MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES)}


def one(kind: str, *files: str) -> dict[str, Any]:
    (found,) = [obj for obj in shipped(*files) if obj["kind"] == kind]
    return found


def purpose(webhook: dict[str, Any]) -> Webhook:
    found = webhook_named(webhook["name"])
    assert found is not None
    return found


def test_every_webhook_is_served_and_every_one_that_is_served_is_called() -> None:
    assert sorted(map(purpose, WEBHOOKS)) == sorted(admission(FakeServer()).reviewers) == sorted(Webhook)


def test_paths_of_the_overlay_for_cert_manager_are_those_without_a_token() -> None:
    text = (MANIFESTS.parent / "overlays/cert-manager/kustomization.yaml").read_text()
    patches = [yaml.safe_load(each["patch"]) for each in yaml.safe_load(text)["patches"] if "patch" in each]
    webhooks = [
        webhook for patch in patches if isinstance(patch, dict) for webhook in patch.get("webhooks", [])
    ]
    assert sorted(webhook["name"] for webhook in webhooks) == sorted(webhook["name"] for webhook in WEBHOOKS)
    for webhook in webhooks:
        assert webhook["clientConfig"] == {"service": {"path": purpose(webhook)}}


@pytest.mark.parametrize("webhook", WEBHOOKS, ids=lambda webhook: webhook["name"])
def test_webhook(webhook: dict[str, Any]) -> None:
    (rule,) = webhook["rules"]
    (plural,) = rule["resources"]

    assert webhook["failurePolicy"] == "Ignore", "nobody is locked out while no operator answers"
    assert webhook["sideEffects"] == "None"
    assert webhook["admissionReviewVersions"] == ["v1"]
    assert webhook["timeoutSeconds"] <= 5
    assert (rule["apiGroups"], rule["apiVersions"]) == ([GROUP], [VERSION])
    # The deletion of a template warns of its instances; that of an instance is never reviewed.
    is_warned_of = "templates" in webhook["name"] and purpose(webhook).startswith("/validate")
    deletes = ["DELETE"] if is_warned_of else []
    assert rule["operations"] == ["CREATE", "UPDATE", *deletes]
    assert rule["scope"] == ("Namespaced" if KINDS[plural].namespaced else "Cluster")
    # Neither `path` nor `caBundle`: what is in here would be put back with each apply.
    assert webhook["clientConfig"] == {"service": {"namespace": OPERATOR_NAMESPACE, "name": SERVICE_NAME}}
    assert purpose(webhook).split("/")[1].endswith(f"-{KINDS[plural].kind.lower()}")


def test_one_webhook_judges_an_instance_whatever_the_label() -> None:
    selectors = {
        purpose(webhook): webhook["namespaceSelector"]
        for webhook in WEBHOOKS
        if purpose(webhook).startswith("/validate-modelinstance")
    }
    label = f"{GROUP}/admission"
    assert selectors == {
        "/validate-modelinstance": {"matchExpressions": [{"key": label, "operator": "DoesNotExist"}]},
        "/validate-modelinstance/mislabelled": {
            "matchExpressions": [
                {"key": label, "operator": "Exists"},
                {"key": label, "operator": "NotIn", "values": ["deny", "warn"]},
            ]
        },
        "/validate-modelinstance/deny": {"matchLabels": {label: "deny"}},
        "/validate-modelinstance/warn": {"matchLabels": {label: "warn"}},
    }


def test_names_are_those_that_the_operator_looks_for() -> None:
    assert {configuration["metadata"]["name"] for configuration in CONFIGURATIONS} == {CONFIGURATION_NAME}
    rules = [rule for obj in shipped("rbac.yaml") for rule in obj.get("rules", [])]
    named = {name for rule in rules for name in rule.get("resourceNames", [])}
    assert named == {CONFIGURATION_NAME, SECRET_NAME}


def test_service_leads_to_the_port_that_is_served() -> None:
    (port,) = one("Service", "webhooks.yaml")["spec"]["ports"]
    deployment = one("Deployment", "deployment.yaml")["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    environment = {each["name"]: each.get("value") for each in container["env"]}

    assert port["port"] == 443
    assert str(ports[port["targetPort"]]) == environment["MODEL_OPERATOR_ADMISSION__PORT"]
    assert one("Service", "webhooks.yaml")["spec"]["selector"] == deployment["selector"]["matchLabels"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}


def test_policy_and_mutating_webhook_are_about_the_annotations_that_the_operator_writes() -> None:
    policy = one("ValidatingAdmissionPolicy", "admission-policy.yaml")
    (mutating,) = [obj for obj in CONFIGURATIONS if obj["kind"] == "MutatingWebhookConfiguration"]
    for key in (CREATED_BY_USER, CREATED_BY_TYPE):
        assert key in str(policy["spec"]["variables"])
        assert key in str(policy["spec"]["validations"])
        assert all(key in str(webhook["matchConditions"]) for webhook in mutating["webhooks"])
    # Neither leaves out what is being deleted.
    overlay = (MANIFESTS.parent / "overlays/admission-policy/policy.yaml").read_text()
    assert "deletionTimestamp" not in f"{policy}{mutating}{overlay}"
    binding = one("ValidatingAdmissionPolicyBinding", "admission-policy.yaml")
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}


def test_base_ships_all_of_its_files() -> None:
    (kustomization,) = shipped("kustomization.yaml")
    assert {"people.yaml", "webhooks.yaml", "admission-policy.yaml"} <= set(kustomization["resources"])
