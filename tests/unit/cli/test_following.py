"""Following an instance through watches that end, fail and fall behind; on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from model_operator.cli.plugin import following
from model_operator.cli.plugin.cluster import Cluster
from model_operator.cli.plugin.following import follow, follow_alone
from model_operator.cli.plugin.queries import QueryError
from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection
from model_operator.kube.kubeconfig import ClusterConfiguration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}


def minilm(version: int, **annotations: str) -> dict[str, Any]:
    metadata = {
        "name": "minilm",
        "namespace": "team",
        "uid": "u1",
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "resourceVersion": str(version),
        "annotations": annotations,
    }
    return {"metadata": metadata, "spec": {}}


def change(version: int, kind: str = "MODIFIED", **annotations: str) -> dict[str, Any]:
    return {"type": kind, "object": minilm(version, **annotations)}


class Server:
    """Answers the lists and watches of instances one after the other as told; other kinds have no objects.

    Attributes
    ----------
    lists
        The version of the instance that each list has, None for none, or a status code.
    watches
        The events of each watch, which then ends; the last one goes on.
    """

    def __init__(self, lists: list[int | None], watches: list[list[dict[str, Any]]], code: int = 0) -> None:
        self.lists = lists
        self.watches = watches
        self.code = code
        self.asked: list[str] = []
        self.is_over = asyncio.Event()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._watch(request)
        if not request.path.endswith("modelinstances"):
            is_one = request.path.endswith("/minilm")
            empty: dict[str, Any] = {"metadata": {"resourceVersion": "1"}, "items": []}
            return web.json_response(minilm(1) if is_one else empty)
        version = self.lists.pop(0)
        if version == 503:
            return web.json_response({"message": "not now"}, status=503)
        items = [] if version is None else [minilm(version)]
        return web.json_response({"metadata": {"resourceVersion": str(version)}, "items": items})

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.code:
            return web.json_response({"message": 'User "x" cannot watch'}, status=self.code)
        stream = web.StreamResponse()
        await stream.prepare(request)
        if request.path.endswith("modelinstances"):
            self.asked.append(request.query["resourceVersion"])
            for event in self.watches.pop(0):
                await stream.write(json.dumps(event).encode() + b"\n")
                await asyncio.sleep(0.05)
            if self.watches:
                return stream
        await self.is_over.wait()
        return stream


@contextlib.asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Cluster]:
    runner = web.ServerRunner(web.Server(server.answer), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = ClusterConfiguration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    configuration.proxy = None
    connection = Connection(lambda: configuration, timeout=30)
    try:
        yield Cluster(ApiClient(connection), "team", connection.server)
    finally:
        server.is_over.set()
        await connection.close()
        await runner.cleanup()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(following, "_TOGETHER_SECONDS", 0.0)


async def versions(server: Server, last: str | None) -> list[str | None]:
    """Give the versions of the instance that are seen, up to one; None is for none."""
    seen: list[str | None] = []
    async with serving(server) as cluster, contextlib.aclosing(follow_alone(cluster, "minilm")) as states:
        async with asyncio.timeout(20):
            async for state in states:
                version = state["metadata"]["resourceVersion"] if state else None
                if seen[-1:] != [version]:
                    seen.append(version)
                if version == last:
                    return seen
    raise AssertionError(f"the end came too early, after {seen}")


async def test_changes_and_deletion() -> None:
    server = Server([1], [[change(2), change(3, "DELETED"), change(4, "ADDED")]])

    assert await versions(server, "4") == ["1", "2", None, "4"]
    assert server.asked == ["1"]


async def test_a_watch_that_ends_is_begun_anew_from_a_new_list() -> None:
    server = Server([1, 5], [[change(2)], [change(6)]])

    assert await versions(server, "6") == ["1", "2", "5", "6"]
    assert server.asked == ["1", "5"]


async def test_a_version_that_is_too_old() -> None:
    server = Server([1, 7], [[EXPIRED], []])

    assert await versions(server, "7") == ["1", "7"]


async def test_what_was_deleted_while_nobody_watched() -> None:
    server = Server([1, None], [[], []])

    assert await versions(server, None) == ["1", None]


async def test_a_server_that_does_not_answer_for_a_while() -> None:
    server = Server([1, 503, 503, 8], [[], []])

    assert await versions(server, "8") == ["1", "8"]


async def test_a_server_that_does_not_answer_at_first() -> None:
    with pytest.raises(QueryError, match="does not respond: not now"):
        await versions(Server([503], [[]]), "1")


async def test_a_large_object_is_read_in_one_piece() -> None:
    server = Server([1], [[change(2, large="x" * 1_500_000)]])

    assert await versions(server, "2") == ["1", "2"]


async def test_a_watch_that_is_not_allowed() -> None:
    server = Server([1], [[]], code=403)

    with pytest.raises(
        QueryError, match=r"user x cannot watch modelinstances.modeloperator.dev in namespace team"
    ):
        await versions(server, "2")


async def test_all_of_an_instance_until_it_is_gone() -> None:
    server = Server([1], [[change(2), change(3, "DELETED")]])

    async with serving(server) as cluster, asyncio.timeout(20):
        seen = [facts.instance["metadata"]["resourceVersion"] async for facts in follow(cluster, "minilm")]

    assert seen[-1] == "2"
