"""What the gateway reads of a request's body, and the one value that it replaces.

Nothing is parsed into Python objects but the top-level fields ``model`` and ``stream``, and nothing is
serialised again: big integers, ``1.50``, fields given twice and white space stay as they are (bifrost #5764:
rewritten bodies). Time is linear in the length of the body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from model_operator.core.gateway.failures import Failure, FailureReason

_FIELD: Final = "model"
_MOST_FIELDS: Final = 10_000
"""Top-level fields of a body, if they must be counted: no API has more than some dozens."""
_NO_VALUE: Final = msgspec.Raw(b"")
_QUOTED: Final = b'"model"'
_WHITE: Final = rb"[ \t\r\n]*+"
_KEY: Final = re.compile(_WHITE + rb'"(?:[^"\\]|\\.)*+"' + _WHITE + rb":" + _WHITE, re.DOTALL)
_BEFORE_VALUE: Final = re.compile(_WHITE + rb":" + _WHITE)
_BETWEEN: Final = re.compile(_WHITE + rb"[,{]")
_ESCAPED_LETTER: Final = re.compile(rb"\\u006[45cdfCDF]")
"""A letter of the name written as an escape sequence: JSON allows ``"mod\\u0065l"``."""


class _Fields(msgspec.Struct):
    model: msgspec.Raw = _NO_VALUE
    stream: msgspec.Raw = _NO_VALUE


class _Key:
    """A key that equals no other: a dictionary of these keeps fields that are given twice."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


_FIELDS: Final = msgspec.json.Decoder(_Fields)
_STRING: Final = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Request:
    """What is read of a body.

    Attributes
    ----------
    model
        Value of the field ``model``; None if there is none.
    is_stream
        Whether the field ``stream`` is true.
    raw
        The body.
    """

    model: str | None
    is_stream: bool
    raw: bytes


def read_request(body: bytes, *, names_model: bool = True) -> Request:
    """Read a body.

    Parameters
    ----------
    body
        As the client sent it.
    names_model
        Whether the field ``model`` is the gateway's to read. Where the path names the model, the field is the
        server's, of any type.

    Raises
    ------
    Failure
        INVALID_BODY for anything but one JSON object in UTF-8, for a ``model`` that is no string, and for one
        that is given twice: servers differ in which of the two they take.
    """
    fields = _fields(body)
    is_stream = bytes(fields.stream) == b"true"
    if not names_model:
        return Request(None, is_stream, body)
    value = bytes(fields.model)
    if not value:
        return Request(None, is_stream, body)
    _refuse_second(body)
    try:
        model = _STRING.decode(value)
    except msgspec.MsgspecError as error:
        raise _invalid(
            "model: must be a string. Action (user): send the name of a model.", "model"
        ) from error
    return Request(model, is_stream, body)


def with_model(body: bytes, model: str) -> bytes:
    """Return a body with another value of its top-level field ``model``; all other bytes are kept.

    Parameters
    ----------
    body
        One that :func:`read_request` accepts. Without the field it is returned as it is.
    model
        The value.

    Raises
    ------
    Failure
        INVALID_BODY, as :func:`read_request`.
    """
    value = bytes(_fields(body).model)
    if not value:
        return body
    if _is_plain(body):
        start = _BEFORE_VALUE.match(body, body.index(_QUOTED) + len(_QUOTED)).end()  # type: ignore[union-attr]
    else:
        (start,) = [at for name, at in _members(body) if name == _FIELD]
    return b"".join((body[:start], msgspec.json.encode(model), body[start + len(value) :]))


def _fields(body: bytes) -> _Fields:
    try:
        # msgspec skips the bytes of strings that it does not return.
        body.decode()
        return _FIELDS.decode(body)
    except UnicodeDecodeError as error:
        raise _invalid("The body must be JSON in UTF-8. Action (user): encode it as UTF-8.") from error
    except RecursionError as error:
        raise _invalid("The body is nested too deeply. Action (user): send a flatter JSON object.") from error
    except msgspec.ValidationError as error:
        raise _invalid("The body must be a JSON object. Action (user): send an object.") from error
    except msgspec.MsgspecError as error:
        raise _invalid("The body is not valid JSON. Action (user): send a JSON object.") from error


def _is_plain(body: bytes) -> bool:
    """Whether the name of the field occurs once, so that a field that exists is that occurrence."""
    return body.count(_QUOTED) == 1 and _ESCAPED_LETTER.search(body) is None


def _refuse_second(body: bytes) -> None:
    if not _is_plain(body) and sum(name == _FIELD for name, _ in _members(body)) > 1:
        raise _invalid("model: must be given once, found twice. Action (user): remove one of them.", "model")


def _members(body: bytes) -> Iterator[tuple[str, int]]:
    """Yield the top-level fields in their order, each with the position of its value."""
    count = 0

    def key(_: type[Any], name: str) -> _Key:
        nonlocal count
        count += 1
        if count > _MOST_FIELDS:
            raise _invalid(
                f"The body must have at most {_MOST_FIELDS} fields. Action (user): send an object of the API."
            )
        return _Key(name)

    fields = msgspec.json.decode(body, type=dict[_Key, msgspec.Raw], dec_hook=key)
    position = 0
    for field, value in fields.items():
        position = _KEY.match(body, _BETWEEN.match(body, position).end()).end()  # type: ignore[union-attr]
        yield field.name, position
        position += len(bytes(value))


def _invalid(message: str, *param: str) -> Failure:
    return Failure(FailureReason.INVALID_BODY, message, param)
