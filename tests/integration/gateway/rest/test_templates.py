"""The life of a template by the platform's own client: create, list, retrieve, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import scale_gp
import yaml

from tests.cluster.gateway.callers import person_token
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for
from tests.fixtures.rest import client_of, model_of, send, shown, text_template_object

if TYPE_CHECKING:
    from scale_gp import SGPClient

    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi, Object
    from tests.fixtures.rest import Wire

TEMPLATES = "/v4/model-templates"
SAMPLES = sorted((REPOSITORY / "manifests" / "samples").glob("*.yaml"))
SMALLEST: dict[str, Any] = {
    "name": "Small one",
    "endpoint_type": "SYNC",
    "model_type": "COMPLETION",
    "vendor_configuration": {
        "bundle_config": {"registry": "registry.test", "image": "team/text", "tag": "v1"}
    },
}
EVERYTHING: dict[str, Any] = {
    "name": "Text 2.0",
    "endpoint_type": "STREAMING",
    "model_type": "CHAT_COMPLETION",
    "endpoint_protocol": "VLLM",
    "vendor_configuration": {
        "vendor": "LAUNCH",
        "bundle_config": {
            "registry": "registry.test",
            "image": "team/text",
            "tag": "v1",
            "command": ["serve", "--port=5005"],
            "env": {"LOG_LEVEL": "info"},
            "streaming_command": ["serve", "--stream"],
            "readiness_initial_delay_seconds": 1,
            "healthcheck_route": "/health",
            "predict_route": "/v1/chat/completions",
            "streaming_predict_route": "/v1/chat/completions",
        },
        "endpoint_config": {
            "cpus": 1,
            "memory": "1Gi",
            "storage": "2Gi",
            "gpus": 1,
            "gpu_type": "nvidia-hopper-h100",
            "min_workers": 1,
            "max_workers": 2,
            "per_worker": 4,
            "high_priority": True,
        },
    },
    "model_creation_parameters_schema": {
        "parameters": [
            {"name": "WEIGHTS", "type": "str", "description": "Where they are.", "required": True},
            {"name": "BATCH_SIZE", "type": "int", "description": "How many.", "required": False},
            {"name": "SCALE", "type": "float", "description": "How much.", "required": False},
            {"name": "FAST", "type": "bool", "description": "Whether.", "required": False},
        ]
    },
    "model_request_parameters_schema": {
        "parameters": [
            {"name": "style", "type": "str", "description": "Of the answer.", "required": False},
        ]
    },
}
"""Each field of the platform but the account's and that of fine-tuning."""
REQUIRED = {"id", "created_at", "account_id", "created_by_user_id", "created_by_identity_type"}


