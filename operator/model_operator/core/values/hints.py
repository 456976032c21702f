"""Hints: what a value, a name or a field was probably meant to be, for templates and parameters alike.

Each is a text that ends a message, such as ``; remove the quotes``, or empty. None holds the value of a
parameter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final

from model_operator.core.values.json_values import has_type, json_type

_MAX_COMPARED: Final = 64
"""Characters of the longest text that is compared with others: comparing is slow."""
_CUTOFF: Final = 0.6
_FEWEST: Final = 4
"""Characters of the shortest text that is taken for the beginning or end of another."""

_TEXT: Final = ("CHAT_COMPLETION", "COMPLETION")
_SAME: Final[Mapping[str, tuple[str, ...]]] = {
    "textgeneration": _TEXT,
    "text2textgeneration": _TEXT,
    "generation": _TEXT,
    "generate": _TEXT,
    "llm": _TEXT,
    "conversational": ("CHAT_COMPLETION",),
    "featureextraction": ("EMBEDDING",),
    "sentencesimilarity": ("EMBEDDING",),
    "textembedding": ("EMBEDDING",),
    "textranking": ("RERANKING",),
    "score": ("RERANKING",),
    "classification": ("GENERIC",),
    "textclassification": ("GENERIC",),
    "imageclassification": ("GENERIC",),
}
"""What other projects call a type of model, as in the tasks of Hugging Face's hub, by `plain` name."""


def closest(given: str, known: Iterable[str], cutoff: float = _CUTOFF) -> str:
    """Return the known text that is most similar, whatever case, ``_`` and ``-``; empty if none is.

    Parameters
    ----------
    given
        What was written.
    known
        What is allowed.
    cutoff
        How similar it has to be, from 0 to 1.
    """
    if len(given) > _MAX_COMPARED:
        return ""
    names = {plain(name): name for name in known}
    wanted = plain(given)
    if wanted in names:
        return names[wanted]
    near = get_close_matches(wanted, names, n=1, cutoff=cutoff)
    if near:
        return names[near[0]]
    parts = [name for name in names if name.startswith(wanted) or name.endswith(wanted)]
    return names[parts[0]] if len(wanted) >= _FEWEST and len(parts) == 1 else ""


def did_you_mean(given: Any, known: Collection[str]) -> str:
    """Return the hint at the allowed texts that mean the same, or else at the most similar one."""
    if not isinstance(given, str):
        return ""
    same = _SAME.get(plain(given), ()) if len(given) <= _MAX_COMPARED else ()
    near = " or ".join(name for name in same if name in known) or closest(given, known)
    return f"; did you mean {near}?" if near else ""


def plain(name: str) -> str:
    """Return a name without case, ``_`` and ``-``, in which spellings of the same name agree."""
    return name.lower().replace("_", "").replace("-", "")


def type_hint(value: Any, types: Collection[str]) -> str:
    """Return how to write a value of the wrong type: with or without quotes, as a list or an object.

    Parameters
    ----------
    value
        The value, which has none of the types.
    types
        The JSON types that are allowed.
    """
    return _quotes(value, types) or _form(value, types)


_DURATION: Final = re.compile(
    r"(?:(?P<days>\d+) ?d(?:ays?)?)? ?(?:(?P<hours>\d+) ?h(?:ours?)?)? ?"
    r"(?:(?P<minutes>\d+) ?m(?:in(?:utes?)?)?)? ?(?:(?P<seconds>\d+) ?s(?:ec(?:onds?)?)?)?"
)


def seconds_hint(value: Any) -> str:
    """Return how to write a duration, such as ``30m``, as a number of seconds; empty for what is none.

    Parameters
    ----------
    value
        The value, which is no integer.
    """
    if not isinstance(value, str) or len(value) > _MAX_COMPARED:
        return ""
    found = _DURATION.fullmatch(value.strip())
    if found is None or not any(found.groups()):
        return ""
    seconds = timedelta(**{unit: int(number) for unit, number in found.groupdict().items() if number})
    return f"; write the number of seconds, {int(seconds.total_seconds())}"


def _quotes(value: Any, types: Collection[str]) -> str:
    try:
        given = json_type(value)
    except TypeError:
        return ""
    if "string" in types and given in {"integer", "number", "boolean"}:
        return "; put it in quotes"
    if isinstance(value, str):
        if "boolean" in types and value in {"true", "false"}:
            return "; remove the quotes"
        try:
            number = float(value) if len(value) < _MAX_COMPARED else None
        except ValueError:
            return ""
        if number is not None and has_type(number, [*types]):
            return "; remove the quotes"
    return ""


def _form(value: Any, types: Collection[str]) -> str:
    is_list, is_object = isinstance(value, list), isinstance(value, Mapping)
    if "string" in types and is_object and "valueFrom" in value:
        return (
            "; a variable with valueFrom goes into pod_template.spec.containers, to env of the container "
            "named model"
        )
    if "object" in types and is_list and value and all(_is_entry(item) for item in value):
        return "; write a mapping of names to values, such as {NAME: value}"
    if "array" in types and isinstance(value, str):
        return "; write a list, such as [first, second]"
    if "array" in types and is_object and value:
        if all(isinstance(item, str | int | float) for item in value.values()) and "name" not in value:
            return "; write a list of objects, such as [{name: NAME, value: VALUE}]"
        return "; write a list of objects, each with a '-' before it"
    return ""


def _is_entry(item: Any) -> bool:
    return isinstance(item, Mapping) and "name" in item and bool({"value", "valueFrom"} & item.keys())
