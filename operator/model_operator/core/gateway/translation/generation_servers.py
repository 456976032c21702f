"""Chats and completions of model servers: the platform's contract and OpenAI's API.

Sources: core.templates.contracts for the platform, whose streams have a part of an answer in each event; the
API reference of OpenAI (``/v1/chat/completions``, ``/v1/completions``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from model_operator.core.gateway.sse import Event
from model_operator.core.gateway.translation.base import ServerRequest, Target
from model_operator.core.gateway.translation.bindings import merged, nested
from model_operator.core.gateway.translation.fields import is_one_of, refused, unsupported
from model_operator.core.gateway.translation.generation import (
    CONTRACT_TEMPERATURE,
    HARMLESS,
    Choice,
    Delta,
    Generated,
    GenerationRequest,
    Option,
    Usage,
)
from model_operator.core.gateway.translation.messages import Message
from model_operator.core.gateway.translation.server_answers import (
    broken,
    decode_answer,
    encode,
    expect_count,
    reported,
)

_ERROR: Final = b"error"
_NULL: Final = msgspec.Raw(b"null")
_SGP_OPTIONS: Final = {
    Option.TEMPERATURE: "temperature",
    Option.MAX_TOKENS: "max_tokens",
    Option.STOP: "stop_sequences",
}
_SGP_MAX_TEMPERATURE: Final = 1
_CHAT_ONLY: Final = frozenset(
    {
        Option.LOGPROBS,
        Option.TOP_LOGPROBS,
        Option.REASONING_EFFORT,
        Option.CHAT_TEMPLATE,
        Option.CHAT_TEMPLATE_KWARGS,
    }
)


class SgpGeneration:
    """The platform's contract at ``predict_route`` and ``streaming_predict_route``."""

    needs_finish = False

    def request(self, asked: GenerationRequest, target: Target) -> ServerRequest:
        """Return the server's request; the route says whether it is a stream."""
        names = {option: _SGP_OPTIONS.get(option) for option in asked.options}
        options = _options(asked, names, target)
        if (given := asked.options.get(Option.TEMPERATURE)) and given.value > _SGP_MAX_TEMPERATURE:
            if not asked.follows_contract:
                problem = (
                    f"must be from 0 to {_SGP_MAX_TEMPERATURE} for a server of protocol {target.protocol}"
                )
                raise refused(given.path, problem)
            options["temperature"] = _SGP_MAX_TEMPERATURE
        texts: dict[str, Any] = {"prompts": asked.prompts}
        if asked.is_chat:
            texts = {"messages": [_sgp_message(message) for message in asked.messages]}
        route = target.streaming_predict_route if asked.is_stream else target.predict_route
        body = {**texts, **options, **nested(asked.bindings)}
        return ServerRequest(route, encode(body), asked.is_stream)

    def answer(self, body: bytes, asked: GenerationRequest, target: Target) -> Generated:
        """Return what the server generated."""
        answer = decode_answer(body, _SgpAnswer, target.protocol)
        usage = Usage(answer.prompt_tokens, answer.response_tokens)
        if asked.is_chat:
            texts: list[tuple[str, ...]] = [(_sgp_text(answer, target),)]
        else:
            if answer.completions is None:
                raise broken(target.protocol, "expected `completions` - at `$`")
            expect_count(answer.completions, len(asked.prompts), "completions", target.protocol)
            texts = [tuple(generated) for _, generated in answer.completions]
            if not all(texts):
                raise broken(target.protocol, "expected a text - at `$.completions[...][1]`")
        return Generated(tuple(Choice(each, answer.finish_reason) for each in texts), usage)

    def deltas(self, event: Event, asked: GenerationRequest, target: Target) -> list[Delta]:
        """Return the parts in an event."""
        if event.name == _ERROR:
            raise reported(target.protocol)
        if event.name:
            return []  # the platform's client reads events without a name
        answer = decode_answer(event.data, _SgpAnswer, target.protocol)
        if asked.is_chat:
            texts = {0: _sgp_text(answer, target)}
        elif answer.completions is None:
            raise broken(target.protocol, "expected `completions` - at `$`")
        else:
            texts = _sgp_texts(answer.completions, asked, target)
        usage = Usage(answer.prompt_tokens, answer.response_tokens)
        deltas = [Delta(index, text, answer.finish_reason) for index, text in texts.items()]
        if deltas and usage != Usage():
            deltas[-1] = replace(deltas[-1], usage=usage)
        return deltas


