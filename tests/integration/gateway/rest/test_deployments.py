"""The life of deployments by the platform's own client: the implied one, the first, more, none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import scale_gp

from tests.cluster.waiting import wait_for
from tests.fixtures.rest import client_of, model_of, send, shown

if TYPE_CHECKING:
    from scale_gp import SGPClient
    from scale_gp.types import ModelInstance

    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi
    from tests.fixtures.rest import Wire

pytestmark = pytest.mark.usefixtures("text_template")
EVERYTHING: dict[str, Any] = {
    "name": "canary",
    "model_creation_parameters": {"BATCH_SIZE": 4},
    "vendor_configuration": {"vendor": "LAUNCH", "min_workers": 1, "max_workers": 3, "per_worker": 5},
    "deployment_metadata": {"stage": "canary", "nested": {"a": [1, None]}},
}


@pytest.fixture
def model(platform: SGPClient, api: KubeApi) -> ModelInstance:
    """Give a model that has just been created."""
    return platform.models.create(**model_of(api.namespace))


def entries(api: KubeApi) -> Any:
    """Return the entries of the instance, or None without the field."""
    return api.get("ModelInstance", "writer")["spec"].get("deployments")


def names(platform: SGPClient, model: ModelInstance) -> list[str]:
    """Return the names of the model's deployments, but for what the operator still has to remove."""
    found = platform.models.deployments.list(model.id)
    return sorted(each.name for each in found if each.status != "DELETE_IN_PROGRESS")


def test_a_model_has_one_deployment_from_the_start(
    platform: SGPClient, model: ModelInstance, api: KubeApi
) -> None:
    (implied,) = platform.models.deployments.list(model.id)

    # The operator of the other tests may be at work already.
    assert implied.name == "writer"
    assert implied.status in {"UPDATE_PENDING", "UPDATE_IN_PROGRESS"}
    assert implied.model_instance_id == model.id
    assert implied.account_id == api.namespace
    assert implied.created_by_user_id == model.created_by_user_id
    assert implied.model_creation_parameters == {"WEIGHTS": "first"}
    found = platform.models.deployments.retrieve(implied.id, model_instance_id=model.id)
    assert (found.id, found.name) == (implied.id, implied.name)
    assert model.deployment_count == 1


def test_every_field_of_the_platform_comes_back(
    platform: SGPClient, model: ModelInstance, api: KubeApi
) -> None:
    created = shown(platform.models.deployments.create(model.id, **EVERYTHING, account_id=api.namespace))

    assert {key: created[key] for key in EVERYTHING} == EVERYTHING
    assert created["account_id"] == api.namespace
    assert created["model_instance_id"] == model.id
    found = platform.models.deployments.retrieve(created["id"], model_instance_id=model.id)
    assert shown(found) == created
    assert names(platform, model) == ["canary"], "the implied one is replaced"
    assert platform.models.retrieve(model.id).deployment_count == 1
    (entry,) = entries(api)
    assert entry["name"] == "canary"
    assert entry["deployment_metadata"] == EVERYTHING["deployment_metadata"]


def test_a_second_one_and_the_end_of_both(platform: SGPClient, model: ModelInstance, api: KubeApi) -> None:
    first = platform.models.deployments.create(model.id, name="first")
    second = platform.models.deployments.create(model.id, name="second")
    assert names(platform, model) == ["first", "second"]
    assert platform.models.retrieve(model.id).deployment_count == 2

    deleted = platform.models.deployments.delete(first.id, model_instance_id=model.id)
    assert (deleted.count, deleted.success) == (1, True)
    with pytest.raises(scale_gp.NotFoundError):
        platform.models.deployments.delete(first.id, model_instance_id=model.id)
    assert names(platform, model) == ["second"]
    platform.models.deployments.delete(second.id, model_instance_id=model.id)
    assert entries(api) == []
    assert names(platform, model) == []
    assert platform.models.retrieve(model.id).deployment_count == 0


def test_the_implied_one_deleted(platform: SGPClient, model: ModelInstance, api: KubeApi) -> None:
    (implied,) = platform.models.deployments.list(model.id)
    assert platform.models.deployments.delete(implied.id, model_instance_id=model.id).count == 1
    assert entries(api) == []
    assert names(platform, model) == []


@pytest.mark.parametrize("named", ["id", "entry", "Deployment"])
def test_each_name_of_a_deployment(platform: SGPClient, model: ModelInstance, named: str) -> None:
    created = platform.models.deployments.create(model.id, name="canary")
    name = {"id": created.id, "entry": "canary", "Deployment": "writer-canary"}[named]

    assert platform.models.deployments.retrieve(name, model_instance_id=model.id).id == created.id
    updated = platform.models.deployments.update(
        name, model_instance_id=model.id, deployment_metadata={"a": 1}
    )
    assert updated.deployment_metadata == {"a": 1}
    assert platform.models.deployments.delete(name, model_instance_id=model.id).count == 1


