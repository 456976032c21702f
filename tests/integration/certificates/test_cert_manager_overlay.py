"""The overlay for cert-manager: what it changes, and that the parts fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from model_operator.controller.webhooks.certificate import SECRET_NAME, SERVICE_NAME
from model_operator.settings import OperatorSettings
from tests.cluster.cluster import MANIFESTS

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

Objects = dict[tuple[str, str], dict[str, Any]]
NAMESPACE = NAME = "model-operator"
ANNOTATION = "cert-manager.io/inject-ca-from"
CONFIGURATIONS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")


def _build(cluster: Cluster, folder: str) -> Objects:
    text = cluster.kubectl("kustomize", MANIFESTS.parent / folder).stdout
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def base(cluster: Cluster) -> Objects:
    return _build(cluster, "overlays/default")


@pytest.fixture(scope="module")
def overlay(cluster: Cluster) -> Objects:
    return _build(cluster, "overlays/cert-manager")


def test_what_it_adds_and_removes(base: Objects, overlay: Objects) -> None:
    assert set(base) - set(overlay) == {
        ("Role", NAME),
        ("RoleBinding", NAME),
        ("Secret", SECRET_NAME),
    }
    assert set(overlay) - set(base) == {
        ("Issuer", "model-operator-webhook-self-signed"),
        ("Certificate", "model-operator-webhook-authority"),
        ("Issuer", "model-operator-webhook"),
        ("Certificate", "model-operator-webhook"),
    }
    changed = {key for key in set(base) & set(overlay) if base[key] != overlay[key]}
    assert changed == {
        ("Deployment", NAME),
        ("ClusterRole", NAME),
        *((kind, NAME) for kind in CONFIGURATIONS),
    }


def test_it_takes_the_rights_away_that_only_our_own_certificate_needs(
    base: Objects, overlay: Objects
) -> None:
    secrets = [resource for rule in base["Role", NAME]["rules"] for resource in rule["resources"]]
    assert set(secrets) == {"secrets"}
    left = overlay["ClusterRole", NAME]["rules"]
    removed = [rule for rule in base["ClusterRole", NAME]["rules"] if rule not in left]
    assert [rule["apiGroups"] for rule in removed] == [["admissionregistration.k8s.io"]]


def test_the_parts_refer_to_each_other(overlay: Objects) -> None:
    certificate = overlay["Certificate", "model-operator-webhook"]
    for kind in CONFIGURATIONS:
        annotations = overlay[kind, NAME]["metadata"]["annotations"]
        assert annotations == {ANNOTATION: f"{NAMESPACE}/{certificate['metadata']['name']}"}
        for webhook in overlay[kind, NAME]["webhooks"]:
            service = webhook["clientConfig"]["service"]
            assert certificate["spec"]["dnsNames"] == [f"{service['name']}.{service['namespace']}.svc"]
            assert service["name"] == SERVICE_NAME
    issuer = overlay["Issuer", certificate["spec"]["issuerRef"]["name"]]
    authority = overlay["Certificate", "model-operator-webhook-authority"]
    assert issuer["spec"]["ca"]["secretName"] == authority["spec"]["secretName"] != SECRET_NAME
    assert overlay["Issuer", authority["spec"]["issuerRef"]["name"]]["spec"] == {"selfSigned": {}}


def test_the_operator_reads_the_certificate(overlay: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    pod = overlay["Deployment", NAME]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    for variable in container["env"]:
        if "value" in variable:
            monkeypatch.setenv(variable["name"], variable["value"])
    folder = OperatorSettings().admission.cert_dir
    (mount,) = container["volumeMounts"]
    (volume,) = pod["volumes"]
    assert mount == {"name": volume["name"], "mountPath": str(folder), "readOnly": True}
    certificate = overlay["Certificate", "model-operator-webhook"]
    assert volume["secret"]["secretName"] == certificate["spec"]["secretName"]


def test_the_api_server_takes_what_is_not_of_cert_manager_s_kinds(cluster: Cluster, overlay: Objects) -> None:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", MANIFESTS / "namespace.yaml")
    objects = [obj for obj in overlay.values() if not obj["apiVersion"].startswith("cert-manager.io")]
    apply = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    cluster.kubectl(*apply, "-f", "-", input=yaml.safe_dump_all(objects))
