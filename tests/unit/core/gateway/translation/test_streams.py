"""Streams between the APIs: cut anywhere, with errors, and with an end that is missing."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.sse import MAX_EVENT_BYTES
from model_operator.core.gateway.translation import StreamTranslator
from tests.unit.core.gateway.translation.cells import TRANSLATED, Cell, cell

STREAMING = [each for each in TRANSLATED if each.stream_request]
SGP_TO_OPENAI_TEXT = cell("completions", "COMPLETION", "SGP")
SGP_TO_OPENAI = cell("chat-completions", "CHAT_COMPLETION", "SGP")
OPENAI_TO_PLATFORM = cell("platform-chat-completions", "CHAT_COMPLETION", "OPENAI")


def translator_of(cell: Cell) -> StreamTranslator:
    translation = cell.translation()
    assert cell.stream_request
    translation.request(cell.stream_request)
    return translation.stream()


def translated(cell: Cell, *chunks: bytes) -> tuple[bytes, Failure | None]:
    """Return the client's bytes, and why the stream failed."""
    translator = translator_of(cell)
    found = b""
    for chunk in chunks:
        found += translator.feed(chunk)
        if translator.failure:
            return found, translator.failure
    try:
        return found + translator.end(), None
    except Failure as failure:
        return found, failure


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(place % len(stream) for place in places)})
    return [stream[start:end] for start, end in itertools.pairwise(places)]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("cell", STREAMING, ids=str)
def test_a_stream_byte_by_byte(cell: Cell, line_end: bytes) -> None:
    stream = cell.server["stream"].encode()
    expected = translated(cell, stream)
    assert expected[1] is None
    stream = stream.replace(b"\n", line_end)
    assert translated(cell, *(bytes([byte]) for byte in stream)) == expected


@given(st.sampled_from(STREAMING), st.lists(st.integers(0, 10_000)), st.booleans(), st.integers(0, 10_000))
def test_a_cut_changes_nothing(cell: Cell, places: list[int], is_damaged: bool, at: int) -> None:
    stream = cell.server["stream"].encode()
    if is_damaged:
        at %= len(stream)
        stream = stream[:at] + b"#" + stream[at:]
    whole, in_pieces = translated(cell, stream), translated(cell, *cut(stream, places))
    assert in_pieces == whole


@pytest.mark.parametrize("cell", STREAMING, ids=str)
def test_only_openai_ends_with_done(cell: Cell) -> None:
    text, _ = translated(cell, cell.server["stream"].encode())
    is_openai = not cell.route.name.startswith(("platform", "execute"))
    assert text.endswith(b"data: [DONE]\n\n") is is_openai
    assert text.count(b"[DONE]") == is_openai


