"""Limits of input values, checked before any other check reads the value."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from types import NoneType
from typing import Any, Final

import orjson

from model_operator.core.values.json_values import MAX_INTEGER
from model_operator.core.values.violations import Loc, Violation
from model_operator.core.values.words import noun

MAX_VIOLATIONS: Final = 10
"""Maximum number of violations in one report, so that a status stays readable and small."""

MAX_KEY_CHARACTERS: Final = 256
"""Maximum length of a key; much shorter than that of a value, as keys are part of the path in messages."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The maximum size of a JSON value.

    Attributes
    ----------
    size
        Bytes of its canonical JSON: UTF-8, no spaces.
    elements
        Number of values inside it: members of objects and items of lists, at all levels.
    depth
        Lists and objects within one another, empty ones included.
    string
        Bytes of one string in UTF-8.
    counts_outermost
        Whether the outermost list or object counts for `depth`; not where it only holds several values.
    """

    size: int
    elements: int
    depth: int
    string: int
    counts_outermost: bool = True

    @property
    def deepest(self) -> int:
        """Maximum nesting below the outermost list or object."""
        return self.depth - self.counts_outermost


_UNUSABLE: Final = re.compile("[\0\ud800-\udfff]")
# The slow check for an ABC comes last.
_SCALARS: Final = (str, int, float, NoneType)
_CONTAINERS: Final = (dict, list, tuple, Mapping)
_EXPONENTS_FROM: Final = 1e21
"""From this value on Go writes a float with an exponent, below it as an integer. The API server converts an
integer beyond 64 bits to a float, so below this value an integer and a float cannot be distinguished."""
_BYTES_PER_CHARACTER: Final = 4
"""Maximum bytes of a character in UTF-8."""

VALUE_LIMITS: Final = Limits(size=64 * 1024, elements=1000, depth=8, string=32 * 1024, counts_outermost=False)
"""Limits of the object that holds all parameters, which is no level of a value. A string becomes an argument
or a variable; the kernel's limit of each is 128 KiB."""

ONE_VALUE_LIMITS: Final = replace(VALUE_LIMITS, counts_outermost=True)
"""Limits of the value of one parameter."""

SCHEMA_LIMITS: Final = Limits(size=16 * 1024, elements=4096, depth=24, string=16 * 1024)
"""Limits of a parameter schema as written; the dialect limits the nesting of its subschemas."""


def check_limits(value: Any, loc: Loc, limits: Limits = VALUE_LIMITS) -> tuple[Violation, ...]:
    """Return the violations of a value that is too large or not JSON; at most ten.

    Takes time in proportion to the limits, not to the value: it stops at the first total that is exceeded.
    Never raises, whatever the input: a cycle ends at the maximum depth.

    Returns
    -------
    tuple of Violation
        ``too_many_elements``, ``too_large``, ``too_deep``, ``string_too_large``, ``key_too_long``,
        ``int_out_of_range``, ``finite_number``, ``invalid_string``, ``json_type``.
    """
    return () if _fits(value, limits) else _Walk(limits, loc).check(value)


def _fits(value: Any, limits: Limits) -> bool:
    """Whether a value is within the limits, as is usual; False if it may not be. A cheap check.

    Goes level by level and computes no paths, which only a violation needs.
    """
    level: list[Any] = [[value]]
    depth, elements, characters, keys = -1, 0, 0, set[Any]()
    while level:
        elements += sum(map(len, level))
        if elements > limits.elements + 1 or depth > limits.deepest:
            return False
        below: list[Any] = []
        found = _characters(level, below, keys, limits)
        if found is None or characters + found > limits.size:
            return False
        level, depth, characters = below, depth + 1, characters + found
    try:
        if max(map(len, keys), default=0) > MAX_KEY_CHARACTERS:
            return False
        # Refuses any key that is no string.
        text = orjson.dumps(value)
    except TypeError:
        return False
    return len(text) <= limits.size and b"\\u0000" not in text


def _characters(level: list[Any], below: list[Any], keys: set[Any], limits: Limits) -> int | None:
    """Return the length of all strings of a level; None if not all its values are usual.

    Adds the lists and objects below it to `below`, and the keys of its objects to `keys`. One loop without
    calls for usual values: every child of every instance passes it, whenever it is cached.
    """
    characters = 0
    # A character has at most four bytes, so only a longer string may have too many.
    short = limits.string // _BYTES_PER_CHARACTER
    for container in level:
        items = container
        if type(container) is dict:
            keys.update(container)
            items = container.values()
        for item in items:
            kind = type(item)
            if kind is str and len(item) <= short:
                characters += len(item)
            elif kind is dict or kind is list:
                below.append(item)
            elif _is_usual(item, limits):
                characters += len(item) if kind is str else 0
            else:
                return None
    return characters


