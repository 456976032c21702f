"""What the operations of the REST API share: the answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from model_operator.core.gateway.apis import Family
from model_operator.core.gateway.failures import response_of
from model_operator.gateway.rest import control_call as subject
from model_operator.gateway.rest.control_call import api_failure, page_answer
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiError
from model_operator.kube.resources import MODEL_INSTANCES
from tests.unit.kube.local_server import connected

PAGE = {"items": [1, 2, 3], "current_page": 1, "items_per_page": 100, "total_item_count": 3}


async def test_a_page_is_its_envelope_with_the_answers() -> None:
    response = await page_answer(PAGE, lambda item: {"name": f"é{item}"})
    empty = await page_answer({**PAGE, "items": []}, lambda item: item)

    assert isinstance(response.body, bytes)
    assert isinstance(empty.body, bytes)
    assert json.loads(response.body) == {**PAGE, "items": [{"name": f"é{item}"} for item in (1, 2, 3)]}
    assert json.loads(empty.body) == {**PAGE, "items": []}
    assert response.content_type == "application/json"


async def test_other_requests_have_their_turns_while_a_long_list_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subject, "_SLICE_SECONDS", -1.0)
    seen: list[Any] = []

    async def other() -> None:
        for turn in "abc":
            seen.append(turn)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await page_answer(PAGE, seen.append)
    await task

    assert seen == [1, "a", 2, "b", 3, "c"]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_the_time_that_the_api_server_states_is_the_client_s(status: int) -> None:
    """A server with too many requests answers with the header and a text, not with a Status."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text="Too many requests.", headers={"Retry-After": "1"})

    async with connected(answer) as (connection, _):
        with pytest.raises(ApiError) as caught:
            await ApiClient(connection).get(MODEL_INSTANCES, "team-a", "qwen")

    response = response_of(api_failure(caught.value), Family.PLATFORM)
    assert (response.status, response.headers["Retry-After"]) == (status, "1")
