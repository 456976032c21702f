"""``/healthz``, ``/readyz``, ``/metrics``: of use at all, of use now, and how it fares."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web

from model_operator.controller.metrics.exposition import MetricsPage

Check = Callable[[], str | None]
"""Returns what is wrong, None when nothing is."""

_BODY_LIMIT = 1024


@asynccontextmanager
async def serve_health(
    bound: socket.socket, *, alive: Check, ready: Check, metrics: MetricsPage
) -> AsyncIterator[None]:
    """Serve while the context is open.

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
    """
    application = web.Application(client_max_size=_BODY_LIMIT)
    application.router.add_get("/healthz", _answer(alive))
    application.router.add_get("/readyz", _answer(ready))
    application.router.add_get("/metrics", metrics.handle)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    await web.SockSite(runner, bound).start()
    try:
        yield
    finally:
        await runner.cleanup()


def _answer(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        wrong = check()
        if wrong is None:
            return web.Response(text="ok\n")
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=f"{wrong}\n")

    return handle
