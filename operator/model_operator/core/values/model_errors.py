"""What our pydantic models find wrong, in the words of all other messages.

By the type of an error and its context, never by pydantic's text: that is English of another style, and it
changes between versions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from model_operator.api import ModelType
from model_operator.core.values.hints import did_you_mean, seconds_hint, type_hint
from model_operator.core.values.violations import Loc, Violation, sort_violations
from model_operator.core.values.words import alternatives, noun, plural

_TYPES: Final = {
    "string_type": "must be a string",
    "int_type": "must be an integer",
    "bool_type": "must be a boolean",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "int_or_string": "must be an integer or a string",
}
_JSON_TYPES: Final = {
    "string_type": "string",
    "int_type": "integer",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
}
_REQUIRED: Final = {
    "registry": "; for an image of Docker Hub write docker.io, or docker.io/library for an official one",
}
"""Hints for required fields that are often missing."""
_NAMED: Final = frozenset({"image_pull_secrets", "deployments"})
"""Lists of objects that may look like lists of names."""
_BOUNDS: Final = {
    "greater_than_equal": ("ge", ">=", "smaller"),
    "less_than_equal": ("le", "<=", "larger"),
}
_REJECTED: Final = frozenset({ModelType.BUNDLE.value})
"""Values of enums that a rule of their field rejects."""
_COUNTED: Final = {"List": "item", "Dictionary": "field"}


def model_violations(error: ValidationError, at: Loc = ()) -> tuple[Violation, ...]:
    """Return what a model of ours refused, sorted by path.

    Parameters
    ----------
    error
        The error that the model raised.
    at
        Path of the object that it read.
    """
    return sort_violations(
        Violation((*at, *entry["loc"]), _message(entry), entry["type"])
        for entry in error.errors(include_url=False)
    )


def _message(entry: ErrorDetails) -> str:
    code, given, context = entry["type"], entry["input"], entry.get("ctx", {})
    if code == "missing" and "message" not in context:
        return f"required field is missing{_REQUIRED.get(str(entry['loc'][-1]), '')}"
    if code in _TYPES:
        return f"{_TYPES[code]}, got {noun(given)}{_type_hint(entry)}"
    if code in _BOUNDS:
        key, sign, got = _BOUNDS[code]
        return f"must be {sign} {context[key]}, got a {got} number"
    if code in {"enum", "literal_error"}:
        got = "another string" if isinstance(given, str) else noun(given)
        allowed = [each for each in re.findall("'([^']*)'", context["expected"]) if each not in _REJECTED]
        listed = alternatives([f"'{each}'" for each in allowed]) if allowed else context["expected"]
        return f"must be {listed}, got {got}{did_you_mean(given, allowed)}"
    if code == "string_pattern_mismatch":
        return f"must match the pattern {context['pattern']}, got a string that does not"
    if code in {"string_too_short", "too_short"}:
        limit = context["min_length"]
        counted = plural(limit, _counted(context))
        return "must not be empty" if limit == 1 else f"must have at least {counted}, got fewer"
    if code in {"string_too_long", "too_long"}:
        return f"must have at most {plural(context['max_length'], _counted(context))}, got more"
    return entry["msg"]


def _type_hint(entry: ErrorDetails) -> str:
    code, given, loc = entry["type"], entry["input"], entry["loc"]
    if code == "int_or_string":
        form = entry.get("ctx", {}).get("form", "") if isinstance(given, float) else ""
        return f"; {form}" if form else type_hint(given, ())
    if isinstance(given, str) and len(loc) > 1 and isinstance(loc[-1], int) and loc[-2] in _NAMED:
        return "; write an object with a name, such as {name: NAME}"
    is_time = code == "int_type" and str(loc[-1:][0] if loc else "").endswith("_seconds")
    return (seconds_hint(given) if is_time else "") or type_hint(given, [_JSON_TYPES[code]])


def _counted(context: Mapping[str, Any]) -> str:
    return _COUNTED.get(context.get("field_type", ""), "character")
