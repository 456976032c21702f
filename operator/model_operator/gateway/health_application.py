"""The health port of the gateway: ``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web

from model_operator.gateway.calls import SERVER
from model_operator.metrics.exposition import MetricsPage

Check = Callable[[], str | None]
"""Returns the problem, None without one."""


def health_application(ready: Check, metrics: MetricsPage) -> web.Application:
    """Return the application of the health port.

    Parameters
    ----------
    ready
        For ``/readyz``: why requests should go to another replica.
    metrics
        For ``/metrics``.
    """

    async def answer_healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def answer_readyz(_: web.Request) -> web.Response:
        problem = ready()
        if problem is None:
            return web.Response(text="ok\n")
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=f"{problem}\n")

    async def answer_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics.body(), headers=MetricsPage.HEADERS)

    async def name_server(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = SERVER

    application = web.Application(client_max_size=1024)
    application.on_response_prepare.append(name_server)
    application.router.add_get("/healthz", answer_healthz)
    application.router.add_get("/readyz", answer_readyz)
    application.router.add_get("/metrics", answer_metrics)
    return application
