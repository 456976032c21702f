"""Answers that break the server's protocol: the failure of the worker, with the place, never the content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.failures import Failure, FailureReason
from tests.unit.core.gateway.translation.cells import TRANSLATED, Cell, cell

SECRET = "s3cret"
SGP_CHAT = cell("chat-completions", "CHAT_COMPLETION", "SGP")
SGP_TEXT = cell("completions", "COMPLETION", "SGP")
SGP_EMBED = cell("embeddings", "EMBEDDING", "SGP")
SGP_RANK = cell("rerank-v2", "RERANKING", "SGP")
OPENAI_CHAT = cell("execute", "CHAT_COMPLETION", "OPENAI")
OPENAI_TEXT = cell("execute", "COMPLETION", "OPENAI")
OPENAI_EMBED = cell("execute", "EMBEDDING", "OPENAI")
COHERE_EMBED = cell("execute", "EMBEDDING", "COHERE")
COHERE_RANK = cell("execute", "RERANKING", "COHERE")
TEI_EMBED = cell("execute", "EMBEDDING", "TEI")
TEI_RANK = cell("execute", "RERANKING", "TEI")


def ranks(*indices: int) -> list[dict[str, Any]]:
    return [{"index": index, "relevance_score": 0.5, "score": 0.5} for index in indices]


def choices(*indices: int) -> dict[str, Any]:
    return {"choices": [{"index": index, "text": SECRET} for index in indices]}


CASES: list[tuple[Cell, Any, str]] = [
    (SGP_CHAT, {}, "`message`"),
    (SGP_CHAT, {"message": SECRET}, "$.message"),
    (SGP_CHAT, {"message": {"role": "assistant"}}, "$.message"),
    (SGP_CHAT, {"message": {"content": [SECRET]}}, "$.message.content"),
    (SGP_CHAT, {"completions": [[SECRET, []]]}, "`message`"),
    (SGP_TEXT, {"message": {"content": SECRET}}, "`completions`"),
    (SGP_TEXT, {"completions": [[SECRET, [SECRET]]]}, "expected 2 items, got 1 - at `$.completions`"),
    (SGP_TEXT, {"completions": [[SECRET, [SECRET]], [SECRET, []]]}, "$.completions[...][1]"),
    (SGP_TEXT, {"completions": [[SECRET, SECRET], [SECRET, []]]}, "$.completions[0][1]"),
    (SGP_TEXT, {"completions": [[SECRET], [SECRET]]}, "$.completions[0]"),
    (SGP_EMBED, {"embeddings": [["a", [1]]]}, "expected 2 items, got 1"),
    (SGP_EMBED, {"embeddings": [["a", [1]], ["b", [SECRET]]]}, "$.embeddings[1][1][0]"),
    (SGP_EMBED, {"embeddings": [["a", [1]], ["b", [None]]]}, "$.embeddings[1][1][0]"),
    (SGP_EMBED, {"embeddings": [[1], [2]]}, "$.embeddings[0]"),
    (SGP_EMBED, {"embeddings": [["a", [1e300]], ["b", [1]]]}, "numbers of 32 bits"),
    (SGP_EMBED, [], "Expected `object`, got `array`"),
    (SGP_RANK, {"chunk_scores": [1, 2]}, "expected 3 items, got 2 - at `$.chunk_scores`"),
    (SGP_RANK, {"chunk_scores": [1, 2, True]}, "$.chunk_scores[2]"),
    (OPENAI_CHAT, {"error": {"message": SECRET}}, "`choices`"),
    (OPENAI_CHAT, {"choices": []}, "expected 1 item, got 0 - at `$.choices`"),
    (OPENAI_CHAT, {"choices": [{"index": 0}]}, "$.choices"),
    (OPENAI_CHAT, {"choices": [{"index": 3, "message": {"content": SECRET}}]}, "$.choices"),
    (OPENAI_TEXT, choices(0), "expected 2 items, got 1 - at `$.choices`"),
    (OPENAI_TEXT, choices(0, 0), "expected 2 items, got 1 - at `$.choices`"),
    (OPENAI_TEXT, choices(0, 2), "$.choices"),
    (OPENAI_EMBED, {"data": [{"index": 0, "embedding": [1]}]}, "expected 2 items"),
    (OPENAI_EMBED, {"data": [{"index": 0, "embedding": [1]}] * 2}, "$.data[...].index"),
    (
        OPENAI_EMBED,
        {"data": [{"index": 1, "embedding": [1]}, {"index": 2, "embedding": [1]}]},
        "$.data[...].index",
    ),
    (OPENAI_EMBED, {"data": [{"index": 0, "embedding": SECRET}] * 2}, "$.data[0].embedding"),
    (COHERE_EMBED, {"embeddings": [[1], [2]]}, "$.embeddings"),
    (COHERE_EMBED, {"embeddings": {"int8": [[1], [2]]}}, "`float`"),
    (COHERE_RANK, {"results": ranks(0, 1)}, "expected 3 items, got 2 - at `$.results`"),
    (COHERE_RANK, {"results": ranks(0, 1, 1)}, "$.results[...].index"),
    (COHERE_RANK, {"results": ranks(1, 2, 3)}, "$.results[...].index"),
    (COHERE_RANK, {"results": ranks(-1, 0, 1)}, "$.results[...].index"),
    (TEI_EMBED, {"error": SECRET, "error_type": "Backend"}, "Expected `array`, got `object`"),
    (TEI_EMBED, [[1]], "expected 2 items, got 1 - at `$`"),
    (TEI_EMBED, [[1], [[2]]], "$[1][0]"),
    (TEI_RANK, ranks(0, 1, 7), "$[...].index"),
    (TEI_RANK, [{"index": 0}], "`score`"),
]


def failure_of(cell: Cell, answer: bytes) -> Failure:
    translation = cell.translation()
    translation.request(cell.request)
    with pytest.raises(Failure) as raised:
        translation.response(answer)
    return raised.value


@pytest.mark.parametrize(("each", "answer", "part"), CASES)
def test_an_answer_that_is_not_promised(each: Cell, answer: Any, part: str) -> None:
    failure = failure_of(each, json.dumps(answer).encode())
    assert failure.reason is FailureReason.WORKER_FAILED
    assert part in failure.message
    assert each.protocol in failure.message
    assert "Action (template owner)" in failure.message
    assert SECRET not in failure.message


@pytest.mark.parametrize("cell", TRANSLATED, ids=str)
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>s3cret</html>",
        b"null",
        b"{",
        b"\xff",
        b'{"message": NaN}',
        b"[" * 100_000,
        b'{"embeddings": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_no_json(cell: Cell, answer: bytes) -> None:
    failure = failure_of(cell, answer)
    assert failure.reason is FailureReason.WORKER_FAILED
    assert SECRET not in failure.message


def test_a_vector_of_another_length_than_requested() -> None:
    each = cell("embeddings", "EMBEDDING", "COHERE")
    translation = each.translation()
    translation.request(json.dumps({"model": "m", "input": ["a"], "dimensions": 3}).encode())
    with pytest.raises(Failure, match=r"expected 3 numbers, got 2 - at `\$.embeddings.float\[0\]`"):
        translation.response(b'{"embeddings": {"float": [[1, 2]]}}')


@given(st.data())
def test_any_damage_is_the_failure_of_the_worker_or_harmless(data: st.DataObject) -> None:
    cell = data.draw(st.sampled_from(TRANSLATED))
    text = json.dumps(cell.server["answer"]).encode()
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.binary(max_size=3)) + text[at + data.draw(st.integers(0, 4)) :]
    translation = cell.translation()
    translation.request(cell.request)
    reason = None
    try:
        json.loads(translation.response(damaged))
    except Failure as failure:
        reason = failure.reason
    assert reason in (None, FailureReason.WORKER_FAILED)
