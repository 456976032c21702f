"""Translations in front of stub model servers of each protocol, on loopback.

Stands for the gateway: no access, no balancing, one worker for each kind of model. A model is named
``TYPE/PROTOCOL``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import web

from model_operator.api.enums import EndpointProtocol, ModelType
from model_operator.core.gateway.apis import (
    Match,
    ModelField,
    Treatment,
    match,
    native_path,
    treatment,
)
from model_operator.core.gateway.failures import Failure, response_of, stream_event
from model_operator.core.gateway.models import Deployment, Model
from model_operator.core.gateway.translation import ServerRequest, Stamp, check_bindings, translation
from model_operator.core.templates.model_apis import apis_of

STAMP = Stamp("0123456789abcdef", 1_700_000_000)
FAILING_PROMPT = "fail"
"""A stub that gets it reports an error in its stream."""
BINDINGS = {
    "type": "object",
    "properties": {
        "bindings": {
            "type": "object",
            "properties": {"seed": {"type": "integer"}},
            "additionalProperties": False,
        }
    },
    "required": ["bindings"],
    "additionalProperties": False,
}


@contextlib.asynccontextmanager
async def served(handler: Any) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def translating_server() -> AsyncIterator[str]:
    """Give the URL of a server that translates to stubs."""
    async with (
        served(stub) as stub_url,
        aiohttp.ClientSession() as session,
        served(Translator(session, stub_url)) as url,
    ):
        yield url


class Translator:
    """Answers a request by the translation of its cell."""

    def __init__(self, session: aiohttp.ClientSession, stub_url: str) -> None:
        self._session = session
        self._stub_url = stub_url

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        found = match(request.rel_url.raw_path)
        assert found, request.path
        try:
            return await self._answer(request, found, await request.read())
        except Failure as failure:
            answer = response_of(failure, found.route.family)
            return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def _answer(self, request: web.BaseRequest, found: Match, body: bytes) -> web.StreamResponse:
        in_body = found.route.model_field is ModelField.BODY
        name = json.loads(body)["model"] if in_body else found.variables["deployment"]
        deployment = deployment_of(name)
        treated = treatment(found.route, deployment.model_type, deployment.protocol)
        if not in_body:
            check_bindings(body, Model("", "", "", 0, (), bindings_schema=BINDINGS))
        if treated is not Treatment.TRANSLATE:
            path = deployment.predict_route
            if treated is Treatment.PASS:
                path = native_path(found.route, deployment.model_type, deployment.protocol)
            return web.Response(
                body=await self._post(ServerRequest(path, body)), content_type="application/json"
            )
        translated = translation(found.route, deployment, name, STAMP)
        to_server = translated.request(body)
        if not to_server.is_stream:
            answer = translated.response(await self._post(to_server))
            return web.Response(body=answer, content_type="application/json")
        translator = translated.stream()
        async with self._session.post(self._stub_url + to_server.path, data=to_server.body) as response:
            to_client = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await to_client.prepare(request)
            try:
                async for chunk in response.content.iter_any():
                    await to_client.write(translator.feed(chunk))
                    if translator.failure:
                        raise translator.failure
                await to_client.write(translator.end())
            except Failure as failure:
                await to_client.write(stream_event(failure, found.route.family))
            return to_client

    async def _post(self, request: ServerRequest) -> bytes:
        async with self._session.post(self._stub_url + request.path, data=request.body) as response:
            assert response.status == HTTPStatus.OK, await response.text()
            return await response.read()


def deployment_of(name: str) -> Deployment:
    model_type, _, protocol = name.partition("/")
    kind, spoken = ModelType(model_type), EndpointProtocol(protocol)
    return Deployment(
        namespace="team-a",
        instance="m",
        instance_uid="4c2f2a38-2b0c-4f9b-9d8e-0e9d4a1a0b01",
        name="m",
        entry="",
        model_type=kind,
        protocol=spoken,
        served_name="served",
        predict_route=f"/predict/{kind}",
        streaming_predict_route=f"/stream/{kind}",
        apis=apis_of(kind, spoken),
    )


async def stub(request: web.BaseRequest) -> web.StreamResponse:
    """Answer as the model servers of all protocols, each at its own paths."""
    body = await request.json()
    # A contract of the platform refuses unknown fields; so does this stub for all.
    known, answer = STUBS[request.path]
    assert set(body) <= set(known.split()), (request.path, body)
    found = answer(body)
    if not isinstance(found, Stream):
        return web.json_response(found)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for piece in found.pieces:
        await response.write(piece.encode())
    return response


class Stream:
    """An answer of server-sent events."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces


def vector(text: str) -> list[float]:
    return [float(len(text)), 0.5, -0.25]


def score(text: str) -> float:
    return len(text) / 100


def event(value: Any) -> str:
    return f"data: {json.dumps(value)}\r\n\r\n"


def words(text: str) -> tuple[str, ...]:
    return ("You said: ", text)


