"""Counting requests to the API server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from model_operator.controller.metrics.instruments import Metrics
from model_operator.controller.metrics.requests import request_trace, target_of
from model_operator.process.sockets import bind
from tests.unit.controller.metrics.exposed import value, values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OURS = "/apis/modeloperator.dev/v1alpha1"


@pytest.mark.parametrize(
    ("request_line", "content_type", "expected"),
    [
        ("GET /api/v1/services", "", ("list", "services")),
        ("GET /api/v1/namespaces/team/services?labelSelector=a", "", ("list", "services")),
        ("GET /api/v1/services?watch=true&resourceVersion=1", "", ("watch", "services")),
        ("GET /api/v1/namespaces/team/services?watch=1", "", ("watch", "services")),
        ("GET /api/v1/namespaces/team/services/demo", "", ("get", "services")),
        ("GET /api/v1/namespaces", "", ("list", "namespaces")),
        ("GET /api/v1/namespaces/team", "", ("get", "namespaces")),
        (f"GET {OURS}/clustermodeltemplates/base", "", ("get", "clustermodeltemplates")),
        (f"PATCH {OURS}/clustermodeltemplates/base/status", "", ("patch", "clustermodeltemplates/status")),
        (
            f"PATCH {OURS}/namespaces/team/modelinstances/demo/status",
            "application/merge-patch+json",
            ("patch", "modelinstances/status"),
        ),
        (
            "PATCH /apis/apps/v1/namespaces/team/deployments/demo?force=true",
            "application/apply-patch+yaml",
            ("apply", "deployments"),
        ),
        ("POST /apis/events.k8s.io/v1/namespaces/team/events", "", ("create", "events")),
        ("PUT /api/v1/namespaces/team/secrets/cert", "", ("update", "secrets")),
        ("DELETE /api/v1/namespaces/team/services/demo", "", ("delete", "services")),
        ("GET /api/v1/namespaces/team/configmaps/any", "", ("get", "other")),
        ("GET /apis/example.com/v1/gadgets", "", ("list", "other")),
        ("GET /api/v1/gadgets?watch=true", "", ("watch", "other")),
        (f"PATCH {OURS}/namespaces/team/modelinstances/demo/gadget", "", ("patch", "other")),
        ("GET /api/v1/namespaces/..%2Fx/services/demo", "", ("get", "services")),
        ("GET /version", "", ("get", "")),
        (f"GET {OURS}", "", ("get", "")),
        ("GET /apis", "", ("get", "")),
    ],
)
def test_target(request_line: str, content_type: str, expected: tuple[str, str]) -> None:
    method, _, path = request_line.partition(" ")
    assert target_of(method, URL(f"https://api.test{path}", encoded=True), content_type) == expected


@asynccontextmanager
async def session_with(metrics: Metrics) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a session with a server that answers by path, breaks off, or does not answer at all."""
    forever = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        name = request.path.rpartition("/")[2]
        if name == "silent":
            await forever.wait()
        if name == "broken":
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=int(name) if name.isdecimal() else 200)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    bound = bind("127.0.0.1", 0)
    await web.SockSite(runner, bound).start()
    base = f"http://127.0.0.1:{bound.getsockname()[1]}"
    try:
        async with aiohttp.ClientSession(base, trace_configs=[request_trace(metrics)]) as session:
            yield session
    finally:
        forever.set()
        await runner.cleanup()


async def test_answers_are_counted_by_their_code_and_timed() -> None:
    metrics = Metrics()
    async with session_with(metrics) as session:
        for name in ("200", "200", "404", "503"):
            async with session.get(f"/api/v1/namespaces/team/services/{name}"):
                pass

    assert values(metrics.registry, "api_requests_total") == {
        ("200", "services", "get"): 2,
        ("404", "services", "get"): 1,
        ("503", "services", "get"): 1,
    }
    assert value(metrics.registry, "api_request_duration_seconds_count", verb="get") == 4


async def _delete(session: aiohttp.ClientSession, path: str) -> None:
    await session.delete(path)


async def test_no_answer_is_an_error_unless_nobody_waited_for_it() -> None:
    metrics = Metrics()
    soon = aiohttp.ClientTimeout(total=0.05)
    async with session_with(metrics) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.put("/api/v1/namespaces/team/services/broken")
        with pytest.raises(TimeoutError):
            await session.get("/api/v1/namespaces/team/services/silent", timeout=soon)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(_delete(session, "/api/v1/namespaces/team/services/silent"))
            await asyncio.sleep(0.05)
            waiting.cancel()

    assert values(metrics.registry, "api_requests_total") == {
        ("error", "services", "update"): 1,
        ("error", "services", "get"): 1,
        ("cancelled", "services", "delete"): 1,
    }
    assert value(metrics.registry, "api_request_duration_seconds_count", verb="get") is None


async def test_a_watch_that_is_begun_again_is_a_restart() -> None:
    metrics = Metrics()
    async with session_with(metrics) as session:
        for namespace, times in (("a", 1), ("b", 3)):
            for _ in range(times):
                async with session.get(f"/api/v1/namespaces/{namespace}/services?watch=true"):
                    pass
        async with session.get("/api/v1/endpoints?watch=true"):
            pass

    assert value(metrics.registry, "watch_restarts_total", resource="services") == 2
    assert value(metrics.registry, "watch_restarts_total", resource="other") == 0
    assert values(metrics.registry, "api_requests_total") == {
        ("200", "services", "watch"): 4,
        ("200", "other", "watch"): 1,
    }
