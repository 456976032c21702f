"""Answers for all simulated pods at once: ``python -m tests.cluster.gateway.stub_worker PORT [TEXT]``.

It is no model. It answers in OpenAI's, Cohere's, TEI's and the platform's shapes, says which worker it stands
for, and records what it was sent. What a request makes it do is in the field ``stub`` of the body, which a
real server would ignore or refuse:

================  ====================================================================================
``seconds``       time before the response begins
``chunks``        number of chunks of a stream (5)
``pause``         time between two chunks
``die``           ``before``: close the connection instead of responding; ``within``: in mid-stream
``status``        status of the response
``size``          bytes of the response, or of an event of a stream that never ends its line
================  ====================================================================================

With TEXT, that is what every chat and completion says, it listens on 127.0.0.1 alone, and a request without a
field that its API requires gets 400.
``GET /stub/requests`` returns what came in, and how each ended; ``DELETE`` forgets it. ``PUT /stub/wanted``
sets what requests without the field do.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

LOOPBACK_DEVICE = b"lo"
STREAM_PATH = "/stream"
_PIECE = 64 * 1024
REQUIRED = {
    "/v1/chat/completions": "messages",
    "/v1/completions": "prompt",
    "/v1/embeddings": "input",
    "/v1/rerank": "documents",
    "/v2/rerank": "documents",
    "/embed": "inputs",
    "/rerank": "texts",
}
"""Field without which a stub for people refuses the body of a request to a path."""


@dataclass
class Seen:
    """A request, as it came in.

    Attributes
    ----------
    worker
        The loopback address that it was sent to, which stands for a pod.
    ended
        ``open``, ``done``, ``left`` when the client closed the connection before, or ``died``.
    """

    worker: str
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: str
    ended: str = "open"
    sent_chunks: int = 0


@dataclass
class Stub:
    """The application and its records."""

    says: str = ""
    """What generated texts say; empty for the worker that they come from."""
    seen: list[Seen] = field(default_factory=list)
    wanted: dict[str, Any] = field(default_factory=dict)

    def application(self) -> web.Application:
        """Return the application."""
        application = web.Application(client_max_size=256 * 1024 * 1024)
        application.router.add_get("/stub/requests", self._list)
        application.router.add_delete("/stub/requests", self._forget)
        application.router.add_put("/stub/wanted", self._want)
        application.router.add_get(r"/{path:[\s\S]*}", self._probe)
        application.router.add_post(r"/{path:[\s\S]*}", self._answer)
        return application

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response([asdict(each) for each in self.seen])

    async def _forget(self, _: web.Request) -> web.Response:
        self.seen.clear()
        return web.Response()

    async def _want(self, request: web.Request) -> web.Response:
        self.wanted = await request.json()
        return web.Response()

    async def _probe(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        worker = transport.get_extra_info("sockname")[0] if transport else ""
        body = await request.read()
        seen = Seen(worker, request.method, request.path, list(request.headers.items()), body.decode())
        self.seen.append(seen)
        try:
            response = await self._respond(request, json.loads(body), seen)
        except (asyncio.CancelledError, ConnectionError):
            seen.ended = "left" if seen.ended == "open" else seen.ended
            raise
        seen.ended = "done" if seen.ended == "open" else seen.ended
        return response

    async def _respond(self, request: web.Request, body: dict[str, Any], seen: Seen) -> web.StreamResponse:
        wanted = self.wanted | (body.get("stub") or {})
        await asyncio.sleep(wanted.get("seconds", 0))
        if wanted.get("die") == "before":
            _die(request, seen)
        required = REQUIRED.get(request.path) if self.says else None
        if required and body.get(required) is None:
            error = {"message": f"{required}: required field is missing", "type": "invalid_request_error"}
            return web.json_response({"error": error}, status=400)
        if body.get("stream") or request.path == STREAM_PATH:
            return await self._stream(request, body, wanted, seen)
        if size := wanted.get("size"):
            return web.Response(body=b'"' + b"a" * (size - 2) + b'"', content_type="application/json")
        answer = answer_of(request.path, body, self._text(seen))
        return web.json_response(answer, status=wanted.get("status", 200))

    async def _stream(
        self, request: web.Request, body: dict[str, Any], wanted: dict[str, Any], seen: Seen
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        is_openai = request.path.startswith("/v1/")
        for _ in range(0, wanted.get("size", 0), _PIECE):
            await response.write(b"a" * _PIECE)
            seen.sent_chunks += 1
        count = wanted.get("chunks", 1 + len(self.says.split()) if self.says else 5)
        for number in range(count):
            chunk = (
                openai_chunk(request.path, body, number, self.says, last=number == count - 1)
                if is_openai
                else answer_of(request.path, body, self._text(seen))
            )
            if is_openai:
                chunk["sent_at"] = time.time()
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            seen.sent_chunks += 1
            await asyncio.sleep(wanted.get("pause", 0))
            if wanted.get("die") == "within":
                _die(request, seen)
        if is_openai:
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    def _text(self, seen: Seen) -> str:
        return self.says or f"stub {seen.worker}"


def answer_of(path: str, body: dict[str, Any], text: str) -> Any:
    """Return the answer of a path, in its API's shape."""
    model = body.get("model") or ""
    if path == "/v1/chat/completions":
        message = {"role": "assistant", "content": text}
        return {
            "id": "stub-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
        }
    if path == "/v1/completions":
        return {
            "id": "stub-1",
            "object": "text_completion",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
        }
    if path == "/v1/embeddings":
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        return {
            "object": "list",
            "model": model,
            "data": [
                {"object": "embedding", "index": number, "embedding": [0.5, float(number)]}
                for number, _ in enumerate(texts)
            ],
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        }
    if path in ("/v1/rerank", "/v2/rerank"):
        count = len(body["documents"])
        results = [{"index": count - 1 - n, "relevance_score": 1 - n / count} for n in range(count)]
        return {"id": "stub-1", "results": results, "meta": {"api_version": {"version": "2"}}}
    return _other_answer(path, body, text)


