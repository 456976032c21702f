"""``model_request_parameters`` of a request, judged by the template's schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.models import Model
from model_operator.core.gateway.translation import check_bindings
from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.templates.contracts import request_schema
from tests.unit.core.gateway.translation.cells import Cell, cell

PARAMETERS = {
    "parameters": [
        {"name": "top_k", "type": "int", "description": "Candidates.", "required": True},
        {"name": "mode", "type": "str", "description": "Mode.", "required": False},
        {"name": "factor", "type": "float", "description": "Factor.", "required": False},
        {"name": "is_fast", "type": "bool", "description": "Fast.", "required": False},
    ]
}


def model(parameters: Any = PARAMETERS, model_type: str = "EMBEDDING") -> Model:
    schema = request_schema(model_type, parse_parameter_schema(parameters, ()))
    bindings_schema = schema["properties"]["model_request_parameters"]
    return Model("team-a", "m", "u", 0, (), bindings_schema=bindings_schema)


UNDECLARED = Model("team-a", "m", "u", 0, ())


def body(parameters: Any) -> bytes:
    return json.dumps({"texts": ["a"], "model_request_parameters": parameters}).encode()


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        {"bindings": {"top_k": 3}},
        {"bindings": {"top_k": 3, "mode": "s3cret", "factor": 1, "is_fast": False}},
    ],
)
def test_valid(parameters: Any) -> None:
    check_bindings(body(parameters), model())


def test_a_request_may_leave_them_out() -> None:
    check_bindings(b'{"texts": ["a"]}', model())
    check_bindings(b'{"texts": ["a"]}', UNDECLARED)
    check_bindings(body({"bindings": {}}), UNDECLARED)


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ([], ()),
        ("s3cret", ()),
        ({}, ("bindings",)),
        ({"bindings": None}, ("bindings",)),
        ({"bindings": ["s3cret"]}, ("bindings",)),
        ({"bindings": {"top_k": 3}, "other": "s3cret"}, ("other",)),
        ({"bindings": {}}, ("bindings", "top_k")),
        ({"bindings": {"top_k": "s3cret"}}, ("bindings", "top_k")),
        ({"bindings": {"top_k": True}}, ("bindings", "top_k")),
        ({"bindings": {"top_k": 1.5}}, ("bindings", "top_k")),
        ({"bindings": {"top_k": 10**400}}, ("bindings", "top_k")),
        ({"bindings": {"top_k": 3, "is_fast": 1}}, ("bindings", "is_fast")),
        ({"bindings": {"top_k": 3, "s3cretive": 1}}, ("bindings", "s3cretive")),
        ({"bindings": {"top_k": 3, "mode": "\0s3cret"}}, ("bindings", "mode")),
        ({"bindings": {"top_k": 3, "mode": "s3cret" * 10_000}}, ("bindings", "mode")),
        ({"bindings": {f"s3cretive{number}": 1 for number in range(2000)}}, ()),
        ({"bindings": {"top_k": json.loads("[" * 500 + "]" * 500)}}, None),
    ],
)
def test_invalid(parameters: Any, path: tuple[str, ...] | None) -> None:
    with pytest.raises(Failure) as raised:
        check_bindings(body(parameters), model())
    assert raised.value.reason is FailureReason.INVALID_REQUEST
    if path is not None:
        assert tuple(raised.value.param) == ("model_request_parameters", *path)
    assert "s3cret" not in raised.value.message.replace("s3cretive", "")
    assert len(raised.value.message) < 500


def test_undeclared_parameters() -> None:
    with pytest.raises(Failure) as raised:
        check_bindings(body({"bindings": {"top_k": 3}}), UNDECLARED)
    assert tuple(raised.value.param) == ("model_request_parameters", "bindings", "top_k")


@pytest.mark.parametrize(
    "text",
    [
        b'{"model_request_parameters": {"bindings": {"top_k": "s3cret"}}, "model_request_parameters": null}',
        b'{"model_request_parameters": null, "model_request_parameters": {"bindings": {"top_k": 3}}}',
        b'{"model_request_parameters": {"bindings": {"top_k": "s3cret", "top_k": 3}}}',
        b'{"model_request_parameters": {"bindings": {"x": 1}, "bindings": {"top_k": 3}}}',
        b'{"model_request\\u005fparameters": {}, "model_request_parameters": {"bindings": {"top_k": 3}}}',
    ],
)
def test_a_key_twice_is_refused(text: bytes) -> None:
    with pytest.raises(Failure) as raised:
        check_bindings(text, model())
    assert raised.value.reason is FailureReason.INVALID_REQUEST


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        b'{"a": NaN}',
        b'{"model_request_parameters": NaN}',
        b'{"model_request_parameters": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
    ],
)
def test_no_json_object(text: bytes) -> None:
    with pytest.raises(Failure) as raised:
        check_bindings(text, model())
    assert raised.value.reason is FailureReason.INVALID_BODY


CHAT = {"messages": [{"role": "user", "content": "a"}], "temperature": 0.5}
TEXTS = {"texts": ["a"]}
RANK = {"query": "q", "chunks": ["a"]}


@pytest.mark.parametrize(
    ("each", "body", "name"),
    [
        *[(cell("execute", "CHAT_COMPLETION", "OPENAI"), CHAT, name) for name in ("model", "stream", "n")],
        *[(cell("execute", "CHAT_COMPLETION", "OPENAI"), CHAT, name) for name in ("messages", "temperature")],
        *[(cell("execute", "EMBEDDING", "COHERE"), TEXTS, name) for name in ("texts", "images", "inputs")],
        *[(cell("execute", "RERANKING", "COHERE"), RANK, name) for name in ("top_n", "return_documents")],
        (cell("execute", "RERANKING", "TEI"), RANK, "return_text"),
    ],
)
def test_a_binding_replaces_no_field_that_the_gateway_sets(each: Cell, body: Any, name: str) -> None:
    request = {**body, "model_request_parameters": {"bindings": {name: "s3cret"}}}
    with pytest.raises(Failure) as raised:
        each.translation().request(json.dumps(request).encode())
    assert tuple(raised.value.param) == ("model_request_parameters", "bindings", name)
    assert "s3cret" not in raised.value.message


def test_a_binding_may_set_the_type_of_input() -> None:
    bindings = {"input_type": "search_query"}
    request = {**TEXTS, "model_request_parameters": {"bindings": bindings}}
    each = cell("execute", "EMBEDDING", "COHERE")
    sent = json.loads(each.translation().request(json.dumps(request).encode()).body)
    assert sent["input_type"] == "search_query"


def test_a_binding_may_set_what_the_request_leaves_out() -> None:
    each = cell("execute", "CHAT_COMPLETION", "OPENAI")
    bindings = {"temperature": 0.7, "repetition_penalty": 1.1}
    request = {
        "messages": [{"role": "user", "content": "a"}],
        "model_request_parameters": {"bindings": bindings},
    }
    sent = json.loads(each.translation().request(json.dumps(request).encode()).body)
    assert sent.items() >= bindings.items()


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": [1]},
        {"pattern": 5},
        {"pattern": "("},
        {"anyOf": 5},
        {"properties": {"a": {"pattern": 7}}},
    ],
)
def test_a_schema_that_is_none_refuses_what_it_should_judge(schema: dict[str, Any]) -> None:
    with pytest.raises(Failure) as caught:
        check_bindings(body({"bindings": {"a": 1}}), Model("", "", "", 0, (), bindings_schema=schema))
    assert caught.value.reason is FailureReason.INVALID_REQUEST
