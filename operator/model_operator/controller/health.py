"""The health port: ``/healthz`` (liveness), ``/readyz`` (readiness) and ``/metrics``."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus

from aiohttp import web

from model_operator.controller.serving.main_loop import LoopStuckError, MainLoopQuery
from model_operator.controller.serving.side_loop import in_thread
from model_operator.metrics.exposition import MetricsPage
from model_operator.process.connection_slots import Bounds, Closing, Slots
from model_operator.process.inbound import Inbound, app_runner

Check = Callable[[], str | None]
"""Returns the problem, None without one. Called in the main event loop."""

_BODY_LIMIT = 1024
_ANSWER_SECONDS = 0.1
"""Seconds. A kubelet waits one second for the whole response."""
_FRESH_SECONDS = 0.1
_PAGE_SECONDS = 5.0
"""Seconds. A scrape may take longer; Prometheus waits ten by default."""
STUCK_SECONDS = 30.0
"""Time without a response of the main loop after which only a restart helps. No step blocks the loop for a
hundredth of that."""


def health_bounds(connections: int) -> Bounds:
    """Return the bounds of the health port: kubelets and Prometheus need a few short connections."""
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
    """Return a context manager that serves the port in a thread of its own.

    Parameters
    ----------
    bound
        Socket to listen on.
    alive
        For ``/healthz``: a problem that only a restart solves.
    ready
        For ``/readyz``: a problem because of which requests should go to another replica.
    metrics
        For ``/metrics``.
    bounds
        Bounds of the port.
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
            problem = await check.now()
        except LoopStuckError as error:
            problem = str(error)
        if problem is None:
            return web.Response(text="ok\n")
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=f"{problem}\n")

    return handle


def _page(page: MainLoopQuery[bytes]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        try:
            body = await page.now()
        except LoopStuckError as error:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=f"{error}\n")
        return web.Response(body=body, headers=MetricsPage.HEADERS)

    return handle
