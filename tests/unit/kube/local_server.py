"""A connection to a server of the test's own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from model_operator.kube.connection import Connection
from model_operator.kube.kubeconfig import ClusterConfiguration
from model_operator.kube.observation import Observer

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def connected(
    answer: Answer, observer: Observer | None = None
) -> AsyncIterator[tuple[Connection, str]]:
    """Serve the answers on loopback; give a connection to the server, and its URL."""
    async with contextlib.AsyncExitStack() as stack:
        runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        configuration = ClusterConfiguration()
        configuration.host, configuration.proxy = f"http://127.0.0.1:{runner.addresses[0][1]}", None
        connection = Connection(lambda: configuration, timeout=30, observer=observer)
        stack.push_async_callback(connection.close)
        yield connection, configuration.host
