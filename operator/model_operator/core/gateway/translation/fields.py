"""Reading the fields of a request that is translated: each is known, of the right type and within limits.

A message names the path, what was expected, and the kind of value that was found; never the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from model_operator.api.enums import EndpointProtocol
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.values.json_values import MAX_INTEGER
from model_operator.core.values.limits import check_limits
from model_operator.core.values.violations import Loc, format_loc
from model_operator.core.values.words import noun

MAX_TEXTS: Final = 2048
"""Maximum number of texts in one request, also of documents and messages: OpenAI's limit of inputs to embed.
A list beyond it is refused before an item is read."""

_MAX_KEY_CHARACTERS: Final = 64
"""Characters of a name that the client chose and a message shows."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value with the path at which the client wrote it."""

    value: Any
    path: Loc


class Fields:
    """The fields of one JSON object. Each is taken once; what remains at the end is not known.

    A field whose value is null is the same as an absent one.

    Parameters
    ----------
    value
        The object.
    path
        Its path in the body.
    """

    def __init__(self, value: Mapping[str, Any], path: Loc = ()) -> None:
        self._left = {key: item for key, item in value.items() if item is not None}
        self.path = path

    @classmethod
    def of(cls, value: Any, path: Loc) -> Fields:
        """Return the fields of a value that must be an object."""
        if not isinstance(value, dict):
            raise invalid(path, "an object", value)
        return cls(value, path)

    def take(self, name: str) -> Given | None:
        """Return a field of any type; None if it is absent or null."""
        value = self._left.pop(name, None)
        return None if value is None else Given(value, (*self.path, name))

    def has(self, name: str) -> bool:
        """Whether a field is there and not taken yet."""
        return name in self._left

    def required(self, name: str) -> Given:
        """Return a field of any type that must be there."""
        given = self.take(name)
        if given is None:
            raise _missing((*self.path, name))
        return given

    def text(self, name: str) -> str:
        """Return a required text."""
        return text_of(self.required(name))

    def optional_text(self, name: str) -> str | None:
        """Return a text, or None."""
        given = self.take(name)
        return None if given is None else text_of(given)

    def texts(self, name: str, *, at_least: int = 1, at_most: int = MAX_TEXTS) -> tuple[str, ...]:
        """Return a required list of texts."""
        return texts_of(self.required(name), at_least=at_least, at_most=at_most)

    def flag(self, name: str) -> bool:
        """Return a boolean; false if it is absent."""
        given = self.take(name)
        if given is None:
            return False
        if not isinstance(given.value, bool):
            raise invalid(given.path, "a boolean", given.value)
        return given.value

    def number(self, name: str, low: float, high: float) -> Given | None:
        """Return a number from `low` to `high`, or None."""
        given = self.take(name)
        if given is None:
            return None
        value = given.value
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise invalid(given.path, "a number", value)
        if not low <= value <= high:
            raise refused(given.path, f"must be from {low:g} to {high:g}")
        return given

    def whole(self, name: str, low: int, high: int = MAX_INTEGER) -> Given | None:
        """Return an integer from `low` to `high`, or None."""
        given = self.take(name)
        if given is None:
            return None
        value = given.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid(given.path, "an integer", value)
        if not low <= value <= high:
            limits = f"at least {low}" if high == MAX_INTEGER else f"from {low} to {high}"
            raise refused(given.path, f"must be {limits}")
        return Given(value, given.path)

    def object(self, name: str) -> Given | None:
        """Return an object within the limits of a parameter, or None."""
        given = self.take(name)
        if given is None:
            return None
        if not isinstance(given.value, dict):
            raise invalid(given.path, "an object", given.value)
        if violations := check_limits(given.value, given.path):
            raise refused(violations[0].loc, violations[0].msg)
        return given

    def choice(self, name: str, choices: Sequence[str]) -> Given | None:
        """Return one of some texts, or None."""
        given = self.take(name)
        if given is not None and text_of(given) not in choices:
            listed = ", ".join(f'"{choice}"' for choice in choices)
            raise refused(given.path, f"must be one of {listed}")
        return given

    def rest_of_texts(self) -> dict[str, str]:
        """Return all fields that are not taken yet, which must be texts."""
        return {name: self.text(name) for name in list(self._left)}

    def ignore(self, *names: str) -> None:
        """Accept fields that have no effect on the answer, with any value."""
        for name in names:
            self._left.pop(name, None)

    def without_effect(self, protocol: EndpointProtocol, values: Mapping[str, Sequence[Any]]) -> None:
        """Accept fields whose value states what happens anyway; refuse any other value."""
        for name, harmless in values.items():
            given = self.take(name)
            if given is not None and not is_one_of(given.value, harmless):
                raise unsupported(given.path, protocol)

    def close(self, protocol: EndpointProtocol) -> None:
        """Refuse the fields that are not known.

        Raises
        ------
        Failure
            UNSUPPORTED_FIELD with the path of the first.
        """
        for name in self._left:
            raise unsupported((*self.path, name), protocol)

    def refuse_rest(self) -> None:
        """Refuse the fields that are not known, in an object that is the same for all protocols."""
        for name in self._left:
            raise refused((*self.path, name), "is not a known field")


