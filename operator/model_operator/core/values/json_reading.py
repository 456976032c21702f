"""Read untrusted JSON; the result is safe for recursive code, whatever the input.

JSON parsers recurse on the C stack, and their limits differ by release. From Python 3.12 on,
``sys.setrecursionlimit`` does not raise the limit of Python's own parser, and deeper input raises
`RecursionError`. The API server accepts objects that are nested 10,000 levels deep. Therefore one parser with
its own limit reads all input from outside, and deeper levels are cut off before parsing.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

MAX_LEVELS: Final = 200
"""Maximum nesting of lists and objects. The deepest valid input has some 45 levels: a list, an object, and a
pod template of 32. orjson writes 254 levels; Python's limit of 1,000 frames leaves 5 for each level."""

_READER_LEVELS: Final = 1024
"""Maximum nesting that orjson reads."""
_WRAPPING: Final = _READER_LEVELS - MAX_LEVELS
_BEFORE, _AFTER = b"[" * _WRAPPING, b"]" * _WRAPPING
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"|[\[{]|[\]}]', re.DOTALL)
_OPENING: Final = frozenset(b"[{")
_CUT_OFF: Final = b"null"


def read_json(text: bytes) -> Any:
    """Parse JSON, with null in place of lists and objects that are nested deeper than `MAX_LEVELS`.

    Never recurses deeper than orjson's own limit; takes time in proportion to the length of the text.
    Integers beyond 64 bits are returned as floats, as by the API server
    (`model_operator.core.values.limits`).

    Parameters
    ----------
    text
        JSON as UTF-8.

    Raises
    ------
    ValueError
        The text is not JSON by RFC 8259, or holds a value that parsers read differently: NaN, half a
        surrogate pair, or a number beyond the range of a double.
    """
    if _has_few_levels(text):
        return orjson.loads(text)
    try:
        # orjson checks the depth while it reads, which is twenty times as fast as a check in Python.
        value = orjson.loads(b"".join((_BEFORE, text, _AFTER)))
    except ValueError:
        return orjson.loads(cut_off(text))
    for _ in range(_WRAPPING):
        (value,) = value
    return value


def cut_off(text: bytes, levels: int = MAX_LEVELS) -> bytes:
    """Replace each list and object that is nested deeper than `levels` by null.

    The text is not parsed, so invalid JSON stays invalid.

    Parameters
    ----------
    text
        JSON as UTF-8.
    levels
        Maximum nesting of lists and objects.
    """
    kept: list[bytes] = []
    depth = start = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        first = text[match.start()]
        if first in _OPENING:
            depth += 1
            if depth == levels + 1:
                kept += (text[start : match.start()], _CUT_OFF)
        elif first != _QUOTE:
            depth -= 1
            if depth == levels:
                start = match.end()
    if depth > levels:
        return text  # The text ends inside a part that would be cut off, so it is not JSON.
    return b"".join((*kept, text[start:]))


_QUOTE: Final = ord('"')


def _has_few_levels(text: bytes) -> bool:
    """Whether the text has too few brackets to be nested too deep; a cheap check.

    Only what has a content nests: empty objects, of which ``managedFields`` has one for each field, add one
    level at most. Where ``{}`` stands in a string, both counts have it.
    """
    brackets = text.count(b"{") + text.count(b"[")
    if brackets >= MAX_LEVELS:
        brackets -= text.count(b"{}") + text.count(b"[]")
    return brackets < MAX_LEVELS


def levels_of(value: Any, most: int = MAX_LEVELS) -> int:
    """Return the nesting of lists and objects, counted up to `most` + 1.

    Does not recurse.

    Parameters
    ----------
    value
        A JSON value.
    most
        Level after which the count stops.
    """
    level, depth = [value], 0
    while True:
        containers = [item for item in level if type(item) is dict or type(item) is list]
        if not containers or depth > most:
            return depth
        depth += 1
        level = [inner for item in containers for inner in (item.values() if type(item) is dict else item)]
