"""How many tokens a worker says that a request took, read from the bytes that pass.

A server says so once: in ``usage`` of an OpenAI body or of a stream's last chunk, in ``meta`` of a Cohere
body, or in fields of the platform's body. So only the first and the last few kilobytes are kept, nothing is
parsed while bytes pass, and a request is never changed to have its answer counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import msgspec

_HEAD_BYTES: Final = 2 * 1024
"""Some servers put ``usage`` before what was requested."""
_TAIL_BYTES: Final = 8 * 1024
_OBJECT_BYTES: Final = 4 * 1024
_MOST_TOKENS: Final = 2**31
"""No request takes more: a server that says so is wrong, and no sum shall suffer from it."""
_KEYS: Final = (b'"usage"', b'"billed_units"', b'"tokens"')
_FIELDS: Final = (b'"tokens_used"', b'"response_tokens"', b'"prompt_tokens"')


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of tokens; None where the server does not say.

    Attributes
    ----------
    input, output
        Of the request, and of the answer.
    """

    input: int | None
    output: int | None


class _Object(msgspec.Struct):
    """The fields of all of these APIs, of which a server sends a few."""

    prompt_tokens: int | float | None = None
    completion_tokens: int | float | None = None
    input_tokens: int | float | None = None
    output_tokens: int | float | None = None
    response_tokens: int | float | None = None
    total_tokens: int | float | None = None
    tokens_used: int | float | None = None

    def usage(self) -> Usage | None:
        output = _count(self.completion_tokens, self.output_tokens, self.response_tokens)
        total = _count(self.total_tokens, self.tokens_used)
        # Embeddings and rankings have no tokens of an answer: the total is the request's.
        given = _count(self.prompt_tokens, self.input_tokens)
        found = Usage(total if given is None and output is None else given, output)
        return None if found == Usage(None, None) else found


_DECODER: Final = msgspec.json.Decoder(_Object)


class UsageReader:
    """Keeps as much of an answer as may say how many tokens it took; one for each answer."""

    __slots__ = ("_head", "_kept", "_tail")

    def __init__(self) -> None:
        self._head = b""
        self._tail: deque[bytes] = deque()
        self._kept = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the answer."""
        if len(chunk) > _TAIL_BYTES:
            if not self._kept:
                self._head = chunk[:_HEAD_BYTES]
            chunk = chunk[-_TAIL_BYTES:]
            self._tail.clear()
            self._kept = 0
        tail = self._tail
        tail.append(chunk)
        self._kept += len(chunk)
        while self._kept - len(tail[0]) >= _TAIL_BYTES:
            gone = tail.popleft()
            self._kept -= len(gone)
            if not self._head:
                self._head = gone[:_HEAD_BYTES]

    def usage(self) -> Usage | None:
        """Return what the bytes so far say; None if they say nothing."""
        return usage_of(b"".join(self._tail)) or usage_of(self._head)


def usage_of(text: bytes) -> Usage | None:
    """Return the last numbers of tokens in a part of a body.

    Parameters
    ----------
    text
        Bytes of one or several JSON documents, cut anywhere. Inside a JSON string, a quotation mark has a
        backslash before it, so that no text of a model is taken for a field.
    """
    for key in _KEYS:
        end = len(text)
        while (at := text.rfind(key, 0, end)) >= 0:
            if found := _object(text[at + len(key) : at + len(key) + _OBJECT_BYTES]):
                return found
            end = at
    return _fields(text)


def _object(text: bytes) -> Usage | None:
    """Return what an object says that begins after a colon."""
    text = text.lstrip(b" \t\r\n")
    if not text.startswith(b":"):
        return None
    text = text[1:].lstrip(b" \t\r\n")
    if not text.startswith(b"{"):
        return None
    end = 0
    for _ in range(8):  # details are nested objects
        end = text.find(b"}", end) + 1
        if not end:
            return None
        try:
            return _DECODER.decode(text[:end]).usage()
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return None


def _fields(text: bytes) -> Usage | None:
    """Return what fields of the platform's answer say, which stand beside others."""
    found = {}
    for name in _FIELDS:
        at = text.rfind(name)
        if at < 0:
            continue
        value = text[at + len(name) : at + len(name) + 24].lstrip(b" \t\r\n:")
        digits = value[: len(value) - len(value.lstrip(b"0123456789"))]
        if digits:
            found[name.strip(b'"').decode()] = int(digits)
    return _Object(**found).usage() if found else None


def _count(*values: float | None) -> int | None:
    """Return the first that is a number of tokens."""
    for value in values:
        if value is not None and 0 <= value <= _MOST_TOKENS:
            return int(value)
    return None
