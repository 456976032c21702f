"""The models' messages in the words of all others: what must be, and what kind of value was got."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.values.violations import Loc, Violation
from model_operator.core.values.words import noun

_BEGINNINGS: Final = {
    "Input should be a valid dictionary": "must be an object",
    "Input should be a valid list": "must be a list",
    "Input should be a valid": "must be a valid",
    "Input should be": "must be",
    "String should have": "must have",
    "List should have": "must have",
    "Dictionary should have": "must have",
    "Field required": "required field is missing",
}
_MISSING: Final = object()


def in_our_words(violation: Violation, obj: Any) -> Violation:
    """Return a violation of an object's shape as all others are worded.

    Parameters
    ----------
    violation
        What a model found.
    obj
        The object that it was found in.
    """
    for theirs, ours in _BEGINNINGS.items():
        if violation.msg.startswith(theirs):
            message = ours + violation.msg.removeprefix(theirs)
            break
    else:
        return violation
    given = value_at(obj, violation.loc)
    is_counted = ", not " in message or " after validation, " in message
    if (
        violation.type != "missing"
        and given is not _MISSING
        and not is_counted
        and not ours.startswith("must have")
    ):
        message += f", got {noun(given)}"
    return Violation(violation.loc, message, violation.type)


def value_at(obj: Any, loc: Loc) -> Any:
    """Return the value at a path; a value that equals nothing else where there is none."""
    for part in loc:
        is_item = isinstance(obj, list) and isinstance(part, int) and part < len(obj)
        if not is_item and not (isinstance(obj, Mapping) and part in obj):
            return _MISSING
        obj = obj[part]
    return obj
