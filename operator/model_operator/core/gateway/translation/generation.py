"""Chats and completions in a form of their own, between the client's API and the server's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from model_operator.core.gateway.translation.fields import Given
from model_operator.core.gateway.translation.messages import Message

MAX_STOP_SEQUENCES: Final = 4
CONTRACT_TEMPERATURE: Final = 0.2
"""Temperature of the platform's contract when a request has none."""
MAX_TEMPERATURE: Final = 2


class Option(StrEnum):
    """A setting of the generation, by OpenAI's name."""

    TEMPERATURE = "temperature"
    MAX_TOKENS = "max_tokens"
    STOP = "stop"
    TOP_P = "top_p"
    TOP_K = "top_k"
    FREQUENCY_PENALTY = "frequency_penalty"
    PRESENCE_PENALTY = "presence_penalty"
    LOGPROBS = "logprobs"
    TOP_LOGPROBS = "top_logprobs"
    REASONING_EFFORT = "reasoning_effort"
    CHAT_TEMPLATE = "chat_template"
    CHAT_TEMPLATE_KWARGS = "chat_template_kwargs"


HARMLESS: Final[Mapping[Option, Sequence[Any]]] = {
    Option.TOP_P: (1,),
    Option.TOP_K: (-1, 0),
    Option.FREQUENCY_PENALTY: (0,),
    Option.PRESENCE_PENALTY: (0,),
    Option.LOGPROBS: (False,),
    Option.TOP_LOGPROBS: (0,),
    Option.CHAT_TEMPLATE_KWARGS: ({},),
}
"""Values that state what a server without the option does anyway."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A chat or a completion.

    Attributes
    ----------
    prompts
        The texts to complete; for a chat the last message of the user, if the client's API needs it.
    messages
        The chat; empty for a completion.
    options
        Settings that the client gave.
    bindings
        Values of the parameters that the template declares for requests.
    is_stream
        Whether the client requests a stream.
    reports_usage
        Whether a stream must end with the count of tokens.
    follows_contract
        Whether the platform's rules hold: the default temperature, and that one beyond the server's range
        is reduced to its maximum.
    """

    prompts: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    options: Mapping[Option, Given] = field(default_factory=dict)
    bindings: Mapping[str, Given] = field(default_factory=dict)
    is_stream: bool = False
    reports_usage: bool = False
    follows_contract: bool = False

    @property
    def is_chat(self) -> bool:
        """Whether it is a chat."""
        return bool(self.messages)

    @property
    def choices(self) -> int:
        """Number of texts that the model generates."""
        return 1 if self.is_chat else len(self.prompts)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written; None if the server does not count them."""

    prompt: int | None = None
    response: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What the model generated for a prompt: at least one text.

    Attributes
    ----------
    texts
        At least one.
    finish_reason
        Why it ended, in the server's words.
    logprobs
        As OpenAI's chat has them; None if not requested.
    """

    texts: tuple[str, ...]
    finish_reason: str | None = None
    logprobs: Any = None


@dataclass(frozen=True, slots=True)
class Generated:
    """A complete answer; the choices are in the order of the prompts."""

    choices: tuple[Choice, ...]
    usage: Usage = Usage()

    @property
    def finish_reason(self) -> str | None:
        """One reason for all choices: of the first, or that any of them was cut."""
        reasons = [choice.finish_reason for choice in self.choices]
        return "length" if "length" in reasons else reasons[0]


@dataclass(frozen=True, slots=True)
class Delta:
    """The next part of an answer.

    Attributes
    ----------
    index
        Of the prompt.
    text
        Text to append.
    finish_reason
        Given in the last part of a choice.
    usage
        Given in the last part of an answer.
    logprobs
        Of the text.
    """

    index: int = 0
    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    logprobs: Any = None


_FINISH_REASONS: Final = {
    "length": "length",
    "max_tokens": "length",
    "max_length": "length",
    "content_filter": "content_filter",
}


def openai_finish_reason(reason: str | None) -> str:
    """Return a reason in OpenAI's words, of which clients know no others."""
    return _FINISH_REASONS.get((reason or "").lower(), "stop")
