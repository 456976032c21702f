"""JSON values as Python holds them: their types, their equality, a canonical copy, and their encodings."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson

MAX_INTEGER: Final = 2**53
"""Largest integer that every JSON implementation reads exactly (RFC 8259, section 6)."""

MAPPINGS: Final = (dict, Mapping)
"""To be asked for in this order: most are dicts, and the question for the abstract type is slow."""

JSON_TYPES: Final = ("string", "integer", "number", "boolean", "array", "object", "null")
"""The type names of JSON Schema 2020-12."""

SCALAR_TYPES: Final = frozenset(JSON_TYPES) - {"array", "object"}

_PYTHON_TYPES: Final = (
    (str, "string"),
    (bool, "boolean"),  # before int, of which it is a subclass
    (int, "integer"),
    ((list, tuple), "array"),
    (Mapping, "object"),
    (type(None), "null"),
)
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
# For what orjson refuses to write: integers beyond 64 bits, halves of surrogate pairs, more than 254 levels.
_compact: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_stable: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def json_type(value: Any) -> str:
    """Return the most specific JSON type of a value.

    ``1.0`` is an integer, as JSON Schema defines it, but not beyond 2^53, where a float no longer says which
    integer was meant; ``True`` is a boolean only.
    """
    if isinstance(value, float):
        return "integer" if value.is_integer() and abs(value) <= MAX_INTEGER else "number"
    for python_type, name in _PYTHON_TYPES:
        if isinstance(value, python_type):
            return name
    raise TypeError(f"not a JSON value: {type(value).__name__}")


def has_type(value: Any, types: Collection[str]) -> bool:
    """Whether a value is of one of these JSON types; every integer is a number."""
    actual = json_type(value)
    return actual in types or (actual == "integer" and "number" in types)


def canonical_copy(value: Any) -> Any:
    """Return a fresh copy: plain dicts with sorted keys, plain lists, integral floats as integers.

    The API server stores ``1.0`` as ``1`` and sorts keys, so what the command line reads from a file and
    what the operator reads from the server come out alike. Only for values within the limits: it recurses.
    """
    match value:
        case str():  # most are, and it spares the slow question for an abstract type
            return value
        case dict() | Mapping():
            return {key: canonical_copy(value[key]) for key in sorted(value)}
        case list() | tuple():
            return [canonical_copy(item) for item in value]
        case float() if json_type(value) == "integer":
            return int(value)
    return value


def equality_key(value: Any) -> Any:
    """Return a hashable, equal for equal JSON values: for ``1`` and ``1.0``, but not ``1`` and ``true``."""
    match value:
        case bool():
            return ("boolean", value)
        case Mapping():
            return ("object", frozenset((key, equality_key(item)) for key, item in value.items()))
        case list() | tuple():
            return ("array", tuple(equality_key(item) for item in value))
    return value


def count_elements(value: Any) -> int:
    """Return the number of values inside a value, itself included."""
    match value:
        case Mapping():
            return 1 + sum(count_elements(item) for item in value.values())
        case list() | tuple():
            return 1 + sum(count_elements(item) for item in value)
    return 1


def wire_json(value: Any) -> bytes:
    """Return a value as JSON that YAML parsers read alike; the API server reads server-side applies as YAML.

    YAML takes no escaped pair of surrogates, so characters beyond U+FFFF stand for themselves. Those that it
    would refuse, or take for the end of a line, are escaped.
    """
    try:
        text = orjson.dumps(value)
    except TypeError:
        text = _compact(value).encode("utf-8", "surrogatepass")
    if text.isascii() and b"\x7f" not in text:
        return text
    characters = text.decode("utf-8", "surrogatepass")
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", characters).encode()


def json_size(value: Any) -> int:
    """Return the bytes of a value as JSON: UTF-8, no spaces. Only for values within the limits."""
    return len(orjson.dumps(value))


def stable_json(value: Any) -> bytes:
    """Return a value as JSON in one way: ASCII, without spaces, keys sorted.

    It tells true from 1 and 1.0, which to Python are equal. For what is hashed and compared; the value has
    no cycles. It is what ``json.dumps`` writes, but for floats with an exponent, which no child has.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return _stable(value).encode()
    # Python's own, which is ten times as slow, escapes what is not ASCII, and DEL.
    return text if text.isascii() and b"\x7f" not in text else _stable(value).encode()


def is_same_json(value: Any, other: Any) -> bool:
    """Tell whether two values are the same as JSON: to Python's equality, much cheaper, true is 1 and 1.0."""
    return bool(value == other) and stable_json(value) == stable_json(other)