def _other_answer(path: str, body: dict[str, Any], text: str) -> Any:
    """Return the answer of TEI's paths, and of the platform's contract at any other."""
    if path == "/embed":
        return [[0.5, 1.0] for _ in ([body["inputs"]] if isinstance(body["inputs"], str) else body["inputs"])]
    if path == "/rerank":
        return [{"index": number, "score": 1 / (number + 1)} for number, _ in enumerate(body["texts"])]
    if "chunks" in body:
        return {"chunk_scores": [1 / (n + 1) for n, _ in enumerate(body["chunks"])], "tokens_used": 3}
    if "texts" in body:
        return {"embeddings": [[each, [0.5, 1.0]] for each in body["texts"]], "tokens_used": 3}
    return {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}


def openai_chunk(
    path: str, body: dict[str, Any], number: int, says: str = "", *, last: bool = False
) -> dict[str, Any]:
    """Return a chunk of OpenAI's streams: a word of a text, again and again, or its number."""
    words = says.split()
    word = words[(number - 1) % len(words)] if words else f"w{number}"
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop" if last else None}
    if path == "/v1/completions":
        choice["text"] = "" if number == 0 else f"{word} "
    else:
        choice["delta"] = {"role": "assistant", "content": ""} if number == 0 else {"content": f"{word} "}
    return {
        "id": "stub-1",
        "object": "text_completion" if path == "/v1/completions" else "chat.completion.chunk",
        "created": 1,
        "model": body.get("model"),
        "choices": [choice],
    }


def _die(request: web.Request, seen: Seen) -> None:
    seen.ended = "died"
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError


def bound_to_loopback(port: int) -> socket.socket:
    """Return a socket for all loopback addresses, which no other machine reaches."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, LOOPBACK_DEVICE)
    bound.bind(("0.0.0.0", port))
    return bound


async def serve(port: int, says: str = "") -> None:
    """Answer until cancelled."""
    runner = web.AppRunner(Stub(says).application(), access_log=None, handler_cancellation=True)
    await runner.setup()
    if says:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    else:
        await web.SockSite(runner, bound_to_loopback(port), backlog=1024).start()
    print("the stub answers for simulated pods; it is no model", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), *sys.argv[2:]))
