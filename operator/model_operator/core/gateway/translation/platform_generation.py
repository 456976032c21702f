"""The platform's APIs of chats and completions, as clients call them: execute and the typed routes.

Sources: core.templates.contracts for execute, the types of the ``scale-gp`` client (``models.completions``,
``models.chat_completions``) for the typed routes. Streams end without ``[DONE]``: the client reads every
event as JSON.
"""

from __future__ import annotations

from typing import Any, Final

from model_operator.api.enums import EndpointProtocol
from model_operator.core.gateway.sse import data_event
from model_operator.core.gateway.translation.base import Target
from model_operator.core.gateway.translation.bindings import read_bindings
from model_operator.core.gateway.translation.fields import (
    Fields,
    Given,
    decode_request,
    items_of,
    refused,
    text_of,
    texts_of,
)
from model_operator.core.gateway.translation.generation import (
    MAX_STOP_SEQUENCES,
    MAX_TEMPERATURE,
    Delta,
    Generated,
    GenerationRequest,
    Option,
    Usage,
)
from model_operator.core.gateway.translation.messages import (
    Message,
    ToolRequest,
    content_with_images,
    text_content,
)
from model_operator.core.gateway.translation.server_answers import encode

_CONTRACT_MAX_TEMPERATURE: Final = 1
_PENALTY: Final = 2
_EFFORTS: Final = ("low", "medium", "high")
_TEXT_ROLES: Final = ("user", "system", "assistant")
_MAX_TOP_K: Final = 1_000_000
_WITH_IMAGES: Final = frozenset({EndpointProtocol.OPENAI, EndpointProtocol.VLLM})


class ExecuteClient:
    """Reads and writes the bodies of CHAT_COMPLETION and COMPLETION on the Execute Model API.

    Parameters
    ----------
    is_chat
        Which of the two.
    """

    def __init__(self, *, is_chat: bool) -> None:
        self._is_chat = is_chat

    def read(self, body: bytes, target: Target) -> GenerationRequest:
        """Return a request; raises Failure with the path of the field that is wrong."""
        fields = decode_request(body)
        prompts: tuple[str, ...] = ()
        messages: tuple[Message, ...] = ()
        if self._is_chat:
            messages = tuple(_message(each) for each in items_of(fields.required("messages")))
        else:
            prompts = fields.texts("prompts")
        options = _contract_options(fields, _CONTRACT_MAX_TEMPERATURE)
        request = GenerationRequest(
            prompts,
            messages,
            options,
            read_bindings(fields),
            fields.flag("stream"),
            follows_contract=True,
        )
        fields.close(target.protocol)
        return request

    def write(self, asked: GenerationRequest, answer: Generated, _target: Target) -> bytes:
        """Return the client's body."""
        if self._is_chat:
            choice = answer.choices[0]
            return encode(_chat(choice.texts[0], choice.finish_reason))
        return encode(_completions(asked, answer))

    def writer(self, asked: GenerationRequest, _target: Target) -> PlatformWriter:
        """Return what writes the client's stream."""
        return PlatformWriter(asked, has_messages=self._is_chat)


class TypedClient:
    """Reads and writes the bodies of the typed routes ``completions`` and ``chat-completions``.

    Parameters
    ----------
    is_chat
        Which of the two; both have the same answer.
    """

    def __init__(self, *, is_chat: bool) -> None:
        self._is_chat = is_chat

    def read(self, body: bytes, target: Target) -> GenerationRequest:
        """Return a request; raises Failure with the path of the field that is wrong."""
        fields = decode_request(body)
        prompt = fields.text("prompt")
        messages: tuple[Message, ...] = ()
        if self._is_chat:
            history = items_of(fields.required("chat_history"), at_least=0)
            entries = [_entry(each, target) for each in history]
            messages = (*entries, Message("user", prompt))
        options = _contract_options(fields, MAX_TEMPERATURE) | _typed_options(fields)
        request = GenerationRequest(
            (prompt,),
            messages,
            options,
            read_bindings(fields),
            fields.flag("stream"),
            follows_contract=True,
        )
        fields.close(target.protocol)
        return request

    def write(self, asked: GenerationRequest, answer: Generated, _target: Target) -> bytes:
        """Return the client's body."""
        return encode(_completions(asked, answer))

    def writer(self, asked: GenerationRequest, _target: Target) -> PlatformWriter:
        """Return what writes the client's stream."""
        return PlatformWriter(asked, has_messages=False)


