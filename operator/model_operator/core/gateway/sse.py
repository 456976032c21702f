"""Server-sent events: the events of a stream that arrives in pieces, and events to send.

Source: the HTML standard, section 9.2 (server-sent events). Lines end with CR, LF or CRLF; an event ends with
an empty line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model_operator.core.gateway.failures import Failure, FailureReason

MAX_EVENT_BYTES: Final = 1024 * 1024
"""Maximum size of an event, and of any line: what a reader holds at most."""

KEEP_ALIVE: Final = b":\n\n"
"""A comment: clients skip it, and see that the stream goes on."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_DATA: Final = b"data"
_EVENT: Final = b"event"


@dataclass(frozen=True, slots=True)
class Event:
    """An event, or a comment, which has neither a name nor data.

    Attributes
    ----------
    data
        The lines of ``data``, joined by LF.
    name
        Value of ``event``; empty for the usual kind.
    is_comment
        Whether it is a comment, as servers send to keep a connection alive.
    """

    data: bytes
    name: bytes = b""
    is_comment: bool = False


class EventReader:
    """Reads the events of one stream; the result is the same wherever the stream is cut into pieces.

    Takes time in proportion to the bytes, and keeps at most one event.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._name = b""
        self._skips_newline = False
        self._is_first_line = True

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that end in the next bytes.

        Raises
        ------
        Failure
            WORKER_FAILED for an event of more than `MAX_EVENT_BYTES`, after the events before it.
        """
        if self._skips_newline and chunk:
            self._skips_newline = False
            chunk = chunk.removeprefix(b"\n")
        # bytes.splitlines knows CR, LF and CRLF, as the standard does.
        for piece in chunk.splitlines(keepends=True):
            text = piece.rstrip(b"\r\n")
            self._line += text
            if self._size + len(self._line) > MAX_EVENT_BYTES:
                raise Failure(FailureReason.WORKER_FAILED, _TOO_LARGE)
            if len(text) < len(piece):
                line = bytes(self._line)
                self._line.clear()
                if event := self._end_line(line):
                    yield event
        self._skips_newline = chunk.endswith(b"\r") or (self._skips_newline and not chunk)

    def end(self) -> Event | None:
        """Return the event that the stream ended without the empty line; None if there is none.

        The standard drops it, but servers exist that end their last event so. An event that was cut holds
        no complete JSON value.
        """
        line = bytes(self._line)
        self._line.clear()
        event = self._end_line(line) if line else None
        return self._end_event() or event

    def _end_line(self, line: bytes) -> Event | None:
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            return self._end_event()
        field, _, value = line.partition(b":")
        if not field:
            return Event(b"", is_comment=True)
        value = value.removeprefix(b" ")
        if field == _DATA:
            self._data.append(value)
            self._size += len(value) + 1
        elif field == _EVENT:
            self._name = value
        return None

    def _end_event(self) -> Event | None:
        data, name = self._data, self._name
        self._data, self._name, self._size = [], b"", 0
        return Event(b"\n".join(data), name) if data else None


_TOO_LARGE: Final = (
    f"The model server sent an event of more than {MAX_EVENT_BYTES // 1024 // 1024} MiB. Action (template "
    "owner): check that the server streams server-sent events."
)


def data_event(data: bytes) -> bytes:
    """Return an event with data of one line, such as compact JSON."""
    return b"data: " + data + b"\n\n"
