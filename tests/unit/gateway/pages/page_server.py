"""A gateway on loopback with the page of models, for what a test puts into its catalog."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import Mock

import aiohttp
from aiohttp import web

from model_operator.core.gateway.access import Caller, key_of
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.model_catalog import Catalog
from model_operator.core.gateway.models import Deployment, Model
from model_operator.gateway.calls import Call
from model_operator.gateway.intake import Intake
from model_operator.gateway.pages.model_page import ModelPage
from model_operator.gateway.pages.page_assets import page_assets
from model_operator.gateway.request_handler import Gateway
from tests.unit.core.gateway.objects import served_instance

KEY = "the-key-of-alice"
HOSTILE = "</code><script>alert('x')</script><img src=x onerror=alert(1)>\"'&{{ 7 * 7 }}\u202e"


class Identity:
    """Alice may execute what is in her namespace."""

    def __init__(self) -> None:
        self.username = "alice"
        self.is_away = False

    async def authenticate(self, headers: Any) -> Caller:
        key = key_of(headers.getall("Authorization", ()), headers.getall("x-api-key", ()))
        if key != KEY:
            raise Failure(FailureReason.UNAUTHENTICATED, "the cluster does not accept the key.")
        return Caller(self.username, "", (), {}, b"")

    async def authenticate_for_cluster(self, headers: Any) -> tuple[Caller, str]:
        return await self.authenticate(headers), KEY

    async def may_execute(self, _: Caller, namespace: str, _name: str) -> bool:
        return namespace == "team-a"

    async def filter(self, _: Caller, models: Sequence[Model]) -> list[Model]:
        if self.is_away:
            raise Failure(FailureReason.AUTHENTICATION_UNAVAILABLE, "the API server does not respond.")
        return [each for each in models if each.namespace == "team-a"]


class Worker:
    """Answers calls: streams the parts one at a time, others as a whole.

    Attributes
    ----------
    parts
        Words of a stream; None ends it by an error.
    go_on
        Set to let the stream go on after its first part.
    answer_with
        Body of an answer that is no stream; a failure is raised.
    calls
        The calls.
    left
        Set when a client leaves a stream.
    """

    def __init__(self) -> None:
        self.parts: list[str | None] = ["First. ", "Second."]
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.answer_with: Any = {}
        self.calls: list[Call] = []
        self.left = asyncio.Event()

    async def answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        self.calls.append(call)
        if isinstance(self.answer_with, Failure):
            raise self.answer_with
        if not call.is_stream:
            return web.json_response(self.answer_with)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            for number, part in enumerate(self.parts):
                choice = (
                    {"delta": {"content": part}} if call.route.name == "chat-completions" else {"text": part}
                )
                event: Any = {"choices": [choice]} if part is not None else {"error": {"message": "it broke"}}
                # In two writes, as networks cut events anywhere.
                data = f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n".encode()
                if part is None and call.route.name == "execute":
                    data = b'event: error\r\ndata: {"detail": "it broke"}\r\n\r\n'
                await response.write(data[:20])
                await response.write(data[20:])
                if number == 0:
                    await self.go_on.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        await response.write(b": a comment\n\ndata: [DONE]\n\n")
        return response


class Running:
    """A gateway on loopback, and what it noted."""

    def __init__(self) -> None:
        self.url = ""
        self.worker = Worker()
        self.catalog = Catalog()
        self.identity = Identity()
        self.noted: list[tuple[str, str, int, str, str]] = []
        self.session: aiohttp.ClientSession
        for namespace, name in (("team-a", "qwen"), ("team-b", "secret")):
            self.catalog.put(served_instance(namespace, name))

    def answered(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,  # noqa: ARG002 -- the protocol's
        *,
        error: str = "",
        caller: str = "",
        model: str = "",  # noqa: ARG002 -- the protocol's
    ) -> None:
        self.noted.append((method, route, status, error, caller))

    def is_ready(self, deployment: Deployment) -> bool:
        return deployment.instance == "qwen"

    async def get(self, path: str = "/", **headers: str) -> tuple[int, str, Mapping[str, str]]:
        async with self.session.get(path, headers=headers) as response:
            return response.status, await response.text(), response.headers

    async def post(self, data: Any, path: str = "/", **headers: str) -> tuple[int, str, Mapping[str, str]]:
        async with self.session.post(path, data=data, headers=headers) as response:
            return response.status, await response.text(), response.headers


@asynccontextmanager
async def running_page() -> AsyncIterator[Running]:
    """Serve the page."""
    made = Running()
    assets = page_assets()
    page = ModelPage(made.catalog, made.identity, made.is_ready, assets, {"API": "/docs"})
    gateway = Gateway(
        made.catalog,
        made.identity,
        made.worker,
        Intake(1 << 20, 1 << 24, 100),
        made.is_ready,
        Mock(spec_set=()),
        Mock(spec_set=()),
        answered=made.answered,
        pages=assets.pages,
        model_page=page,
    )
    runner = web.AppRunner(
        gateway.application(), access_log=None, handler_cancellation=True, shutdown_timeout=1
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        made.url = f"http://{host}:{port}"
        async with aiohttp.ClientSession(made.url) as made.session:
            yield made
    finally:
        await runner.cleanup()
