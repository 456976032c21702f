"""The numbers of tokens that answers state, however their bytes arrive."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.usage import Usage, UsageReader, usage_of

OPENAI = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46}
DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def read(*chunks: bytes) -> Usage | None:
    reader = UsageReader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader.usage()


def event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"choices": [], "usage": OPENAI}, Usage(12, 34)),
        ({"usage": DETAILS | OPENAI}, Usage(12, 34)),
        ({"usage": OPENAI | DETAILS, "results": [{"index": n} for n in range(5000)]}, Usage(12, 34)),
        (
            {"data": [{"embedding": [0.25] * 9000}], "usage": {"prompt_tokens": 5, "total_tokens": 5}},
            Usage(5, None),
        ),
        ({"results": [], "usage": {"total_tokens": 7}}, Usage(7, None)),
        ({"usage": {"input_tokens": 3, "output_tokens": 4}}, Usage(3, 4)),
        ({"meta": {"billed_units": {"input_tokens": 9}}}, Usage(9, None)),
        ({"meta": {"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 2.0}}}, Usage(2, None)),
        ({"completions": [["a", ["b"]]], "prompt_tokens": 3, "response_tokens": 5}, Usage(3, 5)),
        ({"embeddings": [["a", [0.5]]], "tokens_used": 11}, Usage(11, None)),
        ({"usage": None}, None),
        ({"usage": {}}, None),
        ({"usage": {"prompt_tokens": "12"}}, None),
        ({"usage": {"prompt_tokens": -1}}, None),
        ({"usage": {"prompt_tokens": 10**30}}, None),
        ({"usage": [1]}, None),
        ({"text": "usage"}, None),
        ({"text": '"usage": {"prompt_tokens": 1}'}, None),
        ({}, None),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bodies(body: dict[str, Any], expected: Usage | None) -> None:
    assert read(json.dumps(body).encode()) == expected
    assert read(json.dumps(body, indent=1).encode()) == expected


def test_a_text_of_the_model_is_no_usage() -> None:
    body = {"choices": [{"text": json.dumps({"usage": {"prompt_tokens": 1}})}], "usage": OPENAI}
    assert read(event(body)) == Usage(12, 34)
    assert read(event({"choices": body["choices"]})) is None


def test_the_last_chunk_of_a_stream_that_has_it_counts() -> None:
    early = event({"choices": [{"delta": {"content": "a"}}], "usage": OPENAI | {"completion_tokens": 1}})
    late = event({"choices": [], "usage": OPENAI})
    nothing = event({"choices": [], "usage": None})
    assert read(early, nothing, late, b"data: [DONE]\n\n") == Usage(12, 34)
    assert read(early, nothing, b"data: [DONE]\n\n") == Usage(12, 1)
    assert read(nothing, b"data: [DONE]\n\n") is None


@given(st.lists(st.integers(1, 400), max_size=40))
def test_cuts_make_no_difference(sizes: list[int]) -> None:
    stream = event({"usage": None, "choices": ["x" * 300]}) + event({"usage": OPENAI}) + b"data: [DONE]\n\n"
    chunks, at = [], 0
    for size in sizes:
        chunks.append(stream[at : at + size])
        at += size
    assert read(*chunks, stream[at:]) == Usage(12, 34)


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_are_an_error(noise: bytes, begins: bool) -> None:
    usage_of(b'"usage":{' + noise if begins else noise + b'"tokens_used":')


def test_what_is_kept_is_bounded() -> None:
    reader = UsageReader()
    reader.feed(b"x" * 100)
    for size in (1, 5_000, 1_000_000, 3, 20_000_000):
        for _ in range(20):
            reader.feed(b"x" * size)
            assert len(reader._head) + sum(map(len, reader._tail)) <= 32 * 1024
