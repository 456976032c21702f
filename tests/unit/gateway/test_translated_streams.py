"""A stream through the proxy with a translation of the product, whose worker reports an error."""

from __future__ import annotations

import asyncio

from aiohttp import web

from model_operator.api.enums import EndpointProtocol
from model_operator.core.gateway.apis import Treatment
from model_operator.core.gateway.failures import FailureReason
from tests.cluster.waiting import patience
from tests.unit.gateway.proxies import gateway, worker

REQUEST = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"a"}]}'
EVENTS = b'data: {"message": {"role": "assistant", "content": "Well"}}\n\nevent: error\ndata: {}\n\n'


async def test_a_stream_ends_with_the_error_of_its_worker_whose_connection_stays_open() -> None:
    is_over = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(EVENTS)
        await is_over.wait()
        return response

    async with (
        worker(answer) as address,
        gateway(address, protocol=EndpointProtocol.SGP, treatment=Treatment.TRANSLATE) as served,
    ):
        try:
            async with asyncio.timeout(20 * patience()):
                response, body = await served.post(data=REQUEST)
        finally:
            is_over.set()
        events = body.decode().split("\n\n")
        assert response.status == 200
        assert '"content":"Well"' in events[1]
        assert events[2].startswith('data: {"error":')
        assert FailureReason.WORKER_FAILED in events[2]
        assert events[3:] == [""]
        await served.wait_until_idle()
