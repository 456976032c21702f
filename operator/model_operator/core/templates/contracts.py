"""JSON Schemas of requests and responses for each model type, reported in an instance's status.

They describe the JSON bodies of the server at ``predict_route``, which are also those of the platform's
Execute Model API. Messages, tools and the agent's response follow the platform's public client,
``scale_gp.types.agent_execute_params`` and ``execute_agent_response``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from model_operator.core.parameters.schema import ParameterSchema

REQUEST_PARAMETERS: Final = "model_request_parameters"
"""Field of a request with the values for the template's ``model_request_parameters_schema``."""

_Schema = dict[str, Any]

_STRING: Final = {"type": "string"}
_INTEGER: Final = {"type": "integer"}


def _list_of(items: _Schema, **bounds: int) -> _Schema:
    return {"type": "array", "items": items, **bounds}


def _pair(first: _Schema, second: _Schema) -> _Schema:
    return {"type": "array", "prefixItems": [first, second], "items": False, "minItems": 2}


def _object(required: Mapping[str, _Schema], optional: Mapping[str, _Schema] | None = None) -> _Schema:
    """Return a closed object; `required` and `optional` map the names of its fields to their schemas."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _message(role: str, required: Mapping[str, _Schema], optional: Mapping[str, _Schema]) -> _Schema:
    return _object({"role": {"const": role}, **required}, optional)


_CONTENT: Final = {"content": _STRING}
_TOOL_REQUEST: Final = _object({"name": _STRING, "arguments": _STRING})
_TOOL_ARGUMENT: Final = _object(
    {
        "type": {"enum": ["string", "number", "integer", "boolean", "object", "array", "null"]},
        "description": _STRING,
    },
    {"default": _STRING, "examples": _list_of(_STRING)},
)
_TOOL: Final = _object(
    {
        "name": _STRING,
        "description": _STRING,
        "arguments": _object(
            {"type": {"const": "object"}},
            {"properties": {"type": "object", "additionalProperties": _TOOL_ARGUMENT}},
        ),
    }
)
_ASSISTANT_MESSAGE: Final = _message("assistant", _CONTENT, {})
_MESSAGES: Final = _list_of(
    {
        # `role` selects the alternative.
        "oneOf": [
            _message("user", _CONTENT, {}),
            _message("system", _CONTENT, {}),
            _ASSISTANT_MESSAGE,
            _message("tool", {"name": _STRING, **_CONTENT}, {}),
            _message("agent", {}, {**_CONTENT, "tool_request": _TOOL_REQUEST}),
        ]
    }
)
_SAMPLING: Final = {
    "temperature": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.2},
    "stop_sequences": _list_of(_STRING, maxItems=4),
    "max_tokens": _INTEGER,
}
_TOKENS_USED: Final = {"tokens_used": {"type": "integer", "default": 0}}


@dataclass(frozen=True, slots=True)
class _Contract:
    request: _Schema
    response: _Schema
    multi_turn: bool = False


_GENERIC: Final = _Contract({"type": "object", "properties": {}, "required": []}, {})

_CONTRACTS: Final = {
    "COMPLETION": _Contract(
        request=_object({"prompts": _list_of(_STRING)}, _SAMPLING),
        response=_object(
            {"completions": _list_of(_pair(_STRING, _list_of(_STRING)))},
            {"finish_reason": _STRING, "prompt_tokens": _INTEGER, "response_tokens": _INTEGER},
        ),
    ),
    "CHAT_COMPLETION": _Contract(
        request=_object({"messages": _MESSAGES}, _SAMPLING),
        response=_object({"message": _ASSISTANT_MESSAGE}, {"finish_reason": _STRING}),
        multi_turn=True,
    ),
    "EMBEDDING": _Contract(
        request=_object({"texts": _list_of(_STRING)}),
        response=_object(
            {"embeddings": _list_of(_pair(_STRING, _list_of({"type": "number"})))}, _TOKENS_USED
        ),
    ),
    "RERANKING": _Contract(
        request=_object({"query": _STRING, "chunks": _list_of(_STRING)}),
        response=_object({"chunk_scores": _list_of({"type": "number"})}, _TOKENS_USED),
    ),
    "AGENT": _Contract(
        request=_object(
            {"tools": _list_of(_TOOL), "messages": _MESSAGES},
            {
                "memory_strategy": _object(
                    {"params": _object({"k": _INTEGER})}, {"name": {"const": "last_k"}}
                ),
                "instructions": _STRING,
            },
        ),
        response=_object(
            {
                "action": {"enum": ["tool_request", "content"]},
                "context": _object(
                    {},
                    # The key that is not the value of `action` is null.
                    {
                        "content": {"type": ["string", "null"]},
                        "tool_request": {"anyOf": [_TOOL_REQUEST, {"type": "null"}]},
                    },
                ),
            }
        ),
        multi_turn=True,
    ),
}


def contracts(model_type: str, request_parameters: ParameterSchema) -> dict[str, Any]:
    """Return ``request_schema``, ``response_schema`` and ``supports_multi_turn`` of an instance's status.

    The arguments are those of :func:`request_schema`.
    """
    return {
        "request_schema": request_schema(model_type, request_parameters),
        "response_schema": response_schema(model_type),
        "supports_multi_turn": supports_multi_turn(model_type),
    }


def request_schema(model_type: str, request_parameters: ParameterSchema) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a request body, a new copy.

    Parameters
    ----------
    model_type
        A `ModelType`. A type without its own contract accepts any object.
    request_parameters
        Parameters of the template's ``model_request_parameters_schema``; a request may set them in
        ``model_request_parameters.bindings``.
    """
    schema = copy.deepcopy(_contract(model_type).request)
    bindings = copy.deepcopy(request_parameters.schema)
    schema["properties"][REQUEST_PARAMETERS] = _object({"bindings": bindings})
    return schema


def response_schema(model_type: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a response body, a new copy; empty if it is not specified."""
    return copy.deepcopy(_contract(model_type).response)


def supports_multi_turn(model_type: str) -> bool:
    """Whether models of this type support conversations natively: they take messages, not texts."""
    return _contract(model_type).multi_turn


def _contract(model_type: str) -> _Contract:
    return _CONTRACTS.get(model_type, _GENERIC)
