"""A gateway for some namespaces, with rights in these alone: what it does without those of the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.gateway.callers import person_token
from tests.cluster.gateway.process import GatewayProcess
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.waiting import wait_for
from tests.fixtures.rest import TEXT, model_of, send, text_template_object

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import KubeApi

pytestmark = pytest.mark.usefixtures("gateway")  # it has the roles of people installed

RBAC = "rbac.authorization.k8s.io"
NARROW = "narrow-gateway"


@pytest.fixture
def other(cluster_api: KubeApi) -> Iterator[KubeApi]:
    """Give a client of a namespace that the gateway does not serve."""
    for name in fresh_namespace(cluster_api, "mo-unserved"):
        yield cluster_api.in_namespace(name)


@pytest.fixture
def narrow(cluster: Cluster, api: KubeApi, cluster_api: KubeApi, tmp_path: Path) -> Iterator[GatewayProcess]:
    """Give a gateway for the test's namespace, with the rights that docs/gateway.md names."""
    rules = [
        {
            "apiGroups": ["modeloperator.dev"],
            "resources": ["modelinstances", "modeltemplates"],
            "verbs": ["list", "watch"],
        },
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    subjects = [{"kind": "ServiceAccount", "name": NARROW, "namespace": api.namespace}]
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NARROW}})
    api.create({"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": NARROW}, "rules": rules})
    bound = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": NARROW}, "subjects": subjects}
    api.create({**bound, "kind": "RoleBinding", "roleRef": _reference("Role", NARROW)})
    reviewing = {**bound, "metadata": {"name": f"{NARROW}-{api.namespace}"}, "kind": "ClusterRoleBinding"}
    cluster_api.create({**reviewing, "roleRef": _reference("ClusterRole", "system:auth-delegator")})
    user = f"system:serviceaccount:{api.namespace}:{NARROW}"
    wait_for(lambda: api.is_allowed(user, "watch", "endpointslices", group="discovery.k8s.io"))
    kubeconfig = cluster.service_account_kubeconfig(api.namespace, NARROW)
    environment = {"MODEL_OPERATOR_GATEWAY_NAMESPACES": api.namespace}
    try:
        with GatewayProcess.start(
            kubeconfig, log=tmp_path / "gateway.log", environment=environment
        ) as started:
            yield started
    finally:
        cluster_api.delete("ClusterRoleBinding", f"{NARROW}-{api.namespace}")


def _reference(kind: str, name: str) -> dict[str, Any]:
    return {"apiGroup": RBAC, "kind": kind, "name": name}


def test_it_serves_its_namespaces_and_knows_no_other(
    narrow: GatewayProcess, author: str, api: KubeApi, other: KubeApi, text_template: str
) -> None:
    assert text_template == TEXT
    labelled = {"metadata": {"labels": {"modeloperator.dev/account-id": "team-label"}}}
    api.patch("Namespace", api.namespace, labelled)
    other.apply(text_template_object())
    stranger = person_token(other)

    made = send(narrow, author, "POST", "/v4/models", model_of(api.namespace))
    assert made.status_code == 200, made.text
    assert made.json()["account_id"] == api.namespace
    path = f"/v4/models/{made.json()['id']}"
    assert send(narrow, author, "GET", path).json() == made.json()
    listed = send(narrow, author, "GET", f"/v4/models?account_id={api.namespace}").json()
    assert [each["id"] for each in listed["items"]] == [made.json()["id"]]
    templates = send(narrow, author, "GET", "/v4/model-templates").json()
    assert [each["name"] for each in templates["items"]] == [TEXT]

    # Neither a label nor another namespace is an account of it.
    for key, account in ((author, "team-label"), (stranger, other.namespace)):
        refused = send(narrow, key, "POST", "/v4/models", model_of(account))
        assert refused.status_code == 422, refused.text
        assert [each["loc"] for each in refused.json()["detail"]] == [["body", "account_id"]]
    external: dict[str, Any] = {
        "model_template_id": None,
        "model_vendor": "OPENAI",
        "model_creation_parameters": None,
    }
    refused = send(narrow, stranger, "POST", "/v4/models", model_of(other.namespace, **external))
    assert refused.status_code == 422, refused.text
    assert other.list("ModelInstance") == []
    for kind, name in (("model-templates", TEXT), ("models", "nothing")):
        found = send(narrow, stranger, "GET", f"/v4/{kind}/{other.namespace}%2F{name}")
        assert found.status_code == 404, found.text

    said = narrow.log.read_text()
    for kind in ("clustermodeltemplates.modeloperator.dev", "namespaces"):
        assert f"kind={kind}" in said.replace("'", "").replace('"', "")
    assert "cannot watch" not in said
    assert send(narrow, author, "DELETE", path).status_code == 200