def decode_request(body: bytes) -> Fields:
    """Return the fields of a request.

    Raises
    ------
    Failure
        INVALID_BODY if it is not a JSON object.
    """
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):  # msgspec's errors and wrong UTF-8 are ValueErrors
        raise invalid_body("is not valid JSON") from None
    if not isinstance(value, dict):
        raise invalid_body(f"must be a JSON object, got {noun(value)}")
    return Fields(value)


def invalid_body(problem: str) -> Failure:
    """Return the failure of a body; `problem` follows ``The body``."""
    message = f"The body {problem}. Action (user): send a JSON object in UTF-8."
    return Failure(FailureReason.INVALID_BODY, message)


def text_of(given: Given) -> str:
    """Return a value that must be a text."""
    if not isinstance(given.value, str):
        raise invalid(given.path, "a string", given.value)
    return given.value


def items_of(given: Given, *, at_least: int = 1, at_most: int = MAX_TEXTS) -> list[Given]:
    """Return the items of a value that must be a list, with their paths."""
    items = list_of(given, at_least=at_least, at_most=at_most)
    return [Given(item, (*given.path, index)) for index, item in enumerate(items)]


def list_of(given: Given, *, at_least: int = 1, at_most: int = MAX_TEXTS) -> list[Any]:
    """Return a value that must be a list."""
    if not isinstance(given.value, list):
        raise invalid(given.path, "a list", given.value)
    count = len(given.value)
    if count < at_least:
        raise refused(given.path, "must not be empty")
    if count > at_most:
        raise refused(given.path, f"must have at most {at_most} items, got {count}")
    found: list[Any] = given.value
    return found


def texts_of(given: Given, *, at_least: int = 1, at_most: int = MAX_TEXTS) -> tuple[str, ...]:
    """Return the items of a value that must be a list of texts."""
    return tuple(text_of(item) for item in items_of(given, at_least=at_least, at_most=at_most))


def _refuse_tokens(given: Given) -> None:
    """Refuse a list of token ids, or of such lists, which mean other texts to another tokenizer.

    Raises
    ------
    Failure
        INVALID_REQUEST.
    """
    first = given.value[0] if given.value else None
    while isinstance(first, list):
        first = first[0] if first else 0
    if isinstance(first, int) and not isinstance(first, bool):
        raise refused(given.path, "must hold texts: this model takes no token ids")


def one_or_more_texts(fields: Fields, name: str) -> tuple[str, ...]:
    """Return a required text or list of texts as a tuple."""
    given = fields.required(name)
    if isinstance(given.value, str):
        return (text_of(given),)
    if not isinstance(given.value, list):
        raise invalid(given.path, "a string or a list of strings", given.value)
    _refuse_tokens(given)
    return texts_of(given)


def invalid(path: Loc, expected: str, value: Any) -> Failure:
    """Return the failure of a value of the wrong type."""
    return refused(path, f"must be {expected}, got {noun(value)}")


def unsupported(path: Loc, protocol: EndpointProtocol, problem: str = "") -> Failure:
    """Return the failure of a field that the server's protocol does not have."""
    path = _clipped(path)
    problem = problem or f"is not supported by a model server of protocol {protocol}"
    message = f"{format_loc(path)}: {problem}. Action (user): leave it out."
    return Failure(FailureReason.UNSUPPORTED_FIELD, message, path)


def refused(path: Loc, problem: str) -> Failure:
    """Return the failure of a value; `problem` follows its path: ``must be …``."""
    path = _clipped(path)
    message = f"{format_loc(path)}: {problem}. Action (user): correct the request."
    return Failure(FailureReason.INVALID_REQUEST, message, path)


def _missing(path: Loc) -> Failure:
    return refused(path, "is required")


def _clipped(path: Loc) -> Loc:
    return tuple(part if isinstance(part, int) else part[:_MAX_KEY_CHARACTERS] for part in path)


def is_one_of(value: Any, values: Sequence[Any]) -> bool:
    """Whether a value is one of some JSON values, where ``true`` is not ``1``."""
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in values)
