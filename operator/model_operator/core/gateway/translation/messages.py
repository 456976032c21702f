"""Messages of a chat between the client's API and the server's: texts, and images where both have them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from model_operator.api.enums import EndpointProtocol
from model_operator.core.gateway.translation.fields import (
    Fields,
    Given,
    list_of,
    refused,
    text_of,
    unsupported,
)

MAX_PARTS: Final = 128
"""Maximum number of parts of one message."""

_TEXT: Final = "text"
_URL: Final = "image_url"
_DATA: Final = "image_data"
_MEDIA_TYPE: Final = re.compile(r"image/[A-Za-z0-9.+-]{1,64}")


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A call of a function that the model requested; the arguments are JSON as text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    Attributes
    ----------
    role
        ``user``, ``system``, ``assistant``, ``tool``, or ``agent``: an assistant that may request a tool.
    content
        The text; None for an agent's message that only requests a tool. With images, a list of parts in
        OpenAI's form.
    name
        Name of the tool, for ``tool``.
    tool_request
        For ``agent``.
    """

    role: str
    content: str | Sequence[Mapping[str, Any]] | None
    name: str | None = None
    tool_request: ToolRequest | None = None


def text_content(given: Given, protocol: EndpointProtocol) -> str:
    """Return content that is a text, or a list of text parts, which are joined by line breaks.

    Raises
    ------
    Failure
        UNSUPPORTED_FIELD with the path of a part that is no text; INVALID_REQUEST for a wrong type.
    """
    if not isinstance(given.value, list):
        return text_of(given)
    texts: list[str] = []
    for index, value in enumerate(list_of(given, at_most=MAX_PARTS)):
        if _is_plain_text(value):  # the usual case; all parts of a large chat take a second otherwise
            texts.append(value["text"])
            continue
        part = Fields.of(value, (*given.path, index))
        kind = part.optional_text("type")
        if kind not in (None, _TEXT):
            problem = f"must be a text: the gateway sends no other content to a server of protocol {protocol}"
            raise unsupported(part.path, protocol, problem)
        texts.append(part.text(_TEXT))
        part.close(protocol)
    return "\n".join(texts)


def content_with_images(given: Given) -> str | list[Mapping[str, Any]]:
    """Return content of the platform's typed API as OpenAI's: a text, or parts if there is an image.

    Raises
    ------
    Failure
        INVALID_REQUEST with the path of what is wrong.
    """
    if not isinstance(given.value, list):
        return text_of(given)
    parts = [
        value if _is_plain_text(value) else _part(Fields.of(value, (*given.path, index)))
        for index, value in enumerate(list_of(given, at_most=MAX_PARTS))
    ]
    if all(part["type"] == _TEXT for part in parts):
        return "\n".join(part[_TEXT] for part in parts)
    return parts


def _part(fields: Fields) -> Mapping[str, Any]:
    stated = fields.choice("type", (_TEXT, _URL, _DATA))
    present = [name for name in (_TEXT, _URL, _DATA) if fields.has(name)]
    kind = stated.value if stated else present[0] if present else _TEXT  # the client's types may leave it out
    if kind == _TEXT:
        part: dict[str, Any] = {"type": _TEXT, _TEXT: fields.text(_TEXT)}
    else:
        given = fields.required(kind)
        image = Fields.of(given.value, given.path)
        url = image.text("url") if kind == _URL else _data_url(image)
        detail = image.choice("detail", ("low", "high", "auto"))
        image.refuse_rest()
        part = {"type": _URL, _URL: {"url": url, **({"detail": detail.value} if detail else {})}}
    fields.refuse_rest()
    return part


def _data_url(image: Fields) -> str:
    """Return an image that is a part of the request as the URL that OpenAI's API takes."""
    media_type = image.required("media_type")
    if not _MEDIA_TYPE.fullmatch(text_of(media_type)):
        raise refused(media_type.path, 'must be the type of an image, such as "image/png"')
    image.choice("type", ("base64",))
    return f"data:{media_type.value};base64,{image.text('data')}"


def _is_plain_text(part: Any) -> bool:
    is_pair = type(part) is dict and len(part) == len(("type", _TEXT))
    return is_pair and part.get("type") == _TEXT and type(part.get(_TEXT)) is str