def test_an_update(platform: SGPClient, model: ModelInstance, api: KubeApi) -> None:
    created = platform.models.deployments.create(model.id, **EVERYTHING)

    updated = platform.models.deployments.update(
        created.id,
        model_instance_id=model.id,
        model_creation_parameters={"BATCH_SIZE": 8},
        vendor_configuration={"max_workers": 4},
        deployment_metadata={"other": 1},
        name="canary",
    )

    assert updated.id == created.id
    assert updated.model_creation_parameters == {"BATCH_SIZE": 8}
    assert updated.deployment_metadata == {"other": 1}, "nested objects are replaced"
    configuration = updated.vendor_configuration
    assert configuration is not None
    assert (configuration.vendor, configuration.max_workers) == ("LAUNCH", 4)
    removed = platform.models.deployments.update(
        created.id, model_instance_id=model.id, extra_body={"deployment_metadata": None}
    )
    assert removed.deployment_metadata is None
    assert removed.model_creation_parameters == {"BATCH_SIZE": 8}
    with pytest.raises(scale_gp.UnprocessableEntityError) as caught:
        platform.models.deployments.update(created.id, model_instance_id=model.id, name="other")
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["detail"][0]["loc"] == ["body", "name"]


def test_an_update_of_the_implied_one(platform: SGPClient, model: ModelInstance, api: KubeApi) -> None:
    (implied,) = platform.models.deployments.list(model.id)

    updated = platform.models.deployments.update(
        implied.id, model_instance_id=model.id, model_creation_parameters={"WEIGHTS": "second"}
    )

    assert updated.id == implied.id
    assert entries(api) is None, "it stays the implied one"
    assert platform.models.retrieve(model.id).model_creation_parameters == {"WEIGHTS": "second"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": ...}, ("body", "name")),
        ({"name": "…"}, ("body", "name")),
        ({"name": 5}, ("body", "name")),
        (
            {"model_creation_parameters": {"BATCH_SIZE": 0}},
            ("body", "model_creation_parameters", "BATCH_SIZE"),
        ),
        ({"model_creation_parameters": {"OTHER": 0}}, ("body", "model_creation_parameters", "OTHER")),
        ({"vendor_configuration": {"min_workers": "x"}}, ("body", "vendor_configuration", "min_workers")),
        ({"vendor_configuration": {"vendor": "LLMENGINE"}}, ("body", "vendor_configuration", "vendor")),
        ({"account_id": "default"}, ("body", "account_id")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_named(
    gateway: GatewayProcess,
    author: str,
    model: ModelInstance,
    api: KubeApi,
    fields: dict[str, Any],
    expected: tuple[str, ...],
) -> None:
    body = {key: value for key, value in ({"name": "canary"} | fields).items() if value is not ...}

    answer = send(gateway, author, "POST", f"/v4/models/{model.id}/deployments", body)

    assert answer.status_code == 422, answer.text
    assert expected in {tuple(each["loc"][: len(expected)]) for each in answer.json()["detail"]}
    assert entries(api) is None


def test_a_repeat_and_a_conflict(platform: SGPClient, model: ModelInstance, wire: Wire, api: KubeApi) -> None:
    created = platform.models.deployments.create(model.id, **EVERYTHING)
    again = platform.models.deployments.create(model.id, **EVERYTHING)
    assert again.id == created.id
    wire.clear()
    with pytest.raises(scale_gp.ConflictError):
        platform.models.deployments.create(model.id, name="canary", deployment_metadata={"other": 1})
    (response,) = wire.take()
    assert response.headers["x-should-retry"] == "false"
    assert len(entries(api)) == 1


def test_those_of_all_models(platform: SGPClient, api: KubeApi, gateway: GatewayProcess, author: str) -> None:
    for name in ("one", "two"):
        platform.models.create(**model_of(api.namespace, name))

    def listed() -> bool:
        page = platform.models.deployments.list_all(account_id=api.namespace, sort_by=["name:desc"], limit=1)
        return [each.name for each in page] == ["two", "one"]

    wait_for(listed)
    assert list(platform.models.deployments.list_all(account_id="default")) == []
    with client_of(gateway, author, account_id=api.namespace) as client:
        assert len(list(client.models.deployments.list_all())) == 2


@pytest.mark.usefixtures("operator")
def test_states(platform: SGPClient, model: ModelInstance, api: KubeApi) -> None:
    ready = platform.models.deployments.create(model.id, name="canary", wait_for_ready=True)
    assert ready.status == "READY"
    assert ready.model_endpoint_id
    changed = platform.models.deployments.update(
        ready.id,
        model_instance_id=model.id,
        model_creation_parameters={"BATCH_SIZE": 2},
        wait_for_ready=False,
    )
    assert changed.status in {"UPDATE_PENDING", "UPDATE_IN_PROGRESS"}

    def status() -> str:
        return platform.models.deployments.retrieve(ready.id, model_instance_id=model.id).status

    wait_for(lambda: status() == "READY")
    platform.models.deployments.delete(ready.id, model_instance_id=model.id)
    api.wait_until_gone("Deployment", "writer-canary")


def test_a_create_does_not_wait_unless_it_says_so(platform: SGPClient, model: ModelInstance) -> None:
    begun = time.monotonic()
    assert platform.models.deployments.create(model.id, name="slow").status == "UPDATE_PENDING"
    assert time.monotonic() - begun < 5


def test_an_unknown_one(platform: SGPClient, model: ModelInstance, api: KubeApi) -> None:
    other = platform.models.create(**model_of(api.namespace, "other"))
    (foreign,) = platform.models.deployments.list(other.id)
    for name in ("nothing", "00000000-0000-4000-8000-000000000000", foreign.id):
        for call in (platform.models.deployments.retrieve, platform.models.deployments.delete):
            with pytest.raises(scale_gp.NotFoundError):
                call(name, model_instance_id=model.id)
    with pytest.raises(scale_gp.NotFoundError):
        list(platform.models.deployments.list("nothing"))


@pytest.mark.usefixtures("operator")
def test_all_calls_of_a_model(platform: SGPClient, api: KubeApi) -> None:
    """Each way of the platform's client to call a model, right after its create over REST."""
    kinds = {
        "CHAT_COMPLETION": "VLLM",
        "COMPLETION": "VLLM",
        "EMBEDDING": "VLLM",
        "RERANKING": "COHERE",
    }
    called: dict[str, str] = {}
    for kind, protocol in kinds.items():
        template = platform.model_templates.create(
            name=kind.replace("_", "-"),
            account_id=api.namespace,
            endpoint_type="SYNC",
            model_type=kind,  # type: ignore[arg-type]
            endpoint_protocol=protocol,  # type: ignore[arg-type]
            vendor_configuration={
                "bundle_config": {"registry": "registry.test", "image": "x", "tag": "v1"},
                "endpoint_config": {"cpus": 1, "memory": "64Mi", "storage": "100Mi", "min_workers": 1},
            },
        )
        created = platform.models.create(
            name=f"m-{kind.partition('_')[0]}",
            account_id=api.namespace,
            model_type=kind,  # type: ignore[arg-type]
            model_template_id=template.id,
        )
        (deployment,) = platform.models.deployments.list(created.id)
        called[kind] = deployment.id
        ready = platform.models.deployments.update(
            deployment.id, model_instance_id=created.id, wait_for_ready=True
        )
        assert ready.status == "READY"
        body = {
            "CHAT_COMPLETION": {"messages": [{"role": "user", "content": "Hello"}]},
            "COMPLETION": {"prompts": ["Hello"]},
            "EMBEDDING": {"texts": ["Hello"]},
            "RERANKING": {"query": "q", "chunks": ["a", "b"]},
        }[kind]
        answer = platform.models.deployments.execute(
            deployment.id, model_instance_id=created.id, extra_body=body
        )
        assert isinstance(answer, dict)
        required: Any = created.response_schema["required"]
        assert answer.keys() >= set(required)

    typed = platform.models
    chat = typed.chat_completions.create(called["CHAT_COMPLETION"], chat_history=[], prompt="Hello")
    assert "stub" in str(chat.completions)
    stream = typed.chat_completions.create(
        called["CHAT_COMPLETION"], chat_history=[], prompt="Hello", stream=True
    )
    assert "".join(str(chunk.completions[0][1][0]) for chunk in stream).strip() == "w1 w2 w3 w4"  # type: ignore[index]
    assert "stub" in str(typed.completions.create(called["COMPLETION"], prompt="Hello").completions)
    assert typed.embeddings.create(called["EMBEDDING"], texts=["a"]).embeddings[0][1] == [0.5, 0.0]
    ranked = typed.rerankings.create(called["RERANKING"], query="q", chunks=["a", "b"])
    assert len(ranked.chunk_scores) == 2
