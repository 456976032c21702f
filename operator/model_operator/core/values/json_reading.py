"""Reads JSON that strangers wrote: whatever it holds, the result is safe for code that recurses.

Readers of JSON recurse on the C stack, and their bounds differ by release: that of Python's own is not lifted
by ``sys.setrecursionlimit`` from 3.12 on, and what exceeds it raises `RecursionError`. The API server takes
objects that are nested 10,000 levels deep. So there is one reader for all that comes from outside, with a
bound of its own; what lies deeper is cut off before anything reads it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

MAX_LEVELS: Final = 200
"""Lists and objects within one another that are kept. The deepest that is valid has some 45: a list, an
object, and a pod template of 32. orjson writes 254, and Python's limit of 1,000 frames leaves 5 a level."""

_READER_LEVELS: Final = 1024
"""Levels beyond which orjson refuses to read."""
_WRAPPING: Final = _READER_LEVELS - MAX_LEVELS
_BEFORE, _AFTER = b"[" * _WRAPPING, b"]" * _WRAPPING
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"|[\[{]|[\]}]', re.DOTALL)
_OPENING: Final = frozenset(b"[{")
_CUT_OFF: Final = b"null"


def read_json(text: bytes) -> Any:
    """Return what JSON says, with null in place of what is nested deeper than `MAX_LEVELS`.

    Never recurses deeper than orjson's own bound, and takes time in proportion to the text. Integers beyond
    64 bits come as floats, which the API server made of them (`model_operator.core.values.limits`).

    Parameters
    ----------
    text
        JSON as UTF-8.

    Raises
    ------
    ValueError
        It is no JSON by RFC 8259, or holds what nobody can read alike: NaN, half a surrogate pair, a number
        beyond a double's range.
    """
    if _has_few_levels(text):
        return orjson.loads(text)
    try:
        # orjson measures the depth while it reads, which is twenty times as fast as doing so here.
        value = orjson.loads(b"".join((_BEFORE, text, _AFTER)))
    except ValueError:
        return orjson.loads(cut_off(text))
    for _ in range(_WRAPPING):
        (value,) = value
    return value


def cut_off(text: bytes, levels: int = MAX_LEVELS) -> bytes:
    """Return JSON with null in place of each list and object that lies deeper than some levels.

    It is not read, so what is no JSON stays none.

    Parameters
    ----------
    text
        JSON as UTF-8.
    levels
        How many lists and objects may lie within one another.
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
        return text  # It ends within what would be cut off: no JSON.
    return b"".join((*kept, text[start:]))


_QUOTE: Final = ord('"')


def _has_few_levels(text: bytes) -> bool:
    """Tell cheaply that a text cannot be too deep: that takes as many brackets."""
    return text.count(b"{") + text.count(b"[") <= MAX_LEVELS


def levels_of(value: Any, most: int = MAX_LEVELS) -> int:
    """Return how many lists and objects lie within one another, counted no further than one beyond `most`.

    Does not recurse.

    Parameters
    ----------
    value
        A JSON value.
    most
        Where to stop counting.
    """
    level, depth = [value], 0
    while True:
        containers = [item for item in level if type(item) is dict or type(item) is list]
        if not containers or depth > most:
            return depth
        depth += 1
        level = [inner for item in containers for inner in (item.values() if type(item) is dict else item)]