@pytest.mark.parametrize(
    ("each", "error"),
    [
        (SGP_TO_OPENAI, b'event: error\ndata: {"detail": "s3cret"}\n\n'),
        (OPENAI_TO_PLATFORM, b'data: {"error": {"message": "s3cret", "code": 500}}\n\n'),
        (OPENAI_TO_PLATFORM, b'event: error\ndata: {"message": "s3cret"}\n\n'),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_an_error_of_the_server_fails_the_stream(each: Cell, error: bytes, size: int) -> None:
    first = each.server["stream"].encode().partition(b"\n\n")[0] + b"\n\n"
    stream = first + error
    text, failure = translated(each, *(stream[at : at + size] for at in range(0, len(stream), size)))
    assert failure is not None
    assert failure.reason is FailureReason.WORKER_FAILED
    assert "reported an error" in failure.message
    assert "s3cret" not in failure.message
    translator = translator_of(each)
    assert text == translator.feed(first)
    assert translator.failure is None
    assert b"[DONE]" not in text


@pytest.mark.parametrize("cell", STREAMING, ids=str)
def test_a_stream_that_is_cut_is_no_success(cell: Cell) -> None:
    stream = cell.server["stream"].encode()
    _, failure = translated(cell, stream[: stream.index(b"}")])
    assert failure is not None
    assert failure.reason is FailureReason.WORKER_FAILED
    _, failure = translated(cell)
    assert failure is not None


@pytest.mark.parametrize("cell", [SGP_TO_OPENAI, OPENAI_TO_PLATFORM], ids=str)
@pytest.mark.parametrize(
    "event",
    [
        b"data: no JSON\n\n",
        b"data: []\n\n",
        b"data: {}\n\n",
        b'data: {"message": 1, "choices": 1}\n\n',
        b"data: [DONE]\n\n",
        b"data\n\n",
    ],
)
def test_an_event_that_is_not_promised(cell: Cell, event: bytes) -> None:
    _, failure = translated(cell, event)
    assert failure is not None
    assert failure.reason is FailureReason.WORKER_FAILED


def test_a_failure_stays() -> None:
    translator = translator_of(SGP_TO_OPENAI)
    translator.feed(b"data: no JSON\n\n")
    assert translator.failure
    with pytest.raises(Failure):
        translator.feed(b"data: {}\n\n")
    with pytest.raises(Failure):
        translator.end()


def test_a_line_without_an_end_is_bounded() -> None:
    translator = translator_of(SGP_TO_OPENAI)
    for _ in range(MAX_EVENT_BYTES // 65536):
        assert translator.feed(b"x" * 65536) == b""
        assert translator.failure is None
    translator.feed(b"x")
    assert translator.failure is not None


def test_what_follows_the_end_mark_is_dropped() -> None:
    stream = OPENAI_TO_PLATFORM.server["stream"].encode()
    assert translated(OPENAI_TO_PLATFORM, stream + b"data: no JSON\n\n") == translated(
        OPENAI_TO_PLATFORM, stream
    )


def test_a_platform_server_may_send_the_end_mark() -> None:
    stream = SGP_TO_OPENAI.server["stream"].encode()
    assert translated(SGP_TO_OPENAI, stream + b"data: [DONE]\n\n") == translated(SGP_TO_OPENAI, stream)


def test_a_stream_of_openai_that_ends_between_events_is_no_success() -> None:
    stream = OPENAI_TO_PLATFORM.server["stream"].encode()
    before_the_last_text = stream.index(b'data: {"id":"c-1"', stream.index(b'"Re"'))
    text, failure = translated(OPENAI_TO_PLATFORM, stream[:before_the_last_text])
    assert b"Re" in text
    assert failure is not None


def completion_stream(*events: Any, **changes: Any) -> tuple[bytes, Failure | None]:
    """Return what OpenAI's client gets for events of a platform server with two prompts."""
    translation = SGP_TO_OPENAI_TEXT.translation()
    request = {"model": "m", "prompt": ["a", "b"], "stream": True, **changes}
    translation.request(json.dumps(request).encode())
    translator = translation.stream()
    text = b"".join(translator.feed(f"data: {json.dumps(event)}\n\n".encode()) for event in events)
    return text if translator.failure else text + translator.end(), translator.failure


def chunks_of(text: bytes) -> list[Any]:
    lines = [line.removeprefix(b"data: ") for line in text.splitlines() if line]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def test_an_event_with_one_of_two_prompts_names_it_by_its_text() -> None:
    text, failure = completion_stream(
        {"completions": [["b", ["B"]]]},
        {"completions": [["a", ["A"]]], "finish_reason": "length"},
        {"completions": [], "finish_reason": "stop"},
    )
    assert failure is None
    found = [
        (each["index"], each["text"], each["finish_reason"]) for (each,) in map(_choices, chunks_of(text))
    ]
    assert found == [(1, "B", None), (0, "A", None), (0, "", "length"), (1, "", "stop")]


def _choices(chunk: Any) -> Any:
    return chunk["choices"]


def test_an_event_with_another_prompt() -> None:
    text, failure = completion_stream({"completions": [["c", ["C"]]]})
    assert failure is not None
    assert text == b""


def test_a_finish_reason_is_sent_once() -> None:
    event = {"message": {"content": "a"}, "finish_reason": "stop"}
    text, _ = translated(SGP_TO_OPENAI, f"data: {json.dumps(event)}\n\n".encode() * 2)
    assert text.count(b'"finish_reason":"stop"') == 1


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": False}}])
def test_usage_is_sent_on_request_alone(options: dict[str, Any]) -> None:
    event = {"completions": [["a", ["A"]], ["b", ["B"]]], "prompt_tokens": 1, "response_tokens": 2}
    assert b"usage" not in completion_stream(event, **options)[0]
    text, _ = completion_stream(event, stream_options={"include_usage": True})
    assert chunks_of(text)[-1]["usage"]["total_tokens"] == 3


def test_finish_reasons_are_an_end_without_the_mark() -> None:
    stream = OPENAI_TO_PLATFORM.server["stream"].encode()
    without = stream.replace(b"data: [DONE]\n\n", b"")
    assert translated(OPENAI_TO_PLATFORM, without) == translated(OPENAI_TO_PLATFORM, stream)


def test_named_events_of_a_platform_server_are_skipped() -> None:
    stream = SGP_TO_OPENAI.server["stream"].encode()
    assert translated(SGP_TO_OPENAI, b"event: ping\ndata: {}\n\n" + stream) == translated(
        SGP_TO_OPENAI, stream
    )


def test_a_server_may_stream_a_chat_as_completions() -> None:
    stream = b'data: {"completions": [["x", ["Re"]]]}\n\n'
    stream += b'data: {"completions": [["x", ["d"]]], "finish_reason": "stop"}\n\n'
    text, failure = translated(SGP_TO_OPENAI, stream)
    assert failure is None
    assert text == translated(SGP_TO_OPENAI, SGP_TO_OPENAI.server["stream"].encode())[0]


def test_logprobs_of_a_chat() -> None:
    translation = OPENAI_TO_PLATFORM.translation()
    translation.request(
        json.dumps({"prompt": "a", "chat_history": [], "logprobs": True, "stream": True}).encode()
    )
    logprobs = {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": [], "bytes": None}]}
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": logprobs, "finish_reason": "stop"}
    stream = f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n"
    text = translation.stream().feed(stream.encode())
    assert json.loads(text.removeprefix(b"data: "))["choices"] == [{"index": 0, "logprobs": logprobs}]
