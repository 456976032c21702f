"""JSON values in Python: types, equality, canonical copies and encodings."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import orjson

MAX_INTEGER: Final = 2**53
"""Largest integer that every JSON implementation reads exactly (RFC 8259, section 6)."""

MAPPINGS: Final = (dict, Mapping)
"""Types for ``isinstance``, in this order: most values are dicts, and the check for the ABC is slow."""

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
_PLAIN_SCALARS: Final = frozenset({str, int, bool, type(None)})
"""Types of values that have one form only."""
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
# For values that orjson cannot write: integers beyond 64 bits, lone surrogates, more than 254 levels.
_compact: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_stable: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def json_type(value: Any) -> str:
    """Return the most specific JSON type of a value.

    ``1.0`` is an integer, as JSON Schema defines it, but not beyond 2^53, where a float no longer identifies
    one integer. ``True`` is a boolean only.
    """
    if isinstance(value, float):
        return "integer" if value.is_integer() and abs(value) <= MAX_INTEGER else "number"
    for python_type, name in _PYTHON_TYPES:
        if isinstance(value, python_type):
            return name
    raise TypeError(f"not a JSON value: {type(value).__name__}")


def has_type(value: Any, types: Collection[str]) -> bool:
    """Whether a value has one of these JSON types; every integer is a number."""
    actual = json_type(value)
    return actual in types or (actual == "integer" and "number" in types)


def mapping_in(parent: Any, key: str) -> Mapping[str, Any]:
    """Return the object that an object has under a key; empty if there is none."""
    value = parent.get(key) if isinstance(parent, MAPPINGS) else None
    # Most are absent, and of None the check for the ABC is slow.
    return value if value is not None and isinstance(value, MAPPINGS) else {}


def canonical_copy(value: Any) -> Any:
    """Return a new copy: plain dicts with sorted keys, plain lists, integral floats as integers.

    The API server stores ``1.0`` as ``1`` and sorts keys. A value that the command line reads from a file
    therefore has the same copy as one that the operator reads from the server. Recurses, so use it only for
    values within the limits.
    """
    if type(value) in _PLAIN_SCALARS:  # The usual case; avoids the slow check for an ABC.
        return value
    match value:
        case dict() | Mapping():
            return {key: canonical_copy(value[key]) for key in sorted(value)}
        case list() | tuple():
            return [canonical_copy(item) for item in value]
        case float() if json_type(value) == "integer":
            return int(value)
    return value


def equality_key(value: Any) -> Any:
    """Return a hashable key of a JSON value; ``1`` and ``1.0`` have equal keys, ``1`` and ``true`` do not."""
    if type(value) is str:
        return value
    match value:
        case bool():
            return ("boolean", value)
        case dict() | Mapping():
            return ("object", frozenset((key, equality_key(item)) for key, item in value.items()))
        case list() | tuple():
            return ("array", tuple(equality_key(item) for item in value))
    return value


def count_elements(value: Any) -> int:
    """Return the number of values inside a value, itself included."""
    if type(value) in _PLAIN_SCALARS:
        return 1
    match value:
        case dict() | Mapping():
            return 1 + sum(count_elements(item) for item in value.values())
        case list() | tuple():
            return 1 + sum(count_elements(item) for item in value)
    return 1


def wire_json(value: Any) -> bytes:
    """Encode a value as JSON that a YAML parser reads as the same value.

    The API server parses server-side applies as YAML. YAML has no escaped surrogate pairs, so characters
    beyond U+FFFF are not escaped. Characters that YAML rejects or reads as a line break are escaped.
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
    """Return the size of a value as JSON in bytes: UTF-8, no spaces. Only for values within the limits."""
    return len(orjson.dumps(value))


def stable_json(value: Any) -> bytes:
    """Encode a value as canonical JSON: ASCII, without spaces, keys sorted.

    For hashes and comparisons: unlike equality in Python, it distinguishes true from 1 and 1.0. The value
    must not have cycles. The result equals that of ``json.dumps``, except for floats with an exponent, which
    no child has.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return _stable(value).encode()
    # Python's encoder, which is ten times as slow, escapes DEL and all characters outside of ASCII.
    return text if text.isascii() and b"\x7f" not in text else _stable(value).encode()


def is_same_json(value: Any, other: Any) -> bool:
    """Whether two values are the same as JSON."""
    # Equality in Python is much cheaper, but takes true for 1 and 1.0; only a string equals nothing else.
    return bool(value == other) and (type(value) is str or stable_json(value) == stable_json(other))
