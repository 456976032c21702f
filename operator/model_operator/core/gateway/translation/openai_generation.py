"""OpenAI's APIs of chats and completions, as clients call them.

Sources: the API references of ``POST /v1/chat/completions`` and ``POST /v1/completions``. A stream has the
same ``id`` in all chunks, ends each choice with its ``finish_reason``, and itself with ``[DONE]``.
"""

from __future__ import annotations

from typing import Any, Final

from model_operator.core.gateway.sse import data_event
from model_operator.core.gateway.translation.base import Target
from model_operator.core.gateway.translation.fields import (
    Fields,
    Given,
    decode_request,
    items_of,
    one_or_more_texts,
    refused,
    text_of,
    unsupported,
)
from model_operator.core.gateway.translation.generation import (
    MAX_STOP_SEQUENCES,
    MAX_TEMPERATURE,
    Delta,
    Generated,
    GenerationRequest,
    Option,
    Usage,
    openai_finish_reason,
)
from model_operator.core.gateway.translation.messages import Message, text_content
from model_operator.core.gateway.translation.server_answers import encode

DONE: Final = data_event(b"[DONE]")

_PENALTY: Final = 2
_ROLES: Final = {"user": "user", "system": "system", "developer": "system", "assistant": "assistant"}
_NO_EFFECT: Final = (
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "parallel_tool_calls",
)
"""They concern accounts and caches, or tools, which are refused."""
_HARMLESS: Final = {"n": (1,), "logit_bias": ({},)}
_HARMLESS_CHAT: Final = {
    **_HARMLESS,
    "store": (False,),
    "service_tier": ("auto", "default"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
}
_HARMLESS_COMPLETION: Final = {**_HARMLESS, "best_of": (1,), "echo": (False,), "suffix": ("",)}


class OpenAIChatClient:
    """Reads requests of ``/v1/chat/completions`` and writes their answers."""

    def read(self, body: bytes, target: Target) -> GenerationRequest:
        """Return a request; raises Failure with the path of the field that is wrong."""
        fields = decode_request(body)
        fields.text("model")
        messages = tuple(_message(each, target) for each in items_of(fields.required("messages")))
        options = _options(fields)
        options |= _limit(fields)
        _add(options, Option.TOP_LOGPROBS, fields.whole("top_logprobs", 0, 20))
        _add(options, Option.LOGPROBS, fields.take("logprobs"))
        _add(options, Option.REASONING_EFFORT, fields.take("reasoning_effort"))
        is_stream, reports_usage = _stream(fields)
        fields.ignore(*_NO_EFFECT)
        fields.without_effect(target.protocol, _HARMLESS_CHAT)
        fields.close(target.protocol)
        return GenerationRequest((), messages, options, {}, is_stream, reports_usage)

    def write(self, _asked: GenerationRequest, answer: Generated, target: Target) -> bytes:
        """Return the client's body."""
        choice = answer.choices[0]
        message = {"role": "assistant", "content": choice.texts[0], "refusal": None}
        body = {
            "id": f"chatcmpl-{target.stamp.id}",
            "object": "chat.completion",
            "created": target.stamp.created,
            "model": target.requested,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": openai_finish_reason(choice.finish_reason),
                }
            ],
        }
        return encode(body | _usage(answer.usage))

    def writer(self, asked: GenerationRequest, target: Target) -> OpenAIWriter:
        """Return what writes the client's stream."""
        return OpenAIWriter(asked, target, is_chat=True)


class OpenAICompletionClient:
    """Reads requests of ``/v1/completions`` and writes their answers."""

    def read(self, body: bytes, target: Target) -> GenerationRequest:
        """Return a request; raises Failure with the path of the field that is wrong."""
        fields = decode_request(body)
        fields.text("model")
        prompts = one_or_more_texts(fields, "prompt")
        options = _options(fields)
        _add(options, Option.MAX_TOKENS, fields.whole("max_tokens", 1))
        if (logprobs := fields.take("logprobs")) is not None:
            raise unsupported(logprobs.path, target.protocol)
        is_stream, reports_usage = _stream(fields)
        fields.ignore("user")
        fields.without_effect(target.protocol, _HARMLESS_COMPLETION)
        fields.close(target.protocol)
        return GenerationRequest(prompts, (), options, {}, is_stream, reports_usage)

    def write(self, _asked: GenerationRequest, answer: Generated, target: Target) -> bytes:
        """Return the client's body."""
        choices = [
            {
                "index": index,
                "text": choice.texts[0],
                "logprobs": None,
                "finish_reason": openai_finish_reason(choice.finish_reason),
            }
            for index, choice in enumerate(answer.choices)
        ]
        body = {
            "id": f"cmpl-{target.stamp.id}",
            "object": "text_completion",
            "created": target.stamp.created,
            "model": target.requested,
            "choices": choices,
        }
        return encode(body | _usage(answer.usage))

    def writer(self, asked: GenerationRequest, target: Target) -> OpenAIWriter:
        """Return what writes the client's stream."""
        return OpenAIWriter(asked, target, is_chat=False)


