"""A list of large objects is read in small pages, from whatever place in the list they begin."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection
from model_operator.kube.kubeconfig import ClusterConfiguration
from model_operator.kube.paging import PAGE, PAGE_BYTES
from model_operator.kube.resources import MODEL_INSTANCES

SMALL, LARGE = 2_000, 1_400_000


@dataclass
class Server:
    """Has objects of some sizes, and lists them in pages as the API server does."""

    sizes: list[int] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        limit, begin = int(request.query["limit"]), int(request.query.get("continue") or 0)
        self.limits.append(limit)
        response = web.StreamResponse()
        await response.prepare(request)
        end = min(begin + limit, len(self.sizes))
        rest = str(end) if end < len(self.sizes) else ""
        metadata = json.dumps({"resourceVersion": "7", "continue": rest})
        with contextlib.suppress(ConnectionError):
            await response.write(f'{{"metadata":{metadata},"items":['.encode())
            for number in range(begin, end):
                item = {"metadata": {"name": f"n{number}"}, "spec": "x" * self.sizes[number]}
                await response.write((json.dumps(item) + ("," if number < end - 1 else "]}")).encode())
            if begin == end:
                await response.write(b"]}")
        return response


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    runner = web.ServerRunner(web.Server(found.answer), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def listed(server: Server) -> tuple[list[str], int]:
    """Give the names that a list has, and the bytes of the largest page."""
    configuration = ClusterConfiguration()
    configuration.host, configuration.proxy = server.url, None
    connection = Connection(lambda: configuration, timeout=30)
    names: list[str] = []
    largest = 0
    async for items, _ in ApiClient(connection).pages(MODEL_INSTANCES):
        names += [item["metadata"]["name"] for item in items]
        largest = max(largest, sum(len(item["spec"]) for item in items))
    await connection.close()
    return names, largest


@pytest.mark.parametrize(
    "sizes",
    [
        [],
        [SMALL] * (PAGE + 1),
        [LARGE] * 30,
        [SMALL] * PAGE + [LARGE] * 30 + [SMALL] * PAGE,
        [SMALL, LARGE] * 20,
        [PAGE_BYTES * 2, SMALL],
    ],
    ids=["none", "small", "large", "large among small", "by turns", "one beyond the bound"],
)
async def test_all_objects_are_listed_in_bounded_pages(server: Server, sizes: list[int]) -> None:
    server.sizes = sizes
    names, largest = await listed(server)

    assert names == [f"n{number}" for number in range(len(sizes))]
    assert largest <= max(PAGE_BYTES, *sizes, 0)


async def test_a_list_of_small_objects_takes_no_more_requests_than_it_has_pages(server: Server) -> None:
    server.sizes = [SMALL] * (3 * PAGE)
    await listed(server)

    assert server.limits == [PAGE] * 3


async def test_pages_grow_again_after_large_objects(server: Server) -> None:
    server.sizes = [LARGE] * 8 + [SMALL] * (6 * PAGE)
    await listed(server)

    assert server.limits[-1] == PAGE
    assert len(server.limits) < 40
