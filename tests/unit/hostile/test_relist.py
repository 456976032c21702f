"""kopf lists again after an expired watch: what strangers have stored meanwhile is read in bounded pages."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from model_operator.controller.scope import Scope
from model_operator.controller.watch.initial_list import InitialListRewriter
from model_operator.controller.watch.kopf_reading import BoundedResponse
from model_operator.kube.paging import PAGE, PAGE_BYTES
from model_operator.kube.resources import DEPLOYMENTS, ResourceKind
from tests.unit.kube.local_server import connected

SMALL, LARGE = 2_000, 1_400_000


@dataclass
class Server:
    """Has Deployments of some sizes, and lists them in pages as the API server does."""

    sizes: list[int]
    limits: list[int] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        limit, begin = int(request.query["limit"]), int(request.query.get("continue") or 0)
        self.limits.append(limit)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        end = min(begin + limit, len(self.sizes))
        metadata = {"resourceVersion": "7", "continue": str(end) if end < len(self.sizes) else ""}
        with contextlib.suppress(ConnectionError):
            await response.write(f'{{"metadata":{json.dumps(metadata)},"items":['.encode())
            for number in range(begin, end):
                item = {"metadata": {"name": f"n{number}"}, "spec": "x" * self.sizes[number]}
                await response.write((json.dumps(item) + ("," if number < end - 1 else "")).encode())
            await response.write(b"]}")
        return response


@contextlib.asynccontextmanager
async def relisting(server: Server) -> AsyncIterator[tuple[Any, list[ResourceKind]]]:
    """Give a function that lists as kopf does, page by page, and the gaps that were noticed."""
    gaps: list[ResourceKind] = []
    async with connected(server.answer) as (connection, url), contextlib.AsyncExitStack() as stack:
        rewriter = InitialListRewriter(url, (DEPLOYMENTS,), Scope([], []), gaps.append)
        session = connection.share(rewriter, BoundedResponse)
        stack.push_async_callback(session.close)

        async def pages() -> AsyncIterator[Any]:
            query = {"limit": "500"}
            while True:
                collection = url + DEPLOYMENTS.path("")
                async with session.get(collection, params=query) as response:
                    response.raise_for_status()
                    page = await response.json()
                yield page["items"]
                if not page["metadata"]["continue"]:
                    return
                query["continue"] = page["metadata"]["continue"]

        yield pages, gaps


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [SMALL] * (PAGE + 1),
        [LARGE] * 30,
        [SMALL] * PAGE + [LARGE] * 30 + [SMALL] * PAGE,
        [PAGE_BYTES * 2, SMALL],
    ],
    ids=["none", "small", "large", "large among small", "one beyond the bound"],
)
async def test_strangers_deployments_are_read_in_bounded_pages(sizes: list[int]) -> None:
    server = Server(sizes)
    names: list[str] = []
    largest = 0
    async with relisting(server) as (pages, gaps):
        async for items in pages():
            names += [item["metadata"]["name"] for item in items]
            largest = max(largest, sum(len(item["spec"]) for item in items))

    assert names == [f"n{number}" for number in range(len(sizes))], "none is left out or comes twice"
    assert largest <= max(PAGE_BYTES, *sizes, 0)
    assert gaps == [DEPLOYMENTS], "one list, one gap"


async def test_usual_objects_take_no_more_requests_than_pages() -> None:
    server = Server([SMALL] * (3 * PAGE))
    async with relisting(server) as (pages, _):
        async for _ in pages():
            pass

    assert server.limits == [PAGE] * 3


async def test_a_list_that_is_begun_again_begins_with_the_size_that_was_found() -> None:
    """A list that does not end within a request's timeout must not begin at the same place for ever."""
    server = Server([LARGE] * 30)
    async with relisting(server) as (pages, _):
        async for _ in pages():
            break
        found = server.limits[-1]
        server.limits.clear()
        async for _ in pages():
            pass

    assert server.limits[0] <= 2 * found
