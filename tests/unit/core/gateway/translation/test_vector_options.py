"""Options of embeddings by the names that each server has for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.core.gateway.translation.cells import Cell, cell

OPENAI_REQUEST = {"model": "m", "input": "a", "dimensions": 64}
COHERE_REQUEST = {"model": "m", "texts": ["a"], "input_type": "search_query"}


@pytest.mark.parametrize(
    ("each", "request_", "sent"),
    [
        (cell("embeddings", "EMBEDDING", "COHERE"), OPENAI_REQUEST, {"output_dimension": 64}),
        (cell("embeddings", "EMBEDDING", "TEI"), OPENAI_REQUEST, {"dimensions": 64}),
        (
            cell("embed-v2", "EMBEDDING", "VLLM"),
            {**COHERE_REQUEST, "output_dimension": 64},
            {"dimensions": 64},
        ),
        (
            cell("embed-v2", "EMBEDDING", "TEI"),
            {**COHERE_REQUEST, "output_dimension": 64},
            {"dimensions": 64},
        ),
        (cell("embed-v2", "EMBEDDING", "TEI"), {**COHERE_REQUEST, "truncate": "NONE"}, {"truncate": False}),
        (
            cell("embed-v2", "EMBEDDING", "TEI"),
            {**COHERE_REQUEST, "truncate": "START"},
            {"truncate": True, "truncation_direction": "Left"},
        ),
        (
            cell("embed-v2", "EMBEDDING", "TEI"),
            {**COHERE_REQUEST, "truncate": "END"},
            {"truncate": True, "truncation_direction": "Right"},
        ),
    ],
)
def test_an_option(each: Cell, request_: Any, sent: dict[str, Any]) -> None:
    body = json.loads(each.translation().request(json.dumps(request_).encode()).body)
    assert body.items() >= sent.items()


def test_scores_that_are_equal_keep_the_order_of_the_documents() -> None:
    translation = cell("rerank-v2", "RERANKING", "SGP").translation()
    translation.request(json.dumps({"model": "m", "query": "q", "documents": ["a", "b", "c"]}).encode())
    answer = json.loads(translation.response(b'{"chunk_scores": [0.5, 0.7, 0.5]}'))
    assert [each["index"] for each in answer["results"]] == [1, 0, 2]
