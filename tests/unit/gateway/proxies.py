"""A proxy in an aiohttp application on loopback, with workers of the test's own behind it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from model_operator.api.enums import EndpointProtocol, ModelType
from model_operator.core.gateway.apis import Treatment, match
from model_operator.core.gateway.balancing import Address, Workers
from model_operator.core.gateway.bodies import read_request
from model_operator.core.gateway.failures import Failure, response_of
from model_operator.core.gateway.models import Deployment, Model
from model_operator.gateway.calls import Call, Outcome, RetryCause
from model_operator.gateway.proxy import Proxy
from model_operator.gateway.proxy_settings import ProxySettings
from tests.cluster.waiting import patience

CHAT = "/v1/chat/completions"
EXECUTE = "/v4/models/m/deployments/d/execute"
NAMESPACE, NAME = "team-a", "qwen"
ID = f"{NAMESPACE}/{NAME}"


def deployment(**changed: Any) -> Deployment:
    fields: dict[str, Any] = {
        "namespace": NAMESPACE,
        "instance": NAME,
        "instance_uid": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "name": NAME,
        "entry": "",
        "model_type": ModelType.CHAT_COMPLETION,
        "protocol": EndpointProtocol.OPENAI,
        "served_name": "served",
        "predict_route": "/predict",
        "streaming_predict_route": "/stream",
        "apis": (),
    }
    return Deployment(**{**fields, **changed})


def model(of: Deployment, **changed: Any) -> Model:
    return Model(of.namespace, of.instance, of.instance_uid, 0, (of,), **changed)


@dataclass
class Observed:
    """One request as the proxy reported it."""

    retries: list[RetryCause] = field(default_factory=list)
    first_bytes: int = 0
    tokens: list[tuple[int | None, int | None]] = field(default_factory=list)
    ends: list[Outcome] = field(default_factory=list)

    def retry(self, cause: RetryCause) -> None:
        self.retries.append(cause)

    def first_byte(self) -> None:
        self.first_bytes += 1

    def usage(self, input_tokens: int | None, output_tokens: int | None) -> None:
        self.tokens.append((input_tokens, output_tokens))

    def end(self, outcome: Outcome) -> None:
        self.ends.append(outcome)


class Observing:
    """Keeps what the proxy reports."""

    def __init__(self, observed: list[Observed]) -> None:
        self._observed = observed

    def begin(self, _: Call) -> Observed:
        self._observed.append(Observed())
        return self._observed[-1]


@dataclass
class Gateway:
    """The proxy in its application."""

    proxy: Proxy
    workers: Workers
    url: str
    session: aiohttp.ClientSession
    observed: list[Observed]
    deployment: Deployment
    model: Model
    treatment: Treatment = Treatment.PASS

    async def handle(self, request: web.Request) -> web.StreamResponse:
        found = match(request.path)
        assert found is not None
        body = await request.read()
        read = read_request(body)
        call = Call(
            found.route,
            self.model,
            self.deployment,
            body,
            read.model or "",
            "user",
            self.treatment,
            read.is_stream,
        )
        try:
            return await self.proxy.answer(request, call)
        except Failure as failure:
            made = response_of(failure, found.route.family)
            return web.Response(status=made.status, headers=made.headers, body=made.body)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    async def post(
        self, path: str = CHAT, data: bytes = b'{"model":"m"}', **options: Any
    ) -> tuple[Any, bytes]:
        async with self.session.post(self.url + path, data=io.BytesIO(data), **options) as response:
            return response, await response.read()

    def sockets(self) -> int:
        """Return the number of connections to workers that are in use."""
        upstream: Any = self.proxy._upstream
        return len(upstream._pooled.connector._acquired) + len(upstream._single.connector._acquired)

    async def wait_until_idle(self) -> None:
        await until(lambda: not self.workers.in_flight and not self.sockets())
        assert all(not worker.in_flight for worker in self.workers._present)


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for a condition."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds * patience()
    while not condition():
        assert loop.time() < end, f"not within {seconds:g} s: {condition}"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def gateway(
    *addresses: Address,
    settings: Mapping[str, Any] | None = None,
    now: Callable[[], float] | None = None,
    translate: Any = None,
    treatment: Treatment = Treatment.PASS,
    not_ready: str = "",
    **changed: Any,
) -> AsyncIterator[Gateway]:
    """Serve a proxy whose model has these workers."""
    made = ProxySettings(**(settings or {}))
    workers = Workers(now or asyncio.get_running_loop().time, made.limits(), random.Random(1))
    workers.update(addresses)
    of = deployment(**changed)
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0))
        )
        options = {} if translate is None else {"translate": translate}
        observed: list[Observed] = []
        proxy = Proxy(made, lambda _: workers, Observing(observed), **options)
        shown = model(of, not_ready_reason=not_ready)
        served = Gateway(proxy, workers, "", session, observed, of, shown, treatment)
        stack.push_async_callback(served.proxy.close)
        application = web.Application(client_max_size=2**30)
        application.router.add_post("/{path:.*}", served.handle)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield served


Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def worker(answer: Answer, **options: Any) -> AsyncIterator[Address]:
    """Serve a worker by a handler of aiohttp."""
    runner = web.ServerRunner(
        web.Server(answer, access_log=None, **options), handler_cancellation=True, shutdown_timeout=0
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Address("127.0.0.1", runner.addresses[0][1])
    finally:
        await runner.cleanup()


Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def raw_worker(serve: Raw) -> AsyncIterator[Address]:
    """Serve a worker that reads and writes bytes of its own, one call for each connection."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_raw(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one request with a Content-Length: its head and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    return head, await reader.readexactly(int(lines[b"content-length"]))


def answer_of(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return a response with a Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body
