"""Counting requests to the API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from model_operator.controller.metrics.instruments import Metrics
from model_operator.controller.metrics.requests import RequestCounter, target_of
from tests.unit.controller.metrics.exposed import value, values
from tests.unit.kube.local_server import connected

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


Send = Callable[..., Awaitable[aiohttp.ClientResponse]]
"""Sends a request: method, path, and options of aiohttp."""


@pytest.fixture(params=["own requests", "kopf's requests"])
def is_own(request: pytest.FixtureRequest) -> bool:
    """Return whether the requests are sent as those of the operator, or over a session as kopf's."""
    return bool(request.param == "own requests")


@asynccontextmanager
async def server_with(metrics: Metrics, *, is_own: bool) -> AsyncIterator[Send]:
    """Send to a server that answers by path, breaks off, or does not answer at all."""
    forever = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if name == "silent":
            await forever.wait()
        if name == "broken":
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=int(name) if name.isdecimal() else 200)

    async def pass_on(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        return await handler(request)

    async with connected(answer, RequestCounter(metrics)) as (connection, server):

        async def send_own(method: str, path: str, **options: Any) -> aiohttp.ClientResponse:
            return await connection.request(method, URL(f"{server}{path}"), headers={}, **options)

        async def send_kopfs(method: str, path: str, **options: Any) -> aiohttp.ClientResponse:
            return await session.request(method, f"{server}{path}", **options)

        async with connection.share(pass_on, aiohttp.ClientResponse) as session:
            yield send_own if is_own else send_kopfs
        forever.set()


async def test_answers_are_counted_by_their_code_and_timed(is_own: bool) -> None:
    metrics = Metrics()
    async with server_with(metrics, is_own=is_own) as send:
        for name in ("200", "200", "404", "503"):
            async with await send("GET", f"/api/v1/namespaces/team/services/{name}"):
                pass

    assert values(metrics.registry, "api_requests_total") == {
        ("200", "services", "get"): 2,
        ("404", "services", "get"): 1,
        ("503", "services", "get"): 1,
    }
    assert value(metrics.registry, "api_request_duration_seconds_count", verb="get") == 4


async def test_no_answer_is_an_error_unless_nobody_waited_for_it(is_own: bool) -> None:
    metrics = Metrics()
    soon = aiohttp.ClientTimeout(total=0.05)

    async def delete(send: Send) -> None:
        await send("DELETE", "/api/v1/namespaces/team/services/silent")

    async with server_with(metrics, is_own=is_own) as send:
        with pytest.raises(aiohttp.ClientError):
            await send("PUT", "/api/v1/namespaces/team/services/broken")
        with pytest.raises(TimeoutError):
            await send("GET", "/api/v1/namespaces/team/services/silent", timeout=soon)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(delete(send))
            await asyncio.sleep(0.05)
            waiting.cancel()

    assert values(metrics.registry, "api_requests_total") == {
        ("error", "services", "update"): 1,
        ("error", "services", "get"): 1,
        ("cancelled", "services", "delete"): 1,
    }
    assert value(metrics.registry, "api_request_duration_seconds_count", verb="get") is None


async def test_a_watch_that_is_begun_again_is_a_restart(is_own: bool) -> None:
    metrics = Metrics()
    async with server_with(metrics, is_own=is_own) as send:
        for namespace, times in (("a", 1), ("b", 3)):
            for _ in range(times):
                async with await send("GET", f"/api/v1/namespaces/{namespace}/services?watch=true"):
                    pass
        async with await send("GET", "/api/v1/endpoints?watch=true"):
            pass

    assert value(metrics.registry, "watch_restarts_total", resource="services") == 2
    assert value(metrics.registry, "watch_restarts_total", resource="other") == 0
    assert values(metrics.registry, "api_requests_total") == {
        ("200", "services", "watch"): 4,
        ("200", "other", "watch"): 1,
    }