class OpenAIGeneration:
    """OpenAI's API."""

    needs_finish = True

    def request(self, asked: GenerationRequest, target: Target) -> ServerRequest:
        """Return the server's request; a stream must end with the count of tokens."""
        lacking = frozenset() if asked.is_chat else _CHAT_ONLY
        names = {option: None if option in lacking else option.value for option in asked.options}
        options = _options(asked, names, target)
        if asked.follows_contract and "temperature" not in asked.bindings:
            options.setdefault("temperature", CONTRACT_TEMPERATURE)
        body: dict[str, Any] = {"model": target.server_model}
        if asked.is_chat:
            body["messages"] = _openai_messages(asked.messages)
        else:
            body["prompt"] = asked.prompts
        body |= options
        if asked.is_stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        path = "/v1/chat/completions" if asked.is_chat else "/v1/completions"
        return ServerRequest(path, encode(merged(body, asked.bindings)), asked.is_stream)

    def answer(self, body: bytes, asked: GenerationRequest, target: Target) -> Generated:
        """Return what the server generated."""
        answer = decode_answer(body, _OpenAIAnswer, target.protocol)
        expect_count(answer.choices, asked.choices, "choices", target.protocol)
        choices: dict[int, Choice] = {}
        for each in answer.choices:
            text = each.message.content or "" if each.message else each.text
            if text is None or not 0 <= each.index < asked.choices:
                raise broken(target.protocol, "expected a choice with text and its index - at `$.choices`")
            logprobs = _logprobs(each.logprobs, asked, target)
            choices[each.index] = Choice((text,), each.finish_reason, logprobs)
        expect_count(choices, asked.choices, "choices", target.protocol)
        usage = _usage(answer.usage) or Usage()
        return Generated(tuple(choices[index] for index in range(asked.choices)), usage)

    def deltas(self, event: Event, asked: GenerationRequest, target: Target) -> list[Delta]:
        """Return the parts in an event."""
        if event.name == _ERROR:
            raise reported(target.protocol)
        chunk = decode_answer(event.data, _OpenAIChunk, target.protocol)
        if chunk.error != _NULL:
            raise reported(target.protocol)
        if chunk.choices is None and chunk.usage is None:
            raise broken(target.protocol, "expected `choices` - at `$`")
        deltas = []
        for each in chunk.choices or ():
            if not 0 <= each.index < asked.choices:
                raise broken(target.protocol, "expected the index of a prompt - at `$.choices[...].index`")
            text = (each.delta.content if each.delta else each.text) or ""
            logprobs = _logprobs(each.logprobs, asked, target)
            deltas.append(Delta(each.index, text, each.finish_reason, logprobs=logprobs))
        if usage := _usage(chunk.usage):
            deltas.append(Delta(usage=usage))
        return deltas


def _options(asked: GenerationRequest, names: Mapping[Option, str | None], target: Target) -> dict[str, Any]:
    """Return the options by the server's names; one that it lacks must have no effect."""
    found: dict[str, Any] = {}
    for option, given in asked.options.items():
        if name := names[option]:
            found[name] = given.value
        elif not is_one_of(given.value, HARMLESS.get(option, ())):
            raise unsupported(given.path, target.protocol)
    return found


def _sgp_message(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"role": message.role}
    if message.name is not None:
        found["name"] = message.name
    if message.content is not None:
        found["content"] = message.content
    if request := message.tool_request:
        found["tool_request"] = {"name": request.name, "arguments": request.arguments}
    return found


def _openai_messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Return messages of the platform as OpenAI's, whose tool calls have identifiers."""
    found: list[dict[str, Any]] = []
    calls: dict[str | None, str] = {}
    for index, message in enumerate(messages):
        role = "assistant" if message.role == "agent" else message.role
        entry: dict[str, Any] = {"role": role, "content": message.content}
        if request := message.tool_request:
            calls[request.name] = f"call_{index}"
            function = {"name": request.name, "arguments": request.arguments}
            entry["tool_calls"] = [{"id": calls[request.name], "type": "function", "function": function}]
        if message.role == "tool":
            entry["tool_call_id"] = calls.get(message.name, f"call_{index}")
        found.append(entry)
    return found


def _sgp_text(answer: _SgpAnswer, target: Target) -> str:
    """Return the text of a chat; a stream may have it as a completion, as the platform's clients do."""
    if answer.message is not None:
        return answer.message.content
    if answer.completions and answer.completions[0][1]:
        return answer.completions[0][1][0]
    raise broken(target.protocol, "expected `message` - at `$`")


def _sgp_texts(
    completions: list[tuple[str, list[str]]], asked: GenerationRequest, target: Target
) -> dict[int, str]:
    """Return the texts of an event by prompt; one that has not all prompts names them by their text."""
    if not completions:
        return dict.fromkeys(range(len(asked.prompts)), "")
    if len(completions) == len(asked.prompts):
        indices = list(range(len(completions)))
    else:
        known = {prompt: index for index, prompt in reversed(list(enumerate(asked.prompts)))}
        indices = [known.get(prompt, -1) for prompt, _ in completions]
    if -1 in indices:
        raise broken(target.protocol, "expected a prompt of the request - at `$.completions[...][0]`")
    pairs = zip(indices, completions, strict=True)
    return {index: texts[0] if texts else "" for index, (_, texts) in pairs}


def _usage(usage: _OpenAIUsage | None) -> Usage | None:
    return Usage(usage.prompt_tokens, usage.completion_tokens) if usage else None


def _logprobs(raw: msgspec.Raw, asked: GenerationRequest, target: Target) -> Any:
    """Return the probabilities of a chat; completions have them in another form, and none are requested."""
    if raw == _NULL or not asked.is_chat:
        return None
    return decode_answer(bytes(raw), _Logprobs, target.protocol)


class _SgpMessage(msgspec.Struct):
    content: str


class _SgpAnswer(msgspec.Struct):
    message: _SgpMessage | None = None
    completions: list[tuple[str, list[str]]] | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    response_tokens: int | None = None


class _OpenAIContent(msgspec.Struct):
    content: str | None = None


class _OpenAIUsage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _OpenAIChoice(msgspec.Struct):
    index: int = 0
    message: _OpenAIContent | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = _NULL


class _OpenAIAnswer(msgspec.Struct):
    choices: list[_OpenAIChoice]
    usage: _OpenAIUsage | None = None


class _OpenAIPart(msgspec.Struct):
    index: int = 0
    delta: _OpenAIContent | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = _NULL


class _OpenAIChunk(msgspec.Struct):
    choices: list[_OpenAIPart] | None = None
    usage: _OpenAIUsage | None = None
    error: msgspec.Raw = _NULL


class _TopLogprob(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _TokenLogprob(msgspec.Struct):
    token: str
    logprob: float
    top_logprobs: list[_TopLogprob] = []
    bytes: list[int] | None = None


class _Logprobs(msgspec.Struct):
    content: list[_TokenLogprob] | None = None
