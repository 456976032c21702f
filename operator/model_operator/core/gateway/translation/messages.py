"""Messages of a chat between the client's API and the server's; the content is text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from model_operator.api.enums import EndpointProtocol
from model_operator.core.gateway.translation.fields import Fields, Given, list_of, text_of, unsupported

MAX_PARTS: Final = 128
"""Maximum number of parts of one message."""


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
        The text; None for an agent's message that only requests a tool.
    name
        Name of the tool, for ``tool``.
    tool_request
        For ``agent``.
    """

    role: str
    content: str | None
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
        if kind not in (None, "text"):
            problem = f"must be a text: the gateway sends no other content to a server of protocol {protocol}"
            raise unsupported(part.path, protocol, problem)
        texts.append(part.text("text"))
        part.close(protocol)
    return "\n".join(texts)


def _is_plain_text(part: Any) -> bool:
    is_pair = type(part) is dict and len(part) == len(("type", "text"))
    return is_pair and part.get("type") == "text" and type(part.get("text")) is str
