"""The code to copy: right for what the model does, quoted whatever its names are."""

from __future__ import annotations

import ast
import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.api.enums import EndpointProtocol, ModelType
from model_operator.core.gateway.model_catalog import model_of
from model_operator.core.gateway.models import Model
from model_operator.core.gateway.snippets import Snippet, Use, literal, path_of, snippets_of, use_of
from model_operator.core.templates.model_apis import apis_of, protocols_of
from tests.unit.core.gateway.objects import served_instance

BASE_URL = "https://models.example.com:8443"
USES = {
    ModelType.CHAT_COMPLETION: Use.CHAT,
    ModelType.COMPLETION: Use.COMPLETION,
    ModelType.EMBEDDING: Use.EMBEDDING,
    ModelType.RERANKING: Use.RERANKING,
    ModelType.AGENT: Use.EXECUTE,
    ModelType.GENERIC: Use.EXECUTE,
}
CLIENTS = {
    Use.CHAT: ["curl", "openai", "scale-gp"],
    Use.COMPLETION: ["curl", "openai", "scale-gp"],
    Use.EMBEDDING: ["curl", "openai", "scale-gp"],
    Use.RERANKING: ["curl", "cohere", "scale-gp"],
    Use.EXECUTE: ["curl", "scale-gp"],
}
CALLS = {
    Use.CHAT: ("client.chat.completions.create", "client.models.chat_completions.create"),
    Use.COMPLETION: ("client.completions.create", "client.models.completions.create"),
    Use.EMBEDDING: ("client.embeddings.create", "client.models.embeddings.create"),
    Use.RERANKING: ("client.rerank", "client.models.rerankings.create"),
    Use.EXECUTE: ("client.models.deployments.execute",),
}


def model(model_type: ModelType, protocol: EndpointProtocol = EndpointProtocol.SGP, **changed: Any) -> Model:
    apis = [api.value for api in apis_of(model_type, protocol)]
    serving = {"model_type": model_type.value, "protocol": protocol.value, "apis": apis}
    found = model_of({**served_instance(serving=serving), **changed})
    assert found is not None
    return found


def text_of(snippets: tuple[Snippet, ...], client: str) -> str:
    return next(each.text for each in snippets if each.client == client)


def sent_by(text: str) -> tuple[str, dict[str, Any]]:
    """Return address and body of a curl command, as a shell reads it."""
    words = shlex.split(text)
    return next(each for each in words if each.startswith("http")), json.loads(
        words[words.index("--data") + 1]
    )


@pytest.mark.parametrize(
    ("model_type", "protocol"), [(each, protocol) for each in USES for protocol in protocols_of(each)]
)
def test_each_type_has_the_clients_of_its_apis(model_type: ModelType, protocol: EndpointProtocol) -> None:
    shown = model(model_type, protocol)
    use = USES[model_type]
    snippets = snippets_of(shown, BASE_URL)

    assert use_of(shown) is use
    assert [each.client for each in snippets] == CLIENTS[use]
    python = [each.text for each in snippets if each.language == "python"]
    for text, call in zip(python, CALLS[use], strict=True):
        ast.parse(text)
        assert f"{call}(" in text
        assert 'os.environ["KEY"]' in text
    address, body = sent_by(snippets[0].text)
    assert address == BASE_URL + path_of(shown)
    assert body.get("model", "team-a/qwen") == "team-a/qwen"


def test_a_model_with_execute_alone_is_called_by_its_deployment() -> None:
    shown = model(ModelType.AGENT)
    address, body = sent_by(snippets_of(shown, BASE_URL)[0].text)
    assert address == f"{BASE_URL}/v4/models/team-a%2Fqwen/deployments/qwen/execute"
    assert body.keys() == {"tools", "messages"}


def test_a_model_without_typed_apis_is_executed_by_the_platforms_client() -> None:
    serving = {"model_type": "EMBEDDING", "apis": ["EXECUTE", "EMBEDDINGS"]}
    shown = model_of(served_instance(serving=serving))
    assert shown is not None
    text = text_of(snippets_of(shown, BASE_URL), "scale-gp")
    assert "client.models.deployments.execute(" in text
    assert '"texts": ["a dog", "a cat"]' in text


def bound(schema: dict[str, Any]) -> dict[str, Any]:
    properties = {"model_request_parameters": {"properties": {"bindings": schema}}}
    instance = served_instance(serving={"model_type": "GENERIC", "apis": ["EXECUTE"]})
    instance["status"]["request_schema"] = {"properties": properties}
    return instance


def test_what_a_request_must_bind_is_bound() -> None:
    schema = {
        "properties": {
            "language": {"type": "string"},
            "mode": {"enum": ["fast", "good"]},
            "steps": {"type": "integer", "minimum": 4},
            "seed": {"type": "integer", "default": 7},
            "tiled": {"type": "boolean"},
            "other": {"type": "string"},
        },
        "required": ["language", "mode", "steps", "seed", "tiled"],
    }
    shown = model_of(bound(schema))
    assert shown is not None
    snippets = snippets_of(shown, BASE_URL)

    expected = {"language": "text", "mode": "fast", "steps": 4, "seed": 7, "tiled": True}
    assert sent_by(snippets[0].text)[1]["model_request_parameters"] == {"bindings": expected}
    assert f'"model_request_parameters": {{"bindings": {literal(expected)}}}' in snippets[1].text


@pytest.mark.parametrize(
    "schema", [{}, {"required": "x"}, {"required": [1, None]}, {"required": ["x"], "properties": []}]
)
def test_a_schema_that_is_none_breaks_nothing(schema: dict[str, Any]) -> None:
    shown = model_of(bound(schema))
    assert shown is not None
    assert snippets_of(shown, BASE_URL)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_name_ends_the_text_that_it_stands_in(name: str, parameter: str) -> None:
    instance = bound({"required": [parameter]})
    instance["metadata"]["name"] = name
    instance["status"]["deployments"][0]["name"] = name
    shown = model_of(instance)
    assert shown is not None
    curl, platform = snippets_of(shown, BASE_URL)

    assert sent_by(curl.text)[1]["model_request_parameters"] == {"bindings": {parameter: "text"}}
    (call,) = [
        each
        for each in ast.walk(ast.parse(platform.text))
        if isinstance(each, ast.Call) and ast.unparse(each.func).endswith("execute")
    ]
    arguments = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
    assert arguments["model_instance_id"] == f"team-a/{name}"
    assert arguments["extra_body"]["model_request_parameters"] == {"bindings": {parameter: "text"}}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_a_literal_is_read_back_as_the_value(value: Any) -> None:
    text = literal(value)
    assert ast.literal_eval(text) == value
    assert text.isascii()
