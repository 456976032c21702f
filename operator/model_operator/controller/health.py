"""``/healthz``, ``/readyz``, ``/metrics``: of use at all, of use now, and how it fares."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus

from aiohttp import web

from model_operator.controller.metrics.exposition import MetricsPage
from model_operator.controller.serving.connection_slots import Bounds, Closing, Slots
from model_operator.controller.serving.inbound import Inbound, app_runner
from model_operator.controller.serving.main_loop import LoopStuckError, MainLoopQuery
from model_operator.controller.serving.side_loop import in_thread

Check = Callable[[], str | None]
"""Returns what is wrong, None when nothing is. Called in the loop that does the work."""

_BODY_LIMIT = 1024
_ANSWER_SECONDS = 0.1
"""A kubelet waits one second for all of the answer."""
_FRESH_SECONDS = 0.1
_PAGE_SECONDS = 5.0
"""A scrape may take longer; Prometheus waits ten by default."""
STUCK_SECONDS = 30.0
"""After which a restart is all that is left. No work takes a hundredth of that without giving way."""


def health_bounds(connections: int) -> Bounds:
    """Return what the health port grants: kubelets and Prometheus need a few short connections."""
    return Bounds(
        connections=connections,
        per_address=max(connections // 2, 1),
        handshakes=connections,
        head_seconds=5.0,
        busy_seconds=2 * _PAGE_SECONDS,
        idle_seconds=60.0,
        request_bytes=64 * 1024,
    )


def serve_health(
    bound: socket.socket,
    *,
    alive: Check,
    ready: Check,
    metrics: MetricsPage,
    bounds: Bounds,
    count: Callable[[Closing], None],
) -> AbstractAsyncContextManager[None]:
    """Return a context that serves while it is open, in a thread of its own.

    Parameters
    ----------
    bound
        Where to listen.
    alive
        For ``/healthz``: with anything wrong, only a restart helps.
    ready
        For ``/readyz``: with anything wrong, requests had better go elsewhere for the moment.
    metrics
        For ``/metrics``.
    bounds
        What the port grants.
    count
        Called with the reason for each connection that is refused or closed.
    """
    loop = asyncio.get_running_loop()
    page = MainLoopQuery(loop, metrics.body, timeout=_PAGE_SECONDS, stuck_after=_PAGE_SECONDS / 2)

    def ask(check: Check) -> MainLoopQuery[str | None]:
        return MainLoopQuery(
            loop, check, timeout=_ANSWER_SECONDS, stuck_after=STUCK_SECONDS, fresh=_FRESH_SECONDS
        )

    application = web.Application(client_max_size=_BODY_LIMIT)
    application.router.add_get("/healthz", _answer(ask(alive)))
    application.router.add_get("/readyz", _answer(ask(ready)))
    application.router.add_get("/metrics", _page(page))
    return in_thread("health", lambda: _serve(application, bound, Slots(bounds, count)))


@asynccontextmanager
async def _serve(application: web.Application, bound: socket.socket, slots: Slots) -> AsyncIterator[None]:
    inbound = Inbound(slots)
    application.middlewares.append(inbound.middleware)
    runner = app_runner(
        application,
        "health",
        shutdown_timeout=0.5,
        lingering_time=0.2,
    )
    await runner.setup()
    serve = runner.server
    assert serve is not None  # noqa: S101 -- set up just now
    try:
        async with inbound.accept(bound, serve):
            yield
    finally:
        await runner.cleanup()


def _answer(check: MainLoopQuery[str | None]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        try:
            wrong = await check.now()
        except LoopStuckError as error:
            wrong = str(error)
        if wrong is None:
            return web.Response(text="ok\n")
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=f"{wrong}\n")

    return handle


def _page(page: MainLoopQuery[bytes]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        try:
            body = await page.now()
        except LoopStuckError as error:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=f"{error}\n")
        return web.Response(body=body, headers=MetricsPage.HEADERS)

    return handle
