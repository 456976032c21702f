"""Wording of messages: names of JSON values and types, counts, lists and short quotations."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from model_operator.core.values.json_values import JSON_TYPES, json_type

_NOUNS: Final = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_SHOWN_CHARACTERS: Final = 200
_MAX_COMPARED: Final = 64
"""Length and number of names up to which names are compared; comparing takes quadratic time."""


def noun(value: Any) -> str:
    """Return the kind of a value in words, such as ``an integer`` or ``null``; for any Python value."""
    try:
        return _NOUNS[json_type(value)]
    except TypeError:
        # YAML files may hold dates and sets, which the API server never sends.
        return f"a value of type {type(value).__name__}"


def nouns(types: Collection[str]) -> str:
    """Return JSON types in words, such as ``a string or null``."""
    if "number" in types:
        types = set(types) - {"integer"}  # every integer is a number
    return alternatives([_NOUNS[name] for name in JSON_TYPES if name in types])


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 worker``, ``2 workers``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def duration(seconds: int) -> str:
    """Return a time in the largest unit of which it is a multiple: ``30 minutes``, ``90 seconds``."""
    for size, unit in _UNITS:
        if seconds and seconds % size == 0:
            return plural(seconds // size, unit)
    return plural(seconds, "second")


def alternatives(texts: Sequence[str]) -> str:
    """Join texts (at least one) with commas and a last ``or``."""
    *first, last = texts
    return f"{', '.join(first)} or {last}" if first else last


def listed(texts: Sequence[str]) -> str:
    """Join texts (at least one) with commas and a last ``and``."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def nearest(given: str, known: Iterable[str]) -> str | None:
    """Return the most similar known name; None if none is similar, or the names are too long."""
    if len(given) > _MAX_COMPARED:
        return None
    names = {_plain(name): name for name in sorted(known)[:_MAX_COMPARED] if len(name) <= _MAX_COMPARED}
    near = difflib.get_close_matches(_plain(given), names, n=1, cutoff=0.6)
    return names[near[0]] if near else None


def did_you_mean(given: str, known: Iterable[str], form: str = "{}") -> str:
    """Return ``; did you mean NAME?`` with the most similar known name; empty if none is similar.

    Parameters
    ----------
    given
        The wrong name, written by the template owner.
    known
        The names that exist.
    form
        How a name is written, such as ``$(parameters.{})``.
    """
    name = nearest(given, known)
    return "" if name is None else f"; did you mean {form.format(name)}?"


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def shown(value: Any) -> str:
    """Return a value of the *template* as JSON, shortened for a message."""
    return shorten(json.dumps(value, ensure_ascii=False, sort_keys=True))


def shown_list(values: Sequence[Any]) -> str:
    """Return values of the template as JSON, comma separated; values that do not fit are counted."""
    kept: list[str] = []
    for value in values:
        kept.append(shown(value))
        if sum(map(len, kept)) > _SHOWN_CHARACTERS and len(kept) < len(values):
            return f"{', '.join(kept)} and {len(values) - len(kept)} more"
    return ", ".join(kept)


def shorten(text: str) -> str:
    """Shorten a text of the template for a message."""
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
