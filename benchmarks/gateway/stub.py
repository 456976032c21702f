"""A worker that answers at once, for all contenders: ``python -m benchmarks.gateway.stub PORT``.

It speaks OpenAI's chat API, whole and as a stream of ``max_tokens`` chunks, one each ``seed`` milliseconds;
without a stream it answers after ``seed`` milliseconds. It listens on all addresses of its network namespace
and says in ``system_fingerprint`` at which it was called, and at ``/counts`` what it has seen.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import asdict, dataclass

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TOKENS = re.compile(rb'"max_tokens": ?(\d+)')
_PAUSE = re.compile(rb'"seed": ?(\d+)')
_STREAM = re.compile(rb'"stream": ?true')
_USAGE = {"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20}
_HEAD = {"id": "chatcmpl-1", "created": 1790000000, "model": "chat"}


@dataclass
class Counts:
    """What the stub has seen.

    Attributes
    ----------
    connections
        Open ones.
    begun, ended, left
        Requests; those answered to the end, and those whose client left.
    """

    connections: int = 0
    begun: int = 0
    ended: int = 0
    left: int = 0


COUNTS = Counts()


def _answer(address: str) -> bytes:
    message = {"role": "assistant", "content": "The capital of France is Paris. " * 4}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return _response(json.dumps({**body, "system_fingerprint": address}).encode())


def _response(body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )


def _event(**fields: object) -> bytes:
    body = json.dumps({**_HEAD, "object": "chat.completion.chunk", **fields}).encode()
    return _part(b"data: " + body + b"\n\n")


def _part(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Cache-Control: no-cache\r\n\r\n"
)
_CHUNKS = [
    _event(
        choices=[{"index": 0, "delta": {"role": "assistant", "content": f" {word}"}, "finish_reason": None}],
        usage=None,
    )
    for word in ("Paris", "is", "the", "capital")  # LiteLLM takes a model that repeats itself for broken
]
_END = _event(choices=[], usage=_USAGE) + _part(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._whole = _answer(transport.get_extra_info("sockname")[0])
        COUNTS.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- the protocol's
        """Count a client that left."""
        COUNTS.connections -= 1
        if self._is_waiting:
            COUNTS.left += 1
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Take in a request, or a part of one."""
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        found = _LENGTH.search(self._received, 0, head)
        end = head + 4 + (int(found[1]) if found else 0)
        if len(self._received) >= end:
            request = bytes(self._received[:end])
            del self._received[:end]
            self._begin(request)

    def _begin(self, request: bytes) -> None:
        if request.startswith(b"GET "):
            self._transport.write(_response(json.dumps(asdict(COUNTS)).encode()))
            return
        COUNTS.begun += 1
        pause = int(found[1]) / 1000 if (found := _PAUSE.search(request)) else 0.0
        if _STREAM.search(request):
            count = int(found[1]) if (found := _TOKENS.search(request)) else 1
            self._is_waiting = True
            self._task = asyncio.get_running_loop().create_task(self._stream(count, pause))
        elif pause:
            self._is_waiting = True
            asyncio.get_running_loop().call_later(pause, self._end, self._whole)
        else:
            COUNTS.ended += 1
            self._transport.write(self._whole)

    async def _stream(self, count: int, pause: float) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        self._transport.write(_STREAM_HEAD)
        for number in range(count):
            self._transport.write(_CHUNKS[number % len(_CHUNKS)])
            await asyncio.sleep(begin + (number + 1) * pause - loop.time())
        self._end(_END)

    def _end(self, last: bytes) -> None:
        if not self._transport.is_closing():
            self._is_waiting = False
            COUNTS.ended += 1
            self._transport.write(last)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "0.0.0.0", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
