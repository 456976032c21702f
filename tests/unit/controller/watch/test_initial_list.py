"""Where kopf's watches begin, and which lists tell of a gap."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from model_operator.controller.scope import Scope
from model_operator.controller.watch.initial_list import InitialListRewriter, Listed
from model_operator.controller.watch.kopf_reading import BoundedResponse
from model_operator.kube.connection import Connection
from model_operator.kube.kubeconfig import ClusterConfiguration
from model_operator.kube.paging import PAGE
from model_operator.kube.resources import CLUSTER_MODEL_TEMPLATES, DEPLOYMENTS, ResourceKind

LISTED = Listed(DEPLOYMENTS, "team")
SELECTOR = {"labelSelector": DEPLOYMENTS.label_selector}
EXACTLY = {"resourceVersion": "42", "resourceVersionMatch": "Exact"}


@dataclass
class Server:
    """Notes what is asked for, and answers as it is told to."""

    statuses: list[int] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    answering: Callable[[], object] = lambda: None

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        self.headers.append(dict(request.headers))
        self.answering()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200, text=json.dumps({}))


class Lister:
    """A server below a path, and a session as kopf has it."""

    def __init__(self, server: Server, connection: Connection) -> None:
        self.server = server
        self.gaps: list[ResourceKind] = []
        kinds = (DEPLOYMENTS, CLUSTER_MODEL_TEMPLATES)
        self.start = InitialListRewriter(server.url, kinds, Scope(["team", "other"], []), self.gaps.append)
        self.session = connection.share(self.start, BoundedResponse)

    async def get(self, path: str = DEPLOYMENTS.path("team"), **query: str) -> int:
        async with self.session.get(self.server.url + path, params={**SELECTOR, **query}) as response:
            return response.status


@pytest.fixture
async def lister() -> AsyncIterator[Lister]:
    server = Server()
    runner = web.ServerRunner(web.Server(server.answer), shutdown_timeout=0)
    async with contextlib.AsyncExitStack() as stack:
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/clusters/one"
        configuration = ClusterConfiguration()
        configuration.host, configuration.proxy = server.url, None
        configuration.api_key["authorization"] = "token"
        connection = Connection(lambda: configuration, timeout=10)
        stack.push_async_callback(connection.close)
        found = Lister(server, connection)
        stack.push_async_callback(found.session.close)
        yield found


async def test_the_first_list_is_of_no_objects_at_the_version_that_is_known(lister: Lister) -> None:
    lister.start.resume_from({LISTED: "42"})
    await lister.get(limit="500")

    (asked,) = lister.server.asked
    selector = asked.pop("fieldSelector")
    assert asked == {**SELECTOR, **EXACTLY, "limit": "500"}
    name, other = selector.split(",")
    assert name.replace("=", "!=") == other, "no object can be both"
    assert lister.gaps == []
    assert lister.server.headers[0]["Authorization"] == "token"


async def test_any_later_list_is_kopf_s_own_and_tells_of_a_gap(lister: Lister) -> None:
    lister.start.resume_from({LISTED: "42"})
    await lister.get()
    await lister.get()

    assert lister.server.asked[1] == {**SELECTOR, "limit": str(PAGE)}
    assert lister.gaps == [DEPLOYMENTS]


async def test_a_gap_is_told_of_once_it_has_ended(lister: Lister) -> None:
    gaps_at_the_answer: list[int] = []
    lister.server.answering = lambda: gaps_at_the_answer.append(len(lister.gaps))
    await lister.get()

    assert gaps_at_the_answer == [0]
    assert lister.gaps == [DEPLOYMENTS]


@pytest.mark.parametrize("status", [401, 429, 500, 503])
async def test_a_first_list_that_fails_is_the_same_when_it_is_repeated(lister: Lister, status: int) -> None:
    lister.start.resume_from({LISTED: "42"})
    lister.server.statuses.append(status)

    assert await lister.get() == status
    assert await lister.get() == 200
    assert [asked["resourceVersion"] for asked in lister.server.asked] == ["42", "42"]
    assert lister.gaps == []


@pytest.mark.parametrize("status", [400, 410, 504])
async def test_a_version_that_the_server_has_not_is_forgotten(lister: Lister, status: int) -> None:
    lister.start.resume_from({LISTED: "42"})
    lister.server.statuses.append(status)

    assert await lister.get() == 200
    assert lister.server.asked[1] == {**SELECTOR, "limit": str(PAGE)}
    assert lister.gaps == [DEPLOYMENTS]


async def test_a_list_that_fails_otherwise_is_kopf_s_to_repeat(lister: Lister) -> None:
    lister.server.statuses += [500]

    assert await lister.get() == 500
    assert lister.gaps == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda lister: lister.get(watch="true", resourceVersion="42"),
        lambda lister: lister.get(**{"continue": "token"}),
        lambda lister: lister.get("/version"),
        lambda lister: lister.get(DEPLOYMENTS.path("elsewhere")),
        lambda lister: lister.get(DEPLOYMENTS.path("team", "demo")),
    ],
    ids=["a watch", "the rest of a list", "no list", "another namespace", "one object"],
)
async def test_everything_else_passes(lister: Lister, ask: Callable[[Lister], Awaitable[int]]) -> None:
    lister.start.resume_from({LISTED: "42"})
    await ask(lister)

    assert "resourceVersionMatch" not in lister.server.asked[0]
    assert lister.gaps == []


async def test_each_namespace_has_a_version_of_its_own(lister: Lister) -> None:
    everywhere = Listed(CLUSTER_MODEL_TEMPLATES, "")
    lister.start.resume_from({LISTED: "42", Listed(DEPLOYMENTS, "other"): "43", everywhere: "44"})
    for path in (DEPLOYMENTS.path("other"), DEPLOYMENTS.path("team"), CLUSTER_MODEL_TEMPLATES.path()):
        await lister.get(path)

    assert [asked["resourceVersion"] for asked in lister.server.asked] == ["43", "42", "44"]


async def test_nothing_is_to_be_compressed(lister: Lister) -> None:
    await lister.get()
    assert lister.server.headers[0]["Accept-Encoding"] == "identity"
