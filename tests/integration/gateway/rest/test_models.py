"""The whole life of a model by the platform's own client: create, retrieve, list, update, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import scale_gp

from tests.cluster.waiting import wait_for
from tests.fixtures.rest import TEXT, client_of, model_of, send, shown

if TYPE_CHECKING:
    from scale_gp import SGPClient

    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi, Object

pytestmark = pytest.mark.usefixtures("text_template")

EVERYTHING = {
    "name": "My Writer 2.0",
    "display_name": "My writer",
    "model_vendor": "LAUNCH",
    "model_type": "COMPLETION",
    "base_model_id": "gpt-2",
    "base_model_metadata": {
        "ui_model_section_type": "CUSTOM",
        "model_developer": "Team A",
        "model_license_url": "https://example.com/license",
        "delivery_date": "2026-11-30",
        "model_details": {
            "number_of_parameters": 124_000_000,
            "token_context_window": 1024,
            "languages": 1,
            "alignments": 0,
        },
    },
    "model_creation_parameters": {"WEIGHTS": "s3://weights/2", "BATCH_SIZE": 4},
    "model_card": "# A card",
    "training_data_card": "Public texts",
    "description": "Writes äöü 模型",
    "model_template_id": TEXT,
    "model_group_id": "group-1",
}
"""Each field of the reference but the account's."""
OPTIONAL = sorted(EVERYTHING.keys() - {"name", "model_type"})
REQUIRED = {
    "id",
    "name",
    "model_type",
    "account_id",
    "created_at",
    "created_by_user_id",
    "created_by_identity_type",
    "request_schema",
    "response_schema",
    "deployment_count",
    "supports_multi_turn",
}