def sgp_chat_stream(body: dict[str, Any]) -> Stream:
    last = body["messages"][-1]["content"]
    if last == FAILING_PROMPT:
        return Stream(
            event({"message": {"role": "assistant", "content": "Well"}}), "event: error\ndata: {}\n\n"
        )
    parts = [event({"message": {"role": "assistant", "content": word}}) for word in words(last)]
    return Stream(*parts, event({"message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}))


def sgp_completion_stream(body: dict[str, Any]) -> Stream:
    (prompt,) = body["prompts"]
    parts = [event({"completions": [[prompt, [word]]]}) for word in words(prompt)]
    counts = {"prompt_tokens": 3, "response_tokens": 5}
    return Stream(*parts, event({"completions": [[prompt, [""]]], "finish_reason": "length", **counts}))


def openai_chat(body: dict[str, Any]) -> Any:
    last = body["messages"][-1]["content"]
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    if not body.get("stream"):
        message = {"role": "assistant", "content": "".join(words(last))}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
    if last == FAILING_PROMPT:
        return Stream(
            event({"choices": [{"index": 0, "delta": {"content": "Well"}}]}),
            event({"error": {"message": "x"}}),
        )
    parts = [event({"choices": [{"index": 0, "delta": {"content": word}}]}) for word in words(last)]
    end = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return Stream(": hello\n\n", *parts, end, event({"choices": [], "usage": usage}), "data: [DONE]\n\n")


def openai_completion(body: dict[str, Any]) -> Any:
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    prompts = enumerate(body["prompt"])
    if not body.get("stream"):
        choices = [
            {"index": index, "text": "".join(words(prompt)), "finish_reason": "stop"}
            for index, prompt in prompts
        ]
        return {"choices": choices, "usage": usage}
    parts = [
        event({"choices": [{"index": index, "text": word}]})
        for index, prompt in prompts
        for word in words(prompt)
    ]
    end = event({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]})
    return Stream(*parts, end, event({"choices": [], "usage": usage}), "data: [DONE]\n\n")


def ranked(texts: list[str]) -> list[tuple[int, float]]:
    return sorted(((index, score(text)) for index, text in enumerate(texts)), key=lambda each: -each[1])


def sgp(fields: str) -> str:
    return f"{fields} model_request_parameters"


_SAMPLING = "temperature stop_sequences max_tokens"
_OPENAI = "model temperature stop max_tokens stream stream_options seed top_p frequency_penalty"
STUBS: dict[str, tuple[str, Any]] = {
    "/predict/CHAT_COMPLETION": (
        sgp(f"messages {_SAMPLING}"),
        lambda body: {
            "message": {"role": "assistant", "content": "".join(words(body["messages"][-1]["content"]))},
            "finish_reason": "stop",
        },
    ),
    "/stream/CHAT_COMPLETION": (sgp(f"messages {_SAMPLING}"), sgp_chat_stream),
    "/predict/COMPLETION": (
        sgp(f"prompts {_SAMPLING}"),
        lambda body: {
            "completions": [[prompt, ["".join(words(prompt))]] for prompt in body["prompts"]],
            "finish_reason": "stop",
            "prompt_tokens": 3,
            "response_tokens": 5,
        },
    ),
    "/stream/COMPLETION": (sgp(f"prompts {_SAMPLING}"), sgp_completion_stream),
    "/predict/EMBEDDING": (
        sgp("texts"),
        lambda body: {"embeddings": [[text, vector(text)] for text in body["texts"]], "tokens_used": 7},
    ),
    "/predict/RERANKING": (
        sgp("query chunks"),
        lambda body: {"chunk_scores": [score(text) for text in body["chunks"]], "tokens_used": 7},
    ),
    "/v1/chat/completions": (f"messages {_OPENAI}", openai_chat),
    "/v1/completions": (f"prompt {_OPENAI}", openai_completion),
    "/v1/embeddings": (
        "model input encoding_format dimensions",
        lambda body: {
            "object": "list",
            "model": body["model"],
            "data": [
                {"object": "embedding", "index": index, "embedding": vector(text)}
                for index, text in enumerate(body["input"])
            ],
            "usage": {"prompt_tokens": 7, "total_tokens": 7},
        },
    ),
    "/v2/embed": (
        "model texts input_type embedding_types truncate output_dimension",
        lambda body: {
            "id": "e",
            "embeddings": {"float": [vector(text) for text in body["texts"]]},
            "meta": {"billed_units": {"input_tokens": 7}},
        },
    ),
    "/v2/rerank": (
        "model query documents",
        lambda body: {
            "id": "r",
            "results": [
                {"index": index, "relevance_score": value} for index, value in ranked(body["documents"])
            ],
        },
    ),
    "/embed": (
        "inputs truncate truncation_direction",
        lambda body: [vector(text) for text in body["inputs"]],
    ),
    "/rerank": (
        "query texts return_text",
        lambda body: [{"index": index, "score": value} for index, value in ranked(body["texts"])],
    ),
}
