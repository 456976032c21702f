"""What follows a change: its answer may wait, and the wait alone ends when the client leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from model_operator.core.gateway.access import Caller
from model_operator.core.gateway.rest.control_routes import Operation, control_match
from model_operator.gateway.rest.rest_api import RestApi
from tests.unit.gateway.rest.cluster import Cluster

if TYPE_CHECKING:
    from model_operator.gateway.rest.control_call import ControlCall, Later
    from model_operator.kube.connection import Connection

OPERATION = Operation.CREATE_DEPLOYMENT
PATH = "/v4/models/m/deployments"


class Change:
    """An operation that changes something, and then waits for it."""

    def __init__(self) -> None:
        self.may_change = asyncio.Event()
        self.is_changed = False
        self.is_waiting = False
        self.is_over = False

    async def __call__(self, _: ControlCall) -> Later:
        await self.may_change.wait()
        self.is_changed = True
        return self.later

    async def later(self) -> web.Response:
        self.is_waiting = True
        try:
            await asyncio.Event().wait()
        finally:
            self.is_over = True
        return web.Response()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def answering(change: Change, monkeypatch: pytest.MonkeyPatch) -> tuple[RestApi, asyncio.Task[web.Response]]:
    cluster = Cluster()
    api = RestApi(cluster.replica(), cluster.identity(), cast("Connection", None))
    monkeypatch.setattr(api, "_operations", {OPERATION: change})
    match = control_match(PATH)
    assert match is not None
    caller = Caller("ada", "", (), {}, b"ada")
    request = make_mocked_request("POST", PATH)
    return api, asyncio.ensure_future(api.answer(request, match, OPERATION, caller, "token", b""))


async def test_a_wait_ends_with_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    change = Change()
    change.may_change.set()
    api, task = answering(change, monkeypatch)
    await turns()
    assert change.is_waiting
    # What stops the gateway does not wait for it.
    await api.close()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert change.is_over


async def test_a_change_does_not_end_with_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    change = Change()
    api, task = answering(change, monkeypatch)
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    change.may_change.set()
    await api.close()
    assert change.is_changed
    assert not change.is_waiting
