"""With and without the webhooks, the answers are the same; what these alone know is mapped to the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.gateway.callers import person_token
from tests.cluster.waiting import wait_for
from tests.fixtures.rest import model_of, send, text_template_object

if TYPE_CHECKING:
    import httpx

    from tests.cluster.cluster import Cluster
    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi
    from tests.fixtures.admission import Admission

MODELS = "/v4/models"
WRONG: list[dict[str, Any]] = [
    {"model_creation_parameters": {}},
    {"model_creation_parameters": {"WEIGHTS": 1, "BATCH_SIZE": 0, "OTHER": True}},
    {"model_type": "EMBEDDING"},
    {"model_template_id": "nothing"},
    {"model_template_id": None},
    {"name": "…", "model_creation_parameters": {"BATCH_SIZE": "many"}},
    {"description": 5},
]


def plain(answer: httpx.Response, namespace: str) -> tuple[int, str]:
    """Return status and text of an answer, without the name of the namespace."""
    return answer.status_code, answer.text.replace(namespace, "NAMESPACE")


@pytest.fixture
def token(cluster: Cluster) -> str:
    """Give the administrator's token."""
    found = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"].get("token")
    if not found:
        pytest.skip("needs a token of a user")
    return str(found)


def test_the_same_answers(gateway: GatewayProcess, api: KubeApi, admission: Admission, token: str) -> None:
    for each in (api, admission.api):
        each.apply(text_template_object())
    for changed in WRONG:
        with_webhook, without = (
            plain(send(gateway, token, "POST", MODELS, model_of(each.namespace) | changed), each.namespace)
            for each in (admission.api, api)
        )
        assert with_webhook == without
        assert with_webhook[0] == 422
    made = [
        send(gateway, token, "POST", MODELS, model_of(each.namespace)).json() for each in (api, admission.api)
    ]
    varying = {"id", "created_at", "account_id"}
    one, other = ({key: value for key, value in each.items() if key not in varying} for each in made)
    assert one == other
    for each, model in zip((api, admission.api), made, strict=True):
        answer = send(gateway, token, "PATCH", f"{MODELS}/{model['id']}", {"model_creation_parameters": {}})
        assert answer.status_code == 422
        assert [entry["loc"][-1] for entry in answer.json()["detail"]] == ["WEIGHTS"]
        each.delete("ModelInstance", "writer")


def test_what_a_policy_of_the_cluster_refuses(
    gateway: GatewayProcess, cluster_api: KubeApi, api: KubeApi
) -> None:
    """A ValidatingAdmissionPolicy names no field: its message is an entry at the body."""
    api.apply(text_template_object())
    name = f"short-{api.namespace}"
    group = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": ["modeloperator.dev"], "apiVersions": ["*"], "operations": ["CREATE"]}
    cluster_api.create(
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [rule | {"resources": ["modelinstances"]}]},
                "validations": [
                    {"expression": "!has(object.spec.description)", "message": "no descriptions here"}
                ],
            },
        }
    )
    selector = {"matchLabels": {"kubernetes.io/metadata.name": api.namespace}}
    cluster_api.create(
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": selector},
            },
        }
    )
    author = person_token(api)
    try:
        number = 0

        def created() -> httpx.Response:
            nonlocal number
            number += 1
            fields = model_of(api.namespace, f"m-{number}", description="x")
            return send(gateway, author, "POST", MODELS, fields)

        answer = wait_for(lambda: refused if (refused := created()).status_code != 200 else None)
        assert answer.status_code == 422
        (entry,) = answer.json()["detail"]
        assert entry["loc"] == ["body"]
        assert "no descriptions here" in entry["msg"]
    finally:
        for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
            cluster_api.delete(kind, name)