def _is_usual(item: Any, limits: Limits) -> bool:
    kind = type(item)
    if kind is str:
        return len(item) * (1 if item.isascii() else _BYTES_PER_CHARACTER) <= limits.string
    if kind is int or kind is float:
        return abs(item) <= MAX_INTEGER or (kind is float and _EXPONENTS_FROM <= abs(item) < math.inf)
    return item is None or kind is bool


class _Walk:
    def __init__(self, limits: Limits, loc: Loc) -> None:
        self.limits = limits
        self.loc = loc
        self.found: list[Violation] = []
        self.size = 0

    def check(self, value: Any) -> tuple[Violation, ...]:
        limits, stack = self.limits, [(value, self.loc, 0)]
        seen = 0
        while stack and len(self.found) < MAX_VIOLATIONS:
            item, loc, depth = stack.pop()
            seen += 1
            if not isinstance(item, _SCALARS) and isinstance(item, _CONTAINERS):
                # Counted before any child is visited: a million keys cost no more than one.
                if seen + len(stack) + len(item) > limits.elements + 1:
                    message = f"must have at most {limits.elements} elements, got more"
                    self.refuse(self.loc, message, "too_many_elements")
                    break
                if depth > limits.deepest:
                    message = f"must be nested at most {limits.depth} levels deep, got more"
                    self.refuse(loc, message, "too_deep")
                    continue
                children = enumerate(item) if isinstance(item, list | tuple) else self.members(item, loc)
                stack += [(child, (*loc, key), depth + 1) for key, child in reversed(list(children))]
                self.size += 2 + max(0, len(item) - 1)
            else:
                self.scalar(item, loc)
            if self.size > limits.size:
                message = f"must be at most {limits.size // 1024} KiB as JSON, got more"
                self.refuse(self.loc, message, "too_large")
                break
        return tuple(self.found[:MAX_VIOLATIONS])

    def refuse(self, loc: Loc, message: str, code: str) -> None:
        self.found.append(Violation(loc, message, code))

    def members(self, item: Mapping[Any, Any], loc: Loc) -> list[tuple[str, Any]]:
        members = []
        for key, child in item.items():
            if not isinstance(key, str):
                self.refuse(loc, f"keys must be strings, got a key that is {noun(key)}", "json_type")
            elif len(key) > MAX_KEY_CHARACTERS:
                message = f"keys must have at most {MAX_KEY_CHARACTERS} characters, got more"
                self.refuse(loc, message, "key_too_long")
            elif _is_unusable(key):
                self.refuse(loc, "keys must be valid Unicode without NUL characters", "invalid_string")
            else:
                self.size += _json_size(key) + 1
                members.append((key, child))
        return sorted(members, key=itemgetter(0))

    def scalar(self, item: Any, loc: Loc) -> None:
        match item:
            case None | bool():
                self.size += 5 if item is False else 4
            case str():
                self.string(item, loc)
            case float() if not math.isfinite(item):
                self.refuse(loc, "must be a finite number, got NaN or an infinity", "finite_number")
            case float() if abs(item) >= _EXPONENTS_FROM:
                self.size += _json_size(float(item))
            case int() | float() if abs(item) > MAX_INTEGER:
                self.refuse(loc, "must be an integer within ±2^53, got a larger one", "int_out_of_range")
            case int():
                self.size += len(repr(item))
            case float():
                self.size += _json_size(float(item))
            case _:
                expected = "a string, number, boolean, list, object or null"
                self.refuse(loc, f"must be {expected}, got {noun(item)}", "json_type")

    def string(self, item: str, loc: Loc) -> None:
        limit = self.limits.string
        # Characters first: encoding is the slow part.
        if len(item) > limit or len(item.encode("utf-8", "surrogatepass")) > limit:
            self.refuse(loc, f"must be a string of at most {limit // 1024} KiB, got more", "string_too_large")
        elif _is_unusable(item):
            message = "must be valid Unicode without NUL characters: arguments and variables cannot hold them"
            self.refuse(loc, message, "invalid_string")
        else:
            self.size += _json_size(item)


def _is_unusable(text: str) -> bool:
    return _UNUSABLE.search(text) is not None


def _json_size(scalar: str | float) -> int:
    return len(orjson.dumps(scalar))
