"""Which worker answers, how many requests it may have, and what is answered without one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter

from aiohttp import web

from model_operator.core.gateway.balancing import Address
from tests.unit.gateway.proxies import gateway, until, worker


class Stub:
    """A worker that answers at once, or when it may."""

    def __init__(self) -> None:
        self.count = 0
        self.waiting = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def answer(self, _: web.BaseRequest) -> web.Response:
        self.count += 1
        self.waiting += 1
        await self.may_answer.wait()
        self.waiting -= 1
        return web.Response(body=b"{}")


async def stubs(stack: contextlib.AsyncExitStack, count: int) -> tuple[list[Stub], list[Address]]:
    made = [Stub() for _ in range(count)]
    return made, [await stack.enter_async_context(worker(each.answer)) for each in made]


async def test_four_equal_workers_get_equal_shares() -> None:
    async with contextlib.AsyncExitStack() as stack:
        four, addresses = await stubs(stack, 4)
        served = await stack.enter_async_context(gateway(*addresses))

        async def client() -> None:
            for _ in range(12):
                response, _ = await served.post()
                assert response.status == 200

        await asyncio.gather(*(client() for _ in range(64)))
        counts = [each.count for each in four]
        assert sum(counts) == 64 * 12
        assert max(counts) <= 1.25 * min(counts), counts
        await served.wait_until_idle()


async def test_new_workers_are_used_at_once_and_those_that_leave_finish() -> None:
    async with contextlib.AsyncExitStack() as stack:
        (old, new), addresses = await stubs(stack, 2)
        served = await stack.enter_async_context(gateway(addresses[0]))
        old.may_answer.clear()
        first = [asyncio.create_task(served.post()) for _ in range(6)]
        await until(lambda: old.waiting == 6)
        served.workers.update(addresses)
        for _ in range(6):
            await served.post()
        assert (old.count, new.count) == (6, 6)
        served.workers.update(addresses[1:])
        await served.post()
        assert (old.count, new.count) == (6, 7)
        assert served.workers.in_flight == 6
        old.may_answer.set()
        assert {response.status for response, _ in await asyncio.gather(*first)} == {200}
        await served.wait_until_idle()


async def test_more_requests_than_the_limit_are_refused() -> None:
    async with contextlib.AsyncExitStack() as stack:
        both, addresses = await stubs(stack, 2)
        settings = {"max_in_flight_per_worker": 2}
        served = await stack.enter_async_context(gateway(*addresses, settings=settings))
        for each in both:
            each.may_answer.clear()
        held = [asyncio.create_task(served.post()) for _ in range(4)]
        await until(lambda: [each.waiting for each in both] == [2, 2])
        response, body = await served.post()
        assert (response.status, json.loads(body)["error"]["code"]) == (429, "overloaded")
        assert response.headers["Retry-After"]
        for each in both:
            each.may_answer.set()
        statuses = Counter([response.status for response, _ in await asyncio.gather(*held)])
        assert statuses == {200: 4}
        response, _ = await served.post()
        assert response.status == 200


async def test_a_model_without_workers_says_why() -> None:
    async with gateway(not_ready="ScaledToZero") as served:
        response, body = await served.post()
        assert (response.status, json.loads(body)["error"]["code"]) == (503, "model_not_ready")
        assert "ScaledToZero" in json.loads(body)["error"]["message"]
        assert response.headers["Retry-After"] == "5"
        (outcome,) = served.observed[0].ends
        assert (outcome.status, outcome.reason) == (503, "model_not_ready")
