"""The gateway where simulated pods live: ``python -m tests.cluster.gateway.on_loopback gateway …``.

The address of a simulated pod leads nowhere, and the API server takes no loopback address as an endpoint. So
this gateway connects to 127.b.c.d where an endpoint says 10.b.c.d, which is all that it changes. With the
variable `STUB_PORT`, it connects to that port of 127.0.0.1, wherever a pod listens.
"""

from __future__ import annotations

import os
from typing import Any

import aiohttp

STUB_PORT = "MODEL_OPERATOR_TEST_STUB_PORT"


def on_loopback(host: str) -> str:
    """Return the loopback address that stands for the address of a simulated pod."""
    return f"127.{host.removeprefix('10.')}" if host.startswith("10.") else host


def redirect() -> None:
    """Make all connections of this process to simulated pods lead to loopback addresses."""
    resolve: Any = aiohttp.TCPConnector._resolve_host
    stub_port = os.environ.get(STUB_PORT)

    async def resolve_host(self: aiohttp.TCPConnector, host: str, port: int, traces: Any = None) -> Any:
        if stub_port and host.startswith("10."):
            return await resolve(self, "127.0.0.1", int(stub_port), traces=traces)
        return await resolve(self, on_loopback(host), port, traces=traces)

    vars(aiohttp)["TCPConnector"]._resolve_host = resolve_host


if __name__ == "__main__":
    redirect()
    from model_operator.cli.main import main

    main()