def on_the_wire(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields as the reference names them: the client writes ``modelDetails`` otherwise."""
    wired = dict(fields)
    if metadata := wired.get("base_model_metadata"):
        details = {key: value for key, value in metadata.items() if key != "model_details"}
        wired["base_model_metadata"] = details | {"modelDetails": metadata["model_details"]}
    return wired


def test_every_field_of_the_reference_comes_back(platform: SGPClient, api: KubeApi) -> None:
    created = shown(platform.models.create(**EVERYTHING, account_id=api.namespace))  # type: ignore[arg-type]

    assert created.keys() == {*EVERYTHING, *REQUIRED}
    assert {key: created[key] for key in EVERYTHING} == on_the_wire(EVERYTHING)
    assert created["account_id"] == api.namespace
    assert created["created_by_user_id"] == f"system:serviceaccount:{api.namespace}:author"
    assert created["created_by_identity_type"] == "service_account"
    assert created["deployment_count"] == 1
    assert created["request_schema"]["required"] == ["prompts"]
    assert created["response_schema"]["required"] == ["completions"]
    assert created["supports_multi_turn"] is False
    assert shown(platform.models.retrieve(created["id"])) == created
    (listed,) = wait_for(lambda: list(platform.models.list(account_id=api.namespace)))
    assert shown(listed) == created


def test_what_kubernetes_has(platform: SGPClient, api: KubeApi) -> None:
    model = platform.models.create(**EVERYTHING, account_id=api.namespace)  # type: ignore[arg-type]
    (obj,) = api.list("ModelInstance")

    assert obj["metadata"]["uid"] == model.id
    assert obj["metadata"]["name"] == "my-writer-2-0"
    assert obj["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "model-operator-rest"}
    managers = {each["manager"] for each in obj["metadata"]["managedFields"]}
    assert "model-operator-rest" in managers
    assert obj["spec"] == on_the_wire(EVERYTHING)


def test_what_is_not_sent_is_not_in_the_answer(platform: SGPClient, api: KubeApi) -> None:
    created = shown(
        platform.models.create(
            name="m", account_id=api.namespace, model_type="GENERIC", model_vendor="OPENAI"
        )
    )

    assert created.keys() == REQUIRED | {"model_vendor"}
    assert created["deployment_count"] == 0, "an external vendor hosts it"
    assert "name" not in api.get("ModelInstance", "m")["spec"]


def test_null_is_absent(platform: SGPClient, api: KubeApi) -> None:
    fields = model_of(api.namespace) | dict.fromkeys(OPTIONAL, None) | {"model_template_id": TEXT}
    fields["model_creation_parameters"] = {"WEIGHTS": "first"}

    created = shown(platform.models.create(**fields))

    assert created.keys() == REQUIRED | {"model_template_id", "model_creation_parameters"}


@pytest.mark.usefixtures("operator")
def test_the_answer_is_the_same_once_the_operator_has_seen_it(platform: SGPClient, api: KubeApi) -> None:
    created = platform.models.create(**model_of(api.namespace))
    api.wait_for_condition("ModelInstance", "writer", "Ready")

    assert shown(platform.models.retrieve(created.id)) == shown(created)


def test_an_update_of_every_field(platform: SGPClient, api: KubeApi) -> None:
    model = platform.models.create(**model_of(api.namespace))

    updated = shown(platform.models.update(model.id, **EVERYTHING))  # type: ignore[arg-type]

    assert {key: updated[key] for key in EVERYTHING} == on_the_wire(EVERYTHING)
    assert shown(platform.models.retrieve(model.id)) == updated
    assert api.get("ModelInstance", "writer")["metadata"]["uid"] == model.id, "its object keeps its name"


@pytest.mark.parametrize("field", [each for each in OPTIONAL if each != "model_template_id"])
def test_null_removes_a_field_and_absence_keeps_it(platform: SGPClient, api: KubeApi, field: str) -> None:
    model = platform.models.create(**EVERYTHING, account_id=api.namespace)  # type: ignore[arg-type]
    if field == "model_creation_parameters":
        api.patch("ModelTemplate", TEXT, {"spec": {"model_creation_parameters_schema": {"required": []}}})
    before = shown(model)

    updated = wait_for(lambda: _removed(platform, model.id, field), 10, "the template is seen")

    assert updated == {key: value for key, value in before.items() if key != field}
    assert field not in api.get("ModelInstance", "my-writer-2-0")["spec"]


def _removed(platform: SGPClient, model: str, field: str) -> dict[str, Any]:
    try:
        return shown(platform.models.update(model, **{field: None}))  # type: ignore[arg-type]
    except scale_gp.UnprocessableEntityError as error:
        raise AssertionError(error) from None


def test_nested_objects_are_replaced(platform: SGPClient, api: KubeApi) -> None:
    model = platform.models.create(**EVERYTHING, account_id=api.namespace)  # type: ignore[arg-type]

    updated = platform.models.update(
        model.id,
        base_model_metadata={"model_developer": "Team B"},
        model_creation_parameters={"WEIGHTS": "second"},
    )

    assert shown(updated)["base_model_metadata"] == {"model_developer": "Team B"}
    assert updated.model_creation_parameters == {"WEIGHTS": "second"}
    spec = api.get("ModelInstance", "my-writer-2-0")["spec"]
    assert spec["base_model_metadata"] == {"model_developer": "Team B"}
    assert spec["model_creation_parameters"] == {"WEIGHTS": "second"}


def test_the_account_cannot_be_changed(platform: SGPClient, api: KubeApi) -> None:
    model = platform.models.create(**model_of(api.namespace))

    same = platform.models.update(
        model.id, description="one", extra_body={"account_id": api.namespace, "unknown": 1}
    )
    assert same.description == "one"
    with pytest.raises(scale_gp.UnprocessableEntityError) as caught:
        platform.models.update(model.id, description="two", extra_body={"account_id": "default"})
    (entry,) = details(caught.value)
    assert (entry["loc"], entry["type"]) == (["body", "account_id"], "immutable")
    assert platform.models.retrieve(model.id).description == "one"


def test_a_patch_is_judged_by_the_template(platform: SGPClient, api: KubeApi) -> None:
    model = platform.models.create(**model_of(api.namespace))
    generation = api.get("ModelInstance", "writer")["metadata"]["generation"]

    with pytest.raises(scale_gp.UnprocessableEntityError) as caught:
        platform.models.update(model.id, model_creation_parameters={"BATCH_SIZE": 0, "OTHER": 1})

    assert {tuple(each["loc"]) for each in details(caught.value)} == {
        ("body", "model_creation_parameters", "WEIGHTS"),
        ("body", "model_creation_parameters", "BATCH_SIZE"),
        ("body", "model_creation_parameters", "OTHER"),
    }
    assert api.get("ModelInstance", "writer")["metadata"]["generation"] == generation


@pytest.mark.parametrize("body", [{}, {"unknown": 1}])
def test_a_patch_of_nothing_writes_nothing(
    gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi, body: dict[str, Any]
) -> None:
    model = platform.models.create(**model_of(api.namespace))
    generation = api.get("ModelInstance", "writer")["metadata"]["generation"]

    assert send(gateway, author, "PATCH", f"/v4/models/{model.id}", body).json() == shown(model)
    assert api.get("ModelInstance", "writer")["metadata"]["generation"] == generation


def test_deleted_once(platform: SGPClient, api: KubeApi) -> None:
    model = platform.models.create(**model_of(api.namespace))

    deleted = platform.models.delete(model.id)

    assert (deleted.count, deleted.success) == (1, True)
    with pytest.raises(scale_gp.NotFoundError):
        platform.models.delete(model.id)
    with pytest.raises(scale_gp.NotFoundError):
        platform.models.retrieve(model.id)
    assert api.find("ModelInstance", "writer") is None
    assert list(platform.models.list(account_id=api.namespace)) == []
    # A new one of the name is another model.
    again = platform.models.create(**model_of(api.namespace))
    assert again.id != model.id
    with pytest.raises(scale_gp.NotFoundError):
        platform.models.retrieve(model.id)


def test_its_deployment_and_service_go_with_it(platform: SGPClient, api: KubeApi, operator: None) -> None:
    model = platform.models.create(**model_of(api.namespace))
    api.wait_for_condition("ModelInstance", "writer", "Ready")
    platform.models.delete(model.id)

    api.wait_until_gone("Deployment", "writer")
    api.wait_until_gone("Service", "writer")


@pytest.mark.parametrize("named", ["uid", "namespace/name", "name", "name of the account"])
def test_each_name_of_a_model(
    gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi, named: str
) -> None:
    model = platform.models.create(**EVERYTHING, account_id=api.namespace)  # type: ignore[arg-type]
    name = {"uid": model.id, "namespace/name": f"{api.namespace}/my-writer-2-0"}.get(named, "my-writer-2-0")
    account: dict[str, Any] = {"account_id": api.namespace} if named == "name of the account" else {}
    with client_of(gateway, author, **account) as client:
        assert client.models.retrieve(name).id == model.id
        assert client.models.update(name, description="x").id == model.id
        assert client.models.delete(name).count == 1


def test_a_name_in_another_account_is_not_found(
    gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi
) -> None:
    platform.models.create(**model_of(api.namespace))
    with client_of(gateway, author, account_id="default") as client:
        with pytest.raises(scale_gp.NotFoundError):
            client.models.retrieve("writer")
        # The API server's refusal discloses nothing: the name has the namespace.
        with pytest.raises(scale_gp.PermissionDeniedError):
            client.models.retrieve("default/writer")
        assert client.models.retrieve(f"{api.namespace}/writer").name == "writer"


def test_an_account_is_a_namespace_or_its_label(
    platform: SGPClient, api: KubeApi, cluster_api: KubeApi
) -> None:
    account = f"Account_{api.namespace}"
    labels = {"metadata": {"labels": {"modeloperator.dev/account-id": account}}}
    cluster_api.patch("Namespace", api.namespace, labels)
    model = wait_for(lambda: _created(platform, account), 10, "the label is seen")

    assert model.account_id == account
    (obj,) = api.list("ModelInstance")
    assert obj["metadata"]["uid"] == model.id
    for given in (account, api.namespace):
        assert [each.id for each in platform.models.list(account_id=given)] == [model.id]


def _created(platform: SGPClient, account: str) -> Any:
    try:
        return platform.models.create(**model_of(account))
    except scale_gp.UnprocessableEntityError as error:
        raise AssertionError(error) from None


def details(error: scale_gp.APIStatusError) -> list[Object]:
    """Return the entries of a 422; each has what the reference requires, and no one has a null."""
    assert isinstance(error.body, dict)
    entries: list[Object] = error.body["detail"]
    assert entries
    assert all({"loc", "msg", "type"} <= each.keys() for each in entries)
    return entries


WRONG: list[tuple[dict[str, Any], set[tuple[str | int, ...]]]] = [
    ({"name": ...}, {("body", "name")}),
    ({"name": 5, "model_type": "NOPE"}, {("body", "name"), ("body", "model_type")}),
    ({"name": "…"}, {("body", "name")}),
    ({"name": ""}, {("body", "name")}),
    ({"account_id": ...}, {("body", "account_id")}),
    ({"account_id": "no-such-account"}, {("body", "account_id")}),
    ({"account_id": "No Such Account"}, {("body", "account_id")}),
    ({"model_vendor": "NOBODY"}, {("body", "model_vendor")}),
    ({"model_template_id": "nothing"}, {("body", "model_template_id")}),
    ({"model_template_id": ...}, {("body", "model_template_id")}),
    ({"model_type": "EMBEDDING"}, {("body", "model_type")}),
    ({"model_creation_parameters": ...}, {("body", "model_creation_parameters", "WEIGHTS")}),
    ({"model_creation_parameters": {}}, {("body", "model_creation_parameters", "WEIGHTS")}),
    ({"model_creation_parameters": []}, {("body", "model_creation_parameters")}),
    (
        {"model_creation_parameters": {"BATCH_SIZE": "many"}, "description": 5},
        {
            ("body", "description"),
            ("body", "model_creation_parameters", "WEIGHTS"),
            ("body", "model_creation_parameters", "BATCH_SIZE"),
        },
    ),
    (
        {"base_model_metadata": {"modelDetails": {"languages": "two"}, "ui_model_section_type": "X"}},
        {
            ("body", "base_model_metadata", "modelDetails", "languages"),
            ("body", "base_model_metadata", "ui_model_section_type"),
        },
    ),
]


@pytest.mark.parametrize(
    ("changed", "expected"), WRONG, ids=lambda value: str(value)[:40] if isinstance(value, dict) else ""
)
def test_what_is_wrong_is_named(
    gateway: GatewayProcess,
    author: str,
    api: KubeApi,
    changed: dict[str, Any],
    expected: set[tuple[str | int, ...]],
) -> None:
    body = {key: value for key, value in (model_of(api.namespace) | changed).items() if value is not ...}

    answer = send(gateway, author, "POST", "/v4/models", body)

    assert answer.status_code == 422, answer.text
    entries = answer.json()["detail"]
    assert {tuple(each["loc"]) for each in entries} == expected
    assert all({"loc", "msg", "type"} <= each.keys() for each in entries)
    assert api.list("ModelInstance") == []


def test_unknown_fields_are_ignored(gateway: GatewayProcess, author: str, api: KubeApi) -> None:
    body = model_of(api.namespace, unknown={"a": 1}, base_model_metadata={"other": 2})

    answer = send(gateway, author, "POST", "/v4/models", body)

    assert answer.status_code == 200, answer.text
    assert not {"unknown"} & answer.json().keys()
    assert answer.json().get("base_model_metadata", {}) == {}
