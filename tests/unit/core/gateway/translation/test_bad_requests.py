"""Requests that are wrong: an error with the path, no value of the request, and no traceback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.translation.fields import MAX_TEXTS
from tests.unit.core.gateway.translation.cells import TRANSLATED, Cell, cell

SECRET = "s3cret"
CHAT = cell("chat-completions", "CHAT_COMPLETION", "SGP")
TEXT = cell("completions", "COMPLETION", "SGP")
EMBEDDINGS = cell("embeddings", "EMBEDDING", "SGP")
EMBED = cell("embed-v2", "EMBEDDING", "SGP")
EMBED_TEI = cell("embed-v2", "EMBEDDING", "TEI")
RERANK = cell("rerank-v1", "RERANKING", "SGP")
EXECUTE_CHAT = cell("execute", "CHAT_COMPLETION", "OPENAI")
EXECUTE_TEXT = cell("execute", "COMPLETION", "OPENAI")
TYPED_CHAT = cell("platform-chat-completions", "CHAT_COMPLETION", "SGP")
TYPED_VLLM_CHAT = cell("platform-chat-completions", "CHAT_COMPLETION", "VLLM")
TYPED_TEXT = cell("platform-completions", "COMPLETION", "OPENAI")
TYPED_RANK = cell("platform-rerankings", "RERANKING", "COHERE")
EXECUTE_RANK = cell("execute", "RERANKING", "TEI")
INVALID, UNSUPPORTED = FailureReason.INVALID_REQUEST, FailureReason.UNSUPPORTED_FIELD
PNG = {"type": "image_url", "image_url": {"url": SECRET}}


def user(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": SECRET, **fields}]}


PART = ("chat_history", 0, "content", 0)


def history(part: Any) -> dict[str, Any]:
    return {"chat_history": [{"role": "user", "content": [part]}]}


CASES: list[tuple[Cell, Mapping[str, Any], FailureReason, tuple[str | int, ...]]] = [
    (CHAT, {"model": None}, INVALID, ("model",)),
    (CHAT, {"model": 1}, INVALID, ("model",)),
    (CHAT, {"messages": None}, INVALID, ("messages",)),
    (CHAT, {"messages": []}, INVALID, ("messages",)),
    (CHAT, {"messages": [SECRET] * 10_000}, INVALID, ("messages",)),
    (CHAT, user(content=[SECRET] * 129), INVALID, ("messages", 0, "content")),
    (CHAT, {"messages": SECRET}, INVALID, ("messages",)),
    (CHAT, {"messages": [SECRET]}, INVALID, ("messages", 0)),
    (CHAT, {"messages": [{}]}, INVALID, ("messages", 0, "role")),
    (CHAT, user(role=1), INVALID, ("messages", 0, "role")),
    (CHAT, user(role=SECRET), INVALID, ("messages", 0, "role")),
    (CHAT, user(role="tool"), UNSUPPORTED, ("messages", 0, "role")),
    (CHAT, user(content=None), INVALID, ("messages", 0, "content")),
    (CHAT, user(content=5), INVALID, ("messages", 0, "content")),
    (CHAT, user(content=[]), INVALID, ("messages", 0, "content")),
    (CHAT, user(content=[SECRET]), INVALID, ("messages", 0, "content", 0)),
    (CHAT, user(content=[{"type": "text"}]), INVALID, ("messages", 0, "content", 0, "text")),
    (CHAT, user(content=[{"type": "text", "text": "a"}, PNG]), UNSUPPORTED, ("messages", 0, "content", 1)),
    (CHAT, user(name=SECRET), UNSUPPORTED, ("messages", 0, "name")),
    (CHAT, user(role="assistant", tool_calls=[{}]), UNSUPPORTED, ("messages", 0, "tool_calls")),
    (CHAT, {"tools": [{}]}, UNSUPPORTED, ("tools",)),
    (CHAT, {"n": 2}, UNSUPPORTED, ("n",)),
    (CHAT, {"n": True}, UNSUPPORTED, ("n",)),
    (CHAT, {"seed": 1}, UNSUPPORTED, ("seed",)),
    (CHAT, {"top_p": 0.5}, UNSUPPORTED, ("top_p",)),
    (CHAT, {"top_p": SECRET}, INVALID, ("top_p",)),
    (CHAT, {"logprobs": True}, UNSUPPORTED, ("logprobs",)),
    (CHAT, {"presence_penalty": 1}, UNSUPPORTED, ("presence_penalty",)),
    (CHAT, {"reasoning_effort": "low"}, UNSUPPORTED, ("reasoning_effort",)),
    (CHAT, {"response_format": {"type": "json_object"}}, UNSUPPORTED, ("response_format",)),
    (CHAT, {"unheard_of": SECRET}, UNSUPPORTED, ("unheard_of",)),
    (CHAT, {"x" * 10_000: 1}, UNSUPPORTED, ("x" * 64,)),
    (CHAT, {"temperature": 1.5}, INVALID, ("temperature",)),
    (CHAT, {"temperature": -1}, INVALID, ("temperature",)),
    (CHAT, {"temperature": True}, INVALID, ("temperature",)),
    (CHAT, {"temperature": "0.5"}, INVALID, ("temperature",)),
    (CHAT, {"temperature": 10**400}, INVALID, ("temperature",)),
    (CHAT, {"max_tokens": 0, "max_completion_tokens": None}, INVALID, ("max_tokens",)),
    (CHAT, {"max_tokens": 9}, INVALID, ("max_tokens",)),
    (CHAT, {"max_completion_tokens": True}, INVALID, ("max_completion_tokens",)),
    (CHAT, {"max_completion_tokens": 1.5}, INVALID, ("max_completion_tokens",)),
    (CHAT, {"max_completion_tokens": 2**70}, INVALID, ("max_completion_tokens",)),
    (CHAT, {"stop": ["a"] * 5}, INVALID, ("stop",)),
    (CHAT, {"stop": ["a", 1]}, INVALID, ("stop", 1)),
    (CHAT, {"stop": {}}, INVALID, ("stop",)),
    (CHAT, {"stream": "true"}, INVALID, ("stream",)),
    (CHAT, {"stream_options": True}, INVALID, ("stream_options",)),
    (CHAT, {"stream_options": {"include_usage": 1}}, INVALID, ("stream_options", "include_usage")),
    (CHAT, {"stream_options": {"other": 1}}, INVALID, ("stream_options", "other")),
    (TEXT, {"prompt": [1, 2]}, INVALID, ("prompt",)),
    (TEXT, {"prompt": [[1, 2]]}, INVALID, ("prompt",)),
    (TEXT, {"prompt": []}, INVALID, ("prompt",)),
    (TEXT, {"prompt": 1}, INVALID, ("prompt",)),
    (TEXT, {"echo": True}, UNSUPPORTED, ("echo",)),
    (TEXT, {"best_of": 3}, UNSUPPORTED, ("best_of",)),
    (TEXT, {"logprobs": 0}, UNSUPPORTED, ("logprobs",)),
    (TEXT, {"suffix": SECRET}, UNSUPPORTED, ("suffix",)),
    (EMBEDDINGS, {"input": [SECRET] * (MAX_TEXTS + 1)}, INVALID, ("input",)),
    (EMBEDDINGS, {"input": [SECRET] * 10_000}, INVALID, ("input",)),
    (EMBEDDINGS, {"input": [SECRET, 1]}, INVALID, ("input", 1)),
    (EMBEDDINGS, {"input": [SECRET, None]}, INVALID, ("input", 1)),
    (EMBEDDINGS, {"input": [1, SECRET]}, INVALID, ("input",)),
    (EMBEDDINGS, {"input": [[[]]]}, INVALID, ("input",)),
    (EMBEDDINGS, {"input": {}}, INVALID, ("input",)),
    (EMBEDDINGS, {"input": None}, INVALID, ("input",)),
    (EMBEDDINGS, {"encoding_format": SECRET}, INVALID, ("encoding_format",)),
    (EMBEDDINGS, {"dimensions": 64}, UNSUPPORTED, ("dimensions",)),
    (EMBEDDINGS, {"dimensions": -1}, INVALID, ("dimensions",)),
    (EMBED, {"input_type": None}, INVALID, ("input_type",)),
    (EMBED, {"input_type": "image"}, INVALID, ("input_type",)),
    (EMBED, {"texts": None}, INVALID, ("texts",)),
    (EMBED, {"images": [SECRET]}, UNSUPPORTED, ("images",)),
    (EMBED, {"embedding_types": ["float", "int8"]}, UNSUPPORTED, ("embedding_types", 1)),
    (EMBED, {"embedding_types": []}, INVALID, ("embedding_types",)),
    (EMBED, {"truncate": "END"}, UNSUPPORTED, ("truncate",)),
    (EMBED_TEI, {"truncate": SECRET}, INVALID, ("truncate",)),
    (EMBED, {"output_dimension": 64}, UNSUPPORTED, ("output_dimension",)),
    (EMBED, {"inputs": [{"content": [PNG]}], "texts": None}, UNSUPPORTED, ("inputs", 0, "content", 0)),
    (EMBED, {"inputs": [{"content": [{"text": SECRET}]}]}, INVALID, ("inputs",)),
    (EMBED, {"max_tokens": 5}, UNSUPPORTED, ("max_tokens",)),
    (RERANK, {"query": None}, INVALID, ("query",)),
    (RERANK, {"documents": []}, INVALID, ("documents",)),
    (RERANK, {"documents": [1]}, INVALID, ("documents", 0)),
    (RERANK, {"documents": ["a", {"title": SECRET}]}, INVALID, ("documents", 1, "text")),
    (RERANK, {"documents": ["a", {"text": 1}]}, INVALID, ("documents", 1, "text")),
    (RERANK, {"documents": [{"text": "a", "other": [[]]}]}, INVALID, ("documents", 0, "other")),
    (TYPED_VLLM_CHAT, {"chat_template_kwargs": {"a": 10**400}}, INVALID, ("chat_template_kwargs", "a")),
    (RERANK, {"documents": [SECRET] * 10_000}, INVALID, ("documents",)),
    (RERANK, {"top_n": 0}, INVALID, ("top_n",)),
    (RERANK, {"top_n": "1"}, INVALID, ("top_n",)),
    (RERANK, {"return_documents": 1}, INVALID, ("return_documents",)),
    (RERANK, {"rank_fields": ["title"]}, UNSUPPORTED, ("rank_fields",)),
    (RERANK, {"max_chunks_per_doc": 5}, UNSUPPORTED, ("max_chunks_per_doc",)),
    (EXECUTE_CHAT, {"messages": []}, INVALID, ("messages",)),
    (EXECUTE_CHAT, user(content=[{"type": "text", "text": "a"}]), INVALID, ("messages", 0, "content")),
    (EXECUTE_CHAT, user(role="developer"), INVALID, ("messages", 0, "role")),
    (EXECUTE_CHAT, user(role="tool"), INVALID, ("messages", 0, "name")),
    (
        EXECUTE_CHAT,
        user(role="agent", tool_request={"name": "a"}),
        INVALID,
        ("messages", 0, "tool_request", "arguments"),
    ),
    (EXECUTE_CHAT, user(other=1), INVALID, ("messages", 0, "other")),
    (EXECUTE_CHAT, {"temperature": 1.5}, INVALID, ("temperature",)),
    (EXECUTE_CHAT, {"top_p": 1}, UNSUPPORTED, ("top_p",)),
    (EXECUTE_CHAT, {"prompt": SECRET}, UNSUPPORTED, ("prompt",)),
    (EXECUTE_TEXT, {"prompts": SECRET}, INVALID, ("prompts",)),
    (EXECUTE_TEXT, {"prompts": []}, INVALID, ("prompts",)),
    (EXECUTE_TEXT, {"model_request_parameters": 1}, INVALID, ("model_request_parameters",)),
    (EXECUTE_TEXT, {"model_request_parameters": {"x": 1}}, INVALID, ("model_request_parameters", "x")),
    (TYPED_CHAT, {"prompt": None}, INVALID, ("prompt",)),
    (TYPED_CHAT, {"chat_history": [SECRET] * 10_000}, INVALID, ("chat_history",)),
    (TYPED_CHAT, {"chat_history": None}, INVALID, ("chat_history",)),
    (TYPED_CHAT, {"chat_history": [{"content": SECRET}]}, INVALID, ("chat_history", 0, "role")),
    (TYPED_CHAT, {"chat_history": [{"role": SECRET, "content": "a"}]}, INVALID, ("chat_history", 0, "role")),
    (TYPED_CHAT, {"temperature": 3}, INVALID, ("temperature",)),
    (TYPED_CHAT, {"top_k": 5}, UNSUPPORTED, ("top_k",)),
    (TYPED_CHAT, {"chat_template": SECRET}, UNSUPPORTED, ("chat_template",)),
    (TYPED_CHAT, {"messages": []}, UNSUPPORTED, ("messages",)),
    (TYPED_CHAT, history(PNG), UNSUPPORTED, (*PART,)),
    (TYPED_VLLM_CHAT, history({"type": "audio"}), INVALID, (*PART, "type")),
    (TYPED_VLLM_CHAT, history({}), INVALID, (*PART, "text")),
    (TYPED_VLLM_CHAT, history({"image_url": SECRET}), INVALID, (*PART, "image_url")),
    (TYPED_VLLM_CHAT, history({"image_url": {"url": 1}}), INVALID, (*PART, "image_url", "url")),
    (TYPED_VLLM_CHAT, history({**PNG, "text": SECRET}), INVALID, (*PART, "text")),
    (
        TYPED_VLLM_CHAT,
        history({"image_data": {"media_type": f"image/png,{SECRET}", "data": ""}}),
        INVALID,
        (*PART, "image_data", "media_type"),
    ),
    (TYPED_TEXT, {"logprobs": True}, UNSUPPORTED, ("logprobs",)),
    (TYPED_TEXT, {"reasoning_effort": SECRET}, INVALID, ("reasoning_effort",)),
    (TYPED_TEXT, {"stop_sequences": ["a"] * 5}, INVALID, ("stop_sequences",)),
    (TYPED_RANK, {"instruction": SECRET}, UNSUPPORTED, ("instruction",)),
    (EXECUTE_RANK, {"instruction": SECRET}, UNSUPPORTED, ("instruction",)),
    (TYPED_RANK, {"chunks": [{}]}, INVALID, ("chunks", 0)),
]


@pytest.mark.parametrize(("each", "changes", "reason", "path"), CASES)
def test_an_error_has_the_path(
    each: Cell, changes: Mapping[str, Any], reason: FailureReason, path: tuple[str | int, ...]
) -> None:
    request = {**json.loads(each.request), **changes}
    with pytest.raises(Failure) as raised:
        each.translation().request(json.dumps(request).encode())
    failure = raised.value
    assert (failure.reason, tuple(failure.param)) == (reason, path)
    assert SECRET not in failure.message
    assert "Action (user)" in failure.message
    if reason is UNSUPPORTED:
        assert each.protocol in failure.message


HARMLESS: list[tuple[Cell, Mapping[str, Any]]] = [
    (CHAT, {"n": 1, "user": SECRET, "metadata": {"a": "b"}, "store": False, "service_tier": "auto"}),
    (
        CHAT,
        {"top_p": 1.0, "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "logprobs": False},
    ),
    (CHAT, {"tools": None, "seed": None, "unheard_of": None, "response_format": {"type": "text"}}),
    (CHAT, {"stream_options": {"include_usage": True, "include_obfuscation": False}}),
    (CHAT, {"max_tokens": 8.0, "stop": None}),
    (CHAT, {"stop": []}),
    (TEXT, {"best_of": 1, "echo": False, "suffix": None, "user": SECRET}),
    (EMBED, {"inputs": [{"content": [{"type": "text", "text": "cat"}]}, {"content": "dog"}], "texts": None}),
    (EMBED, {"images": [], "priority": 0}),
    (RERANK, {"rank_fields": ["text"], "top_n": 99}),
    (TYPED_CHAT, {"stream": False, "top_p": 1, "logprobs": False, "top_logprobs": 0}),
    (TYPED_CHAT, {"chat_history": []}),
    (cell("platform-rerankings", "RERANKING", "SGP"), {"instruction": "", "stream": False}),
]


@pytest.mark.parametrize(("each", "changes"), HARMLESS)
def test_fields_without_effect_are_accepted(each: Cell, changes: Mapping[str, Any]) -> None:
    request = {**json.loads(each.request), **changes}
    sent = json.loads(each.translation().request(json.dumps(request).encode()).body)
    assert SECRET not in json.dumps(sent)
    assert set(sent) <= {
        *("messages", "prompts", "texts", "query", "chunks"),
        *("temperature", "max_tokens", "stop_sequences", "model_request_parameters"),
    }


@pytest.mark.parametrize("cell", TRANSLATED, ids=str)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"a"',
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b"\xff\xfe",
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\\ud800"}',
        b'{"texts": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_no_json_object(cell: Cell, body: bytes) -> None:
    with pytest.raises(Failure) as raised:
        cell.translation().request(body)
    assert raised.value.reason in (FailureReason.INVALID_BODY, INVALID)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_any_value_in_any_field(data: st.DataObject) -> None:
    cell = data.draw(st.sampled_from(TRANSLATED))
    request = json.loads(cell.request)
    target, key = data.draw(st.sampled_from(list(_places(request))))
    target[key] = data.draw(ANY_JSON)
    found = None
    try:
        cell.translation().request(json.dumps(request).encode())
    except Failure as failure:
        found = failure
    assert found is None or found.reason is FailureReason.INVALID_BODY or found.param


def _places(value: Any) -> Any:
    """Yield every container and key inside a JSON value."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
