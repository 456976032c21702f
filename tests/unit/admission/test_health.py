"""``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from model_operator.controller.health import serve_health
from model_operator.controller.listening import bind
from model_operator.controller.metrics.exposition import MetricsPage

LOOPBACK = "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "alive", "ready", "expected"),
    [
        ("/healthz", None, None, (200, "ok\n")),
        ("/healthz", None, "not yet", (200, "ok\n")),
        ("/healthz", "it is over", None, (503, "it is over\n")),
        ("/readyz", None, None, (200, "ok\n")),
        ("/readyz", None, "not yet", (503, "not yet\n")),
        ("/metrics", "it is over", "not yet", (200, "")),
        ("/", None, None, (404, "404: Not Found")),
    ],
)
async def test_answer(path: str, alive: str | None, ready: str | None, expected: tuple[int, str]) -> None:
    bound = bind(LOOPBACK, 0)
    url = f"http://{LOOPBACK}:{bound.getsockname()[1]}{path}"
    async with (
        serve_health(
            bound, alive=lambda: alive, ready=lambda: ready, metrics=MetricsPage(CollectorRegistry())
        ),
        aiohttp.ClientSession() as session,
    ):
        async with session.get(url) as answer:
            assert (answer.status, await answer.text()) == expected
        async with session.post(url) as answer:
            assert answer.status in {404, 405}
