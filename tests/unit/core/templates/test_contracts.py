"""Requests and responses of each model type, as the platform documents them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry

from model_operator.core.parameters.schema import ParameterSchema, parse_parameter_schema
from model_operator.core.templates.contracts import request_schema, response_schema, supports_multi_turn

MODEL_TYPES = ["COMPLETION", "CHAT_COMPLETION", "EMBEDDING", "RERANKING", "AGENT", "GENERIC"]
EXAMPLES = yaml.safe_load((Path(__file__).parent / "examples.yaml").read_text(encoding="utf-8"))
NONE = parse_parameter_schema(None, ())
TOP_K = parse_parameter_schema(
    {"parameters": [{"name": "top_k", "type": "int", "description": "Candidates.", "required": True}]}, ()
)


def is_valid(schema: Any, body: Any) -> bool:
    return Draft202012Validator(schema, registry=Registry()).is_valid(body)


def bodies(direction: str, verdict: str) -> list[Any]:
    return [
        pytest.param(model_type, body, id=f"{model_type}-{index}")
        for model_type in MODEL_TYPES
        for index, body in enumerate(EXAMPLES[model_type][direction][verdict])
    ]


@pytest.mark.parametrize(("model_type", "body"), bodies("request", "valid"))
def test_valid_request(model_type: str, body: Any) -> None:
    assert is_valid(request_schema(model_type, NONE), body)


@pytest.mark.parametrize(("model_type", "body"), bodies("request", "invalid"))
def test_invalid_request(model_type: str, body: Any) -> None:
    assert not is_valid(request_schema(model_type, NONE), body)


@pytest.mark.parametrize(("model_type", "body"), bodies("response", "valid"))
def test_valid_response(model_type: str, body: Any) -> None:
    assert is_valid(response_schema(model_type), body)


@pytest.mark.parametrize(("model_type", "body"), bodies("response", "invalid"))
def test_invalid_response(model_type: str, body: Any) -> None:
    assert not is_valid(response_schema(model_type), body)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize(
    ("declared", "given", "valid"),
    [
        (TOP_K, None, True),
        (TOP_K, {"bindings": {"top_k": 3}}, True),
        (TOP_K, {"bindings": {"top_k": "3"}}, False),
        (TOP_K, {"bindings": {}}, False),
        (TOP_K, {"bindings": {"top_k": 3, "top_p": 1}}, False),
        (TOP_K, {"bindings": {"top_k": 3}, "other": 1}, False),
        (TOP_K, {}, False),
        (NONE, {"bindings": {}}, True),
        (NONE, {"bindings": {"top_k": 3}}, False),
    ],
)
def test_request_parameters(model_type: str, declared: ParameterSchema, given: Any, valid: bool) -> None:
    body = {**EXAMPLES[model_type]["request"]["valid"][0]}
    if given is not None:
        body["model_request_parameters"] = given

    assert is_valid(request_schema(model_type, declared), body) is valid


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_schemas_are_valid_and_fresh(model_type: str) -> None:
    request, response = request_schema(model_type, TOP_K), response_schema(model_type)
    for schema in (request, response):
        Draft202012Validator.check_schema(schema)
        schema.setdefault("properties", {})["model_request_parameters"] = "changed"

    assert request_schema(model_type, TOP_K) != request
    assert response_schema(model_type) != response
    assert "top_k" in TOP_K.properties


def test_multi_turn() -> None:
    assert [name for name in MODEL_TYPES if supports_multi_turn(name)] == ["CHAT_COMPLETION", "AGENT"]


def test_type_without_a_contract_takes_anything() -> None:
    assert request_schema("BUNDLE", NONE) == request_schema("GENERIC", NONE)
    assert response_schema("BUNDLE") == {}
