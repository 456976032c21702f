"""Server-sent events, wherever a stream is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.sse import MAX_EVENT_BYTES, Event, EventReader, data_event

COMMENT = Event(b"", is_comment=True)


def read(*chunks: bytes) -> list[Event]:
    reader = EventReader()
    found = [event for chunk in chunks for event in reader.feed(chunk)]
    last = reader.end()
    return found if last is None else [*found, last]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [Event(b"a")]),
        (b"data:a\n\n", [Event(b"a")]),
        (b"data:  a\n\n", [Event(b" a")]),
        (b"data\n\n", [Event(b"")]),
        (b"data: a\r\n\r\n", [Event(b"a")]),
        (b"data: a\r\ndata: b\r\n\r\n", [Event(b"a\nb")]),
        (b"data: a\r\rdata: b\r\r", [Event(b"a"), Event(b"b")]),
        (b"data: a\ndata: b\n\n", [Event(b"a\nb")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [Event(b"a", b"error"), Event(b"b")]),
        (b"event: ping\n\ndata: a\n\n", [Event(b"a")]),
        (b"id: 1\nretry: 5\nother: x\ndata: a\n\n", [Event(b"a")]),
        (b": hello\n\ndata: a\n\n", [COMMENT, Event(b"a")]),
        (b"data: a\n: in between\ndata: b\n\n", [COMMENT, Event(b"a\nb")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event(b"a")]),
        (b"\n\n\n", []),
        (b"", []),
        (b"data: a\x0b\x0c\x85\xe2\x80\xa8b\n\n", [Event(b"a\x0b\x0c\x85\xe2\x80\xa8b")]),
        # Servers exist that end the last event without the empty line.
        (b"data: a\n", [Event(b"a")]),
        (b"data: a", [Event(b"a")]),
        (b"event: error\ndata: a", [Event(b"a", b"error")]),
    ],
)
def test_events(stream: bytes, events: list[Event]) -> None:
    assert read(stream) == events
    assert read(*[bytes([byte]) for byte in stream]) == events


@given(
    st.lists(
        st.sampled_from(
            [
                b"data: a",
                b"data",
                b"event: error",
                b": c",
                b"\n",
                b"\r",
                b"\r\n",
                b"id: 1",
                b"\xef\xbb\xbf",
                b"x",
            ]
        )
    ).map(b"".join),
    st.lists(st.integers(0, 200)),
)
def test_a_cut_changes_nothing(stream: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert b"".join(pieces) == stream
    assert read(*pieces) == read(*(bytes([byte]) for byte in stream)) == read(stream)


def until_failure(stream: bytes, size: int) -> tuple[list[Event], Failure | None]:
    """Return the events before a failure, and the failure."""
    reader = EventReader()
    found: list[Event] = []
    try:
        for start in range(0, len(stream), size):
            for event in reader.feed(stream[start : start + size]):
                found += [event]
    except Failure as failure:
        return found, failure
    return found, None


@pytest.mark.parametrize("size", [1000, 2 * MAX_EVENT_BYTES])
def test_an_event_is_bounded(size: int) -> None:
    line = b"x" * (MAX_EVENT_BYTES - len(b"data: "))
    assert until_failure(b"data: " + line + b"\n\n", size) == ([Event(line)], None)
    for long in (b"x" * (MAX_EVENT_BYTES + 1), b"data: bcdefgh\n" * (MAX_EVENT_BYTES // 8)):
        events, failure = until_failure(b"data: a\n\n" + long, size)
        assert events == [Event(b"a")]
        assert failure is not None
        assert failure.reason is FailureReason.WORKER_FAILED


def test_an_event_to_send() -> None:
    assert read(data_event(b"{}")) == [Event(b"{}")]