class OpenAIWriter:
    """Writes the chunks of one stream."""

    def __init__(self, asked: GenerationRequest, target: Target, *, is_chat: bool) -> None:
        self._asked = asked
        self._is_chat = is_chat
        self._head = {
            "id": f"{'chatcmpl' if is_chat else 'cmpl'}-{target.stamp.id}",
            "object": "chat.completion.chunk" if is_chat else "text_completion",
            "created": target.stamp.created,
            "model": target.requested,
        }
        self._has_begun = False
        self._finished: set[int] = set()
        self._usage = Usage()

    def write(self, delta: Delta) -> bytes:
        """Return the chunks for a part of the answer."""
        found = b""
        if not self._has_begun:
            self._has_begun = True
            if self._is_chat:
                found += self._chunk(0, {"role": "assistant", "content": ""}, None)
        if delta.usage:
            self._usage = delta.usage
        if delta.text:
            found += self._chunk(delta.index, {"content": delta.text}, None)
        if delta.finish_reason and delta.index not in self._finished:
            found += self._finish(delta.index, delta.finish_reason)
        return found

    def end(self) -> bytes:
        """Return the last chunks."""
        found = b""
        for index in range(self._asked.choices):
            if index not in self._finished:
                found += self._finish(index, None)
        if self._asked.reports_usage and (usage := _usage(self._usage)):
            found += data_event(encode({**self._head, "choices": [], **usage}))
        return found + DONE

    def _finish(self, index: int, reason: str | None) -> bytes:
        self._finished.add(index)
        return self._chunk(index, {}, openai_finish_reason(reason))

    def _chunk(self, index: int, delta: dict[str, Any], finish_reason: str | None) -> bytes:
        part: dict[str, Any] = {"delta": delta} if self._is_chat else {"text": delta.get("content", "")}
        choice = {"index": index, **part, "logprobs": None, "finish_reason": finish_reason}
        return data_event(encode({**self._head, "choices": [choice]}))


def _message(given: Given, target: Target) -> Message:
    fields = Fields.of(given.value, given.path)
    role = fields.required("role")
    if text_of(role) not in _ROLES:
        known = text_of(role) in ("tool", "function")
        problem = f"must be one of {', '.join(_ROLES)}"
        raise unsupported(role.path, target.protocol) if known else refused(role.path, problem)
    content = text_content(fields.required("content"), target.protocol)
    fields.without_effect(target.protocol, {"tool_calls": ([],), "annotations": ([],)})
    fields.close(target.protocol)
    return Message(_ROLES[role.value], content)


def _options(fields: Fields) -> dict[Option, Given]:
    options: dict[Option, Given] = {}
    _add(options, Option.TEMPERATURE, fields.number("temperature", 0, MAX_TEMPERATURE))
    _add(options, Option.TOP_P, fields.number("top_p", 0, 1))
    _add(options, Option.FREQUENCY_PENALTY, fields.number("frequency_penalty", -_PENALTY, _PENALTY))
    _add(options, Option.PRESENCE_PENALTY, fields.number("presence_penalty", -_PENALTY, _PENALTY))
    _add(options, Option.STOP, _stop(fields))
    return options


def _stop(fields: Fields) -> Given | None:
    given = fields.take("stop")
    if given is None:
        return None
    if isinstance(given.value, str):
        return Given([given.value], given.path)
    texts = [text_of(item) for item in items_of(given, at_least=0, at_most=MAX_STOP_SEQUENCES)]
    return Given(texts, given.path) if texts else None


def _limit(fields: Fields) -> dict[Option, Given]:
    """Return the limit of tokens, which has an old and a new name."""
    old, new = fields.whole("max_tokens", 1), fields.whole("max_completion_tokens", 1)
    if old and new and old.value != new.value:
        raise refused(old.path, "must equal max_completion_tokens, or be left out")
    given = new or old
    return {Option.MAX_TOKENS: given} if given else {}


def _add(options: dict[Option, Given], option: Option, given: Given | None) -> None:
    if given is not None:
        options[option] = given


def _stream(fields: Fields) -> tuple[bool, bool]:
    is_stream = fields.flag("stream")
    given = fields.object("stream_options")
    if given is None:
        return is_stream, False
    inner = Fields(given.value, given.path)
    reports_usage = inner.flag("include_usage")
    inner.ignore("include_obfuscation")
    inner.refuse_rest()
    return is_stream, reports_usage


def _usage(usage: Usage) -> dict[str, Any]:
    """Return the count of tokens; nothing if the server does not count both kinds."""
    if usage.prompt is None or usage.response is None:
        return {}
    total = usage.prompt + usage.response
    counts = {"prompt_tokens": usage.prompt, "completion_tokens": usage.response, "total_tokens": total}
    return {"usage": counts}
