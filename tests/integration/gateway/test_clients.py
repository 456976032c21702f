"""Unmodified clients call models through the real gateway, on a real API server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cohere
import httpx
import openai
import pytest
from scale_gp import SGPClient

from tests.cluster.gateway.callers import executor_key, grant
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.waiting import wait_for
from tests.fixtures.gateway import chat_template, is_routed, model_instance, post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.gateway.process import GatewayProcess, StubWorkers
    from tests.cluster.kube_api import KubeApi


@pytest.fixture
def client(gateway: GatewayProcess, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key) as opened:
        yield opened


@pytest.fixture
def ranker(gateway: GatewayProcess, key: str) -> Iterator[cohere.ClientV2]:
    with httpx.Client() as session:
        yield cohere.ClientV2(base_url=gateway.url, api_key=key, httpx_client=session)


def test_openai_chats(chat: str, client: openai.OpenAI, stub: StubWorkers) -> None:
    answer = client.chat.completions.create(model=chat, messages=[{"role": "user", "content": "Hello"}])

    assert (answer.choices[0].message.content or "").startswith("stub 127.")
    (request,) = stub.requests()
    names = {name.lower() for name, _ in request["headers"]}
    assert not names & {"authorization", "x-api-key", "cookie"}
    assert '"content":"Hello"' in request["body"].replace(": ", ":")


def test_openai_streams(chat: str, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=chat, messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "w1 w2 w3 w4 "


def test_a_stream_that_a_worker_breaks_off_raises(chat: str, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=chat, messages=[], stream=True, extra_body={"stub": {"die": "within"}}
    )
    with pytest.raises(openai.APIError):
        list(stream)


def test_the_list_has_what_the_caller_may_execute(
    chat: str, client: openai.OpenAI, ranker: cohere.ClientV2
) -> None:
    assert [each.id for each in client.models.list().data] == [chat]
    assert client.models.retrieve(chat).id == chat
    assert [each.name for each in ranker.models.list().models] == [chat]


def test_errors_are_those_of_the_api(chat: str, client: openai.OpenAI, gateway: GatewayProcess) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nobody/nothing", messages=[])
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as unsupported:
        client.embeddings.create(model=chat, input="text")
    assert unsupported.value.code == "api_not_supported"
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="wrong") as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.chat.completions.create(model=chat, messages=[])


def test_the_platform_s_client_executes(chat: str, gateway: GatewayProcess, key: str) -> None:
    with SGPClient(base_url=gateway.url, api_key=key, account_id=chat.partition("/")[0]) as platform:
        answer = platform.models.chat_completions.create(
            model_deployment_id=chat, chat_history=[], prompt="Hello"
        )
    assert "stub 127." in str(answer)


def test_embeddings_and_reranking(
    api: KubeApi, operator: None, stub: StubWorkers, client: openai.OpenAI, ranker: cohere.ClientV2
) -> None:
    api.apply(chat_template(stub.port, "embed", model_type="EMBEDDING", endpoint_protocol="OPENAI"))
    api.apply(chat_template(stub.port, "rerank", model_type="RERANKING", endpoint_protocol="COHERE"))
    for name in ("embed", "rerank"):
        api.apply(model_instance(name, name))
        api.wait_for_condition("ModelInstance", name, "Ready")
    wait_for(lambda: len(client.models.list().data) == 2, 30, "both are listed")

    vector = client.embeddings.create(model="embed", input="text").data[0].embedding
    ranked = ranker.rerank(model="rerank", query="q", documents=["a", "b"])
    assert vector == [0.5, 0.0]
    assert [each.index for each in ranked.results] == [1, 0]


@pytest.fixture
def there(cluster_api: KubeApi) -> Iterator[KubeApi]:
    """Give a client of a second namespace that the operator serves."""
    for name in fresh_namespace(cluster_api, "mo-shared"):
        yield cluster_api.in_namespace(name)


def test_two_namespaces_with_one_name(
    chat: str, there: KubeApi, stub: StubWorkers, gateway: GatewayProcess, key: str, api: KubeApi
) -> None:
    assert is_routed(gateway, key, "chat"), "the caller may execute one model of the name"
    other = f"{there.namespace}/chat"
    there.apply(chat_template(stub.port))
    there.apply(model_instance())
    both = executor_key(there, "both")
    grant(api, "both", there.namespace)
    wait_for(lambda: is_routed(gateway, both, other), 60, "the other one answers")

    status, body, _ = post(gateway, both, "/v1/chat/completions", {"model": "chat", "messages": []})
    assert (status, json.loads(body)["error"]["code"]) == (400, "model_ambiguous")
    stub.forget()
    for name in (chat, other):
        assert is_routed(gateway, both, name)
    assert len({each["worker"] for each in stub.requests()}) == 2
    assert post(gateway, key, "/v1/chat/completions", {"model": other, "messages": []})[0] == 404
    assert is_routed(gateway, key, "chat"), "what the caller may not execute is no second one"
