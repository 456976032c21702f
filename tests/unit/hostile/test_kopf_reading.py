"""kopf's own lists and watches go on over an object that no reader of JSON bears."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import kopf
import pytest
from aiohttp import web
from kopf._cogs.clients import api as kopf_api
from kopf._cogs.clients import auth, watching
from kopf._cogs.structs import credentials, references

from model_operator.controller.scope import Scope
from model_operator.controller.watch.kopf_reading import BoundedResponse, read_watches_safely
from model_operator.controller.watch.kopf_settings import kopf_settings
from model_operator.kube.connection import Connection
from model_operator.kube.kubeconfig import ClusterConfiguration
from model_operator.kube.resources import MODEL_INSTANCES

DEEP = '{"a":' * 9_994 + "1" + "}" * 9_994


def item(name: str, spec: str = "{}") -> str:
    return '{"metadata":{"name":"%s","uid":"%s","resourceVersion":"7"},"spec":%s}' % (name, name, spec)  # noqa: UP031


def line(name: str, spec: str = "{}") -> str:
    return '{"type":"ADDED","object":%s}\n' % item(name, spec)  # noqa: UP031


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    if "watch" not in request.query:
        items = ",".join([item("one"), item("deep", DEEP), item("two")])
        text = '{"kind":"ModelInstanceList","items":[%s],"metadata":{"resourceVersion":"7"}}' % items  # noqa: UP031
        return web.Response(text=text, content_type="application/json")
    response = web.StreamResponse()
    await response.prepare(request)
    for text in (line("three"), line("deeper", DEEP), line("four")):
        await response.write(text.encode())
    return response


@pytest.fixture
def _reading() -> Iterator[None]:
    module = vars(kopf_api)
    before = module["json"]
    read_watches_safely()
    yield
    module["json"] = before


@pytest.fixture
async def told(_reading: None) -> AsyncIterator[AsyncIterator[Any]]:
    """Give what kopf's watcher hands to its handlers."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0)
    async with contextlib.AsyncExitStack() as stack:
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        configuration = ClusterConfiguration()
        configuration.host, configuration.proxy = f"http://127.0.0.1:{runner.addresses[0][1]}", None
        connection = Connection(lambda: configuration, timeout=10)
        stack.push_async_callback(connection.close)

        async def passing(request: Any, handler: Any) -> Any:
            return await handler(request)

        session = connection.share(passing, BoundedResponse)
        stack.push_async_callback(session.close)
        vault = credentials.Vault()
        info = kopf.AiohttpSession(server=connection.server, aiohttp_session=session)
        await vault.populate({"one": info})
        auth.vault_var.set(vault)
        stream = watching.continuous_watch(
            settings=kopf_settings([MODEL_INSTANCES], Scope([], []), 10),
            resource=references.Resource(
                group=MODEL_INSTANCES.group,
                version=MODEL_INSTANCES.version,
                plural=MODEL_INSTANCES.plural,
                namespaced=True,
            ),
            namespace=cast(Any, "team"),
            operator_pause_waiter=asyncio.Future(),
        )
        yield stream


async def test_a_deep_object_ends_neither_list_nor_watch(told: AsyncIterator[Any]) -> None:
    names = []
    async for event in told:
        if isinstance(event, dict):
            names.append(event["object"]["metadata"]["name"])
        if "four" in names:
            break

    assert names == ["one", "deep", "two", "three", "deeper", "four"]


@pytest.mark.usefixtures("_reading")
def test_the_standard_library_s_reader_is_left_alone() -> None:
    assert vars(kopf_api)["json"] is not json
    assert json.loads("NaN") != json.loads("1")


def test_no_object_can_carry_the_finalizer_for_which_kopf_would_patch_it() -> None:
    names = {kopf_settings([MODEL_INSTANCES], Scope([], []), 10).persistence.finalizer for _ in range(2)}

    assert len(names) == 2, "it is made anew in each process"
    assert all(len(name.partition("/")[2]) >= 32 for name in names)