class PlatformWriter:
    """Writes the events of one stream: each is an answer with the next part of the text.

    Parameters
    ----------
    asked
        The request.
    has_messages
        Whether the text is a message of the assistant, as in the contract of CHAT_COMPLETION.
    """

    def __init__(self, asked: GenerationRequest, *, has_messages: bool) -> None:
        self._asked = asked
        self._has_messages = has_messages

    def write(self, delta: Delta) -> bytes:
        """Return the event for a part of the answer; none for a part that says nothing."""
        if self._has_messages:
            if not delta.text and not delta.finish_reason:
                return b""
            return data_event(encode(_chat(delta.text, delta.finish_reason)))
        if not delta.text and not delta.finish_reason and not delta.usage:
            return b""
        body: dict[str, Any] = {"completions": [(self._asked.prompts[delta.index], [delta.text])]}
        body |= _reason(delta.finish_reason) | _tokens(delta.usage or Usage())
        if delta.logprobs is not None:
            body["choices"] = [{"index": delta.index, "logprobs": delta.logprobs}]
        return data_event(encode(body))

    def end(self) -> bytes:
        """Return nothing: the stream ends with the connection's body."""
        return b""


def _contract_options(fields: Fields, max_temperature: float) -> dict[Option, Given]:
    options: dict[Option, Given] = {}
    _add(options, Option.TEMPERATURE, fields.number("temperature", 0, max_temperature))
    _add(options, Option.MAX_TOKENS, fields.whole("max_tokens", 1))
    if stop := fields.take("stop_sequences"):
        texts = texts_of(stop, at_least=0, at_most=MAX_STOP_SEQUENCES)
        _add(options, Option.STOP, Given(texts, stop.path) if texts else None)
    return options


def _typed_options(fields: Fields) -> dict[Option, Given]:
    options: dict[Option, Given] = {}
    _add(options, Option.TOP_P, fields.number("top_p", 0, 1))
    _add(options, Option.TOP_K, fields.whole("top_k", -1, _MAX_TOP_K))
    _add(options, Option.FREQUENCY_PENALTY, fields.number("frequency_penalty", -_PENALTY, _PENALTY))
    _add(options, Option.PRESENCE_PENALTY, fields.number("presence_penalty", -_PENALTY, _PENALTY))
    if fields.flag("logprobs"):
        options[Option.LOGPROBS] = Given(True, ("logprobs",))
    _add(options, Option.TOP_LOGPROBS, fields.whole("top_logprobs", 0))
    _add(options, Option.REASONING_EFFORT, fields.choice("reasoning_effort", _EFFORTS))
    if template := fields.take("chat_template"):
        text_of(template)
        options[Option.CHAT_TEMPLATE] = template
    _add(options, Option.CHAT_TEMPLATE_KWARGS, fields.object("chat_template_kwargs"))
    return options


def _add(options: dict[Option, Given], option: Option, given: Given | None) -> None:
    if given is not None:
        options[option] = given


def _entry(given: Given, target: Target) -> Message:
    """Return an entry of ``chat_history``; its content may be a list of parts."""
    fields = Fields.of(given.value, given.path)
    role = fields.choice("role", _TEXT_ROLES) or fields.required("role")
    written = fields.required("content")
    fields.refuse_rest()
    if role.value == "user" and target.protocol in _WITH_IMAGES:
        return Message(role.value, content_with_images(written))
    return Message(role.value, text_content(written, target.protocol))


def _message(given: Given) -> Message:
    """Return an entry of ``messages``."""
    fields = Fields.of(given.value, given.path)
    role = text_of(fields.required("role"))
    name: str | None = None
    tool_request: ToolRequest | None = None
    if role == "agent":
        content = fields.optional_text("content")
        tool_request = _tool_request(fields)
    elif role == "tool":
        name, content = fields.text("name"), fields.text("content")
    elif role in _TEXT_ROLES:
        content = fields.text("content")
    else:
        known = ", ".join((*_TEXT_ROLES, "tool", "agent"))
        raise refused((*given.path, "role"), f"must be one of {known}")
    fields.refuse_rest()
    return Message(role, content, name, tool_request)


def _tool_request(fields: Fields) -> ToolRequest | None:
    given = fields.object("tool_request")
    if given is None:
        return None
    inner = Fields(given.value, given.path)
    request = ToolRequest(inner.text("name"), inner.text("arguments"))
    inner.refuse_rest()
    return request


def _chat(text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}, **_reason(finish_reason)}


def _completions(asked: GenerationRequest, answer: Generated) -> dict[str, Any]:
    pairs = zip(asked.prompts, answer.choices, strict=True)
    body: dict[str, Any] = {"completions": [(prompt, choice.texts) for prompt, choice in pairs]}
    body |= _reason(answer.finish_reason) | _tokens(answer.usage)
    logprobs = [
        {"index": index, "logprobs": choice.logprobs}
        for index, choice in enumerate(answer.choices)
        if choice.logprobs is not None
    ]
    return {**body, "choices": logprobs} if logprobs else body


def _reason(finish_reason: str | None) -> dict[str, Any]:
    return {"finish_reason": finish_reason} if finish_reason else {}


def _tokens(usage: Usage) -> dict[str, Any]:
    counts = {"prompt_tokens": usage.prompt, "response_tokens": usage.response}
    return {name: count for name, count in counts.items() if count is not None}
