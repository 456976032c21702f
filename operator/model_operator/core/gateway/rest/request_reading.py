"""Read the JSON of a control request, and say what is wrong with it as the platform does.

The platform is a FastAPI service: what pydantic finds wrong is the answer, with ``body`` before its path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from model_operator.core.gateway.failures import invalid
from model_operator.core.gateway.rest.entries import ABSENT, BODY, Entry
from model_operator.core.values.json_reading import read_json
from model_operator.core.values.json_values import wire_json

MAX_INPUT: Final = 4096
"""Bytes of the largest value, as JSON, that an entry shows: a body may be wrong in a thousand places."""

_Model = TypeVar("_Model", bound=BaseModel)


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a request.

    Parameters
    ----------
    body
        As the client sent it.

    Raises
    ------
    Failure
        INVALID with one entry at ``body``: ``missing`` for no body at all, ``json_invalid`` for what is not
        JSON by RFC 8259 in UTF-8, ``model_attributes_type`` for JSON that is not an object.
    """
    if not body.strip():
        raise invalid(Entry((BODY,), "Field required", "missing", None))
    try:
        value = read_json(body)
    except ValueError as error:
        # The parser's text holds a position, and nothing of the body.
        raise invalid(
            Entry((BODY,), "JSON decode error", "json_invalid", {}, {"error": str(error)})
        ) from error
    if not isinstance(value, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise invalid(Entry((BODY,), message, "model_attributes_type", shown_input(value)))
    return value


def read_body(body: bytes, model: type[_Model]) -> _Model:
    """Return the body of a request as a model, with unknown fields ignored.

    Parameters
    ----------
    body
        As the client sent it.
    model
        What the platform's document says of the body.

    Raises
    ------
    Failure
        INVALID with all that is wrong.
    """
    value = read_object(body)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(*entries_of(error)) from error


def read_named(
    body: bytes,
    model: type[_Model],
    name_of: Callable[[str], str | None],
    unsupported: Callable[[dict[str, Any]], list[Entry]],
) -> _Model:
    """Return the body of a request for something of which the name of an object is made.

    Parameters
    ----------
    body
        As the client sent it.
    model
        What the platform's document says of the body.
    name_of
        Returns the name that is made of a text; None if none can be.
    unsupported
        Returns what the request has that is not available here.

    Raises
    ------
    Failure
        INVALID with all that is wrong with the body.
    """
    sent = read_object(body)
    entries = unsupported(sent)
    name = sent.get("name")
    if isinstance(name, str) and name and name_of(name) is None:
        message = "must have at least one letter or digit of ASCII, from which a name can be made"
        entries.append(Entry((BODY, "name"), message, "object_name", name))
    try:
        read = model.model_validate(sent)
    except ValidationError as error:
        raise invalid(*entries_of(error), *entries) from None
    if entries:
        raise invalid(*entries)
    return read


def entries_of(error: ValidationError, root: tuple[str | int, ...] = (BODY,)) -> tuple[Entry, ...]:
    """Return what a model of a request found wrong, in the shape and the words of the platform.

    Parameters
    ----------
    error
        The error that the model raised.
    root
        Path of the object that it read.
    """
    return tuple(
        Entry(
            (*root, *entry["loc"]),
            entry["msg"],
            entry["type"],
            _input(entry),
            _context(entry),
        )
        for entry in error.errors(include_url=False)
    )


def shown_input(value: Any) -> Any:
    """Return a value as an entry shows it: as it is, or not at all when it is large."""
    return ABSENT if value is ABSENT or len(wire_json(value)) > MAX_INPUT else value


def value_at(value: Any, path: Sequence[str | int]) -> Any:
    """Return a part of a JSON value; `ABSENT` if there is none.

    Parameters
    ----------
    value
        The JSON value.
    path
        Names of fields and indices of lists.
    """
    for part in path:
        if not has_part(value, part):
            return ABSENT
        value = value[part]
    return value


def has_part(value: Any, part: str | int) -> bool:
    """Whether a JSON value is an object with that field, or a list with that index."""
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value)


def _input(entry: ErrorDetails) -> Any:
    # A rule about several fields of an object has none of its own.
    is_rule_of_object = entry["input"] is None and _is_rule(entry)
    return ABSENT if is_rule_of_object else shown_input(entry["input"])


def _context(entry: ErrorDetails) -> dict[str, Any] | None:
    context = entry.get("ctx")
    return None if context is None or _is_rule(entry) else _plain(context)


def _is_rule(entry: ErrorDetails) -> bool:
    """Whether it is an error of `model_operator.api.rules.Rule`, whose context repeats the message."""
    return entry.get("ctx") == {"message": entry["msg"]}


def _plain(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a rule as JSON: pydantic gives an exception as such."""
    return {
        name: value if isinstance(value, str | int | float | bool | None) else str(value)
        for name, value in context.items()
    }