def test_every_field_of_the_platform_comes_back(platform: SGPClient, api: KubeApi) -> None:
    created = shown(platform.model_templates.create(**EVERYTHING, account_id=api.namespace))

    assert {key: created[key] for key in EVERYTHING} == EVERYTHING
    assert created.keys() == {*EVERYTHING, *REQUIRED}
    assert created["created_by_user_id"] == f"system:serviceaccount:{api.namespace}:author"
    assert created["created_by_identity_type"] == "service_account"
    assert shown(platform.model_templates.retrieve(created["id"])) == created
    (listed,) = wait_for(lambda: _own(platform, api.namespace))
    assert shown(listed) == created
    (obj,) = api.list("ModelTemplate")
    assert (obj["metadata"]["uid"], obj["metadata"]["name"]) == (created["id"], "text-2-0")
    assert obj["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "model-operator-rest"


def _own(platform: SGPClient, account: str) -> list[Any]:
    """Return the templates of an account; those of the whole cluster are in every one."""
    return [each for each in platform.model_templates.list(account_id=account) if each.account_id == account]


@pytest.mark.parametrize("named", ["uid", "namespace/name", "name"])
def test_each_name_of_a_template(
    gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi, named: str
) -> None:
    template = platform.model_templates.create(**SMALLEST, account_id=api.namespace)
    name = {"uid": template.id, "namespace/name": f"{api.namespace}/small-one"}.get(named, "small-one")
    with client_of(gateway, author, account_id=api.namespace) as client:
        assert client.model_templates.retrieve(name).id == template.id
        deleted = client.model_templates.delete(name)
        assert (deleted.count, deleted.success) == (1, True)
        for call in (client.model_templates.retrieve, client.model_templates.delete):
            with pytest.raises(scale_gp.NotFoundError):
                call(name)
    assert api.find("ModelTemplate", "small-one") is None


def test_a_model_of_it_at_once(platform: SGPClient, api: KubeApi, operator: None) -> None:
    template = platform.model_templates.create(**EVERYTHING, account_id=api.namespace)
    model = platform.models.create(
        name="talker",
        account_id=api.namespace,
        model_type="CHAT_COMPLETION",
        model_template_id=template.id,
        model_creation_parameters={"WEIGHTS": "here", "SCALE": 1.5, "FAST": True},
    )

    assert model.model_template_id == template.id
    container = wait_for(
        lambda: api.get("Deployment", "talker") if api.find("Deployment", "talker") else None
    )["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "registry.test/team/text:v1"
    env = {each["name"]: each.get("value") for each in container["env"]}
    assert env.items() >= {"WEIGHTS": "here", "SCALE": "1.5", "FAST": "true", "LOG_LEVEL": "info"}.items()
    with pytest.raises(scale_gp.UnprocessableEntityError) as caught:
        platform.models.create(
            name="other",
            account_id=api.namespace,
            model_type="CHAT_COMPLETION",
            model_template_id=template.id,
            model_creation_parameters={"BATCH_SIZE": "x", "MORE": 1},
        )
    assert isinstance(caught.value.body, dict)
    assert {each["loc"][-1] for each in caught.value.body["detail"]} == {"WEIGHTS", "BATCH_SIZE", "MORE"}


def test_one_in_use_stays(platform: SGPClient, api: KubeApi, wire: Wire) -> None:
    template = platform.model_templates.create(**SMALLEST, account_id=api.namespace)
    model = platform.models.create(
        name="user", account_id=api.namespace, model_type="COMPLETION", model_template_id=template.id
    )
    wire.clear()

    with pytest.raises(scale_gp.ConflictError) as caught:
        platform.model_templates.delete(template.id)

    (response,) = wire.take()
    assert response.headers["x-should-retry"] == "false"
    assert isinstance(caught.value.body, dict)
    assert "1 " in caught.value.body["detail"]
    platform.models.delete(model.id)
    assert platform.model_templates.delete(template.id).count == 1


def test_a_repeat_and_a_conflict(platform: SGPClient, api: KubeApi, wire: Wire) -> None:
    template = platform.model_templates.create(**SMALLEST, account_id=api.namespace)
    assert platform.model_templates.create(**SMALLEST, account_id=api.namespace).id == template.id
    wire.clear()
    with pytest.raises(scale_gp.ConflictError):
        platform.model_templates.create(**SMALLEST | {"model_type": "EMBEDDING"}, account_id=api.namespace)
    assert len(wire.take()) == 1


WRONG: list[tuple[dict[str, Any], tuple[str | int, ...]]] = [
    ({"name": ...}, ("body", "name")),
    ({"endpoint_type": "NOPE"}, ("body", "endpoint_type")),
    ({"model_type": ...}, ("body", "model_type")),
    ({"account_id": "no-such-account"}, ("body", "account_id")),
    ({"vendor_configuration": {}}, ("body", "vendor_configuration", "bundle_config")),
    (
        {"vendor_configuration": {"bundle_config": {"registry": "r", "image": "i"}}},
        ("body", "vendor_configuration", "bundle_config", "tag"),
    ),
    (
        {"model_creation_parameters_schema": {"parameters": [{"name": "A", "type": "str"}]}},
        ("body", "model_creation_parameters_schema", "parameters", 0, "description"),
    ),
    (
        {
            "vendor_configuration": SMALLEST["vendor_configuration"]
            | {"fine_tuning_job_bundle_config": {"registry": "r", "image": "i", "tag": "t"}}
        },
        ("body", "vendor_configuration", "fine_tuning_job_bundle_config"),
    ),
]


@pytest.mark.parametrize(("changed", "expected"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_wrong_is_named(
    gateway: GatewayProcess,
    author: str,
    api: KubeApi,
    changed: dict[str, Any],
    expected: tuple[str | int, ...],
) -> None:
    fields = SMALLEST | {"account_id": api.namespace} | changed
    body = {key: value for key, value in fields.items() if value is not ...}

    answer = send(gateway, author, "POST", TEMPLATES, body)

    assert answer.status_code == 422, answer.text
    assert expected in {tuple(each["loc"]) for each in answer.json()["detail"]}
    assert api.list("ModelTemplate") == []


def test_there_is_no_update(gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi) -> None:
    template = platform.model_templates.create(**SMALLEST, account_id=api.namespace)

    assert send(gateway, author, "PATCH", f"{TEMPLATES}/{template.id}", {"name": "x"}).status_code == 405


def test_a_viewer_reads_them_alone(gateway: GatewayProcess, platform: SGPClient, api: KubeApi) -> None:
    template = platform.model_templates.create(**SMALLEST, account_id=api.namespace)
    with client_of(gateway, person_token(api, "view", "viewer")) as viewer:
        assert viewer.model_templates.retrieve(template.id).id == template.id
        with pytest.raises(scale_gp.PermissionDeniedError):
            viewer.model_templates.create(**SMALLEST | {"name": "x"}, account_id=api.namespace)
        with pytest.raises(scale_gp.PermissionDeniedError):
            viewer.model_templates.delete(template.id)


def test_a_manifest_to_commit(
    gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi
) -> None:
    template = platform.model_templates.create(**EVERYTHING, account_id=api.namespace)
    answer = send(gateway, author, "GET", f"{TEMPLATES}/{template.id}?view=manifest")

    obj = yaml.safe_load(answer.text)
    assert obj["metadata"] == {"name": "text-2-0", "namespace": api.namespace}
    platform.model_templates.delete(template.id)
    again = api.create(obj)["metadata"]["uid"]
    seen = shown(platform.model_templates.retrieve(again))
    assert {key: seen[key] for key in EVERYTHING} == EVERYTHING


def _templates(path: Any) -> list[Object]:
    objects = yaml.safe_load_all(path.read_text())
    return [each for each in objects if each and each["kind"] == "ModelTemplate"]


def test_the_client_reads_templates_of_kubectl(platform: SGPClient, api: KubeApi) -> None:
    """Fields that the platform has no word for are left out; the client's types are strict."""
    written = [
        *(each for path in SAMPLES for each in _templates(path)),
        text_template_object("openai"),
        text_template_object("tei", endpoint_protocol="TEI", model_type="EMBEDDING"),
        text_template_object(
            "rich",
            model_creation_parameters_schema={
                "type": "object",
                "properties": {
                    "LIST": {"type": "array", "items": {"type": "string"}},
                    "EITHER": {"type": ["string", "null"]},
                    "ANY": {},
                },
            },
        ),
    ]
    for obj in written:
        obj["metadata"].pop("namespace", None)
        api.apply(obj)
    names = {obj["metadata"]["name"] for obj in written}

    def listed() -> list[Any]:
        found = _own(platform, api.namespace)
        assert len(found) == len(names)
        return found

    for each in wait_for(listed):
        assert shown(platform.model_templates.retrieve(each.id)) == shown(each)


def test_pages(platform: SGPClient, api: KubeApi) -> None:
    for number in range(5):
        api.apply(text_template_object(f"t{number}"))

    def names() -> list[str]:
        found = platform.model_templates.list(account_id=api.namespace, limit=2)
        return sorted(each.name for each in found if each.account_id == api.namespace)

    wait_for(lambda: names() == [f"t{number}" for number in range(5)])


def test_a_template_of_the_whole_cluster(platform: SGPClient, api: KubeApi, cluster_api: KubeApi) -> None:
    name = f"cluster-{api.namespace}"
    obj = text_template_object(name, model_creation_parameters_schema={"type": "object"})
    uid = cluster_api.create(obj | {"kind": "ClusterModelTemplate"})["metadata"]["uid"]
    rule = {
        "apiGroups": ["modeloperator.dev"],
        "resources": ["clustermodeltemplates"],
        "verbs": ["get", "list"],
    }
    rbac = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{rbac}/v1", "metadata": {"name": name}}
    cluster_api.create(role | {"kind": "ClusterRole", "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "author", "namespace": api.namespace}
    reference = {"apiGroup": rbac, "kind": "ClusterRole", "name": name}
    cluster_api.create(role | {"kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]})
    try:

        def listed() -> list[Any]:
            return [
                each for each in platform.model_templates.list(account_id=api.namespace) if each.id == uid
            ]

        (template,) = wait_for(listed)
        assert template.account_id == "*"
        assert platform.model_templates.retrieve(uid).name == name
        for given in (uid, name):
            fields = model_of(api.namespace, f"m-{given[:4]}", model_template_id=given)
            assert (
                platform.models.create(**fields | {"model_creation_parameters": {}}).model_template_id
                == given
            )
        with pytest.raises(scale_gp.PermissionDeniedError):
            platform.model_templates.delete(uid)
    finally:
        for kind in ("ClusterModelTemplate", "ClusterRoleBinding", "ClusterRole"):
            cluster_api.delete(kind, name)
