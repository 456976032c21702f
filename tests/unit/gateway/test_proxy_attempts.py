"""A request is sent again only where nothing was executed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from model_operator.core.gateway.balancing import Address
from model_operator.gateway import upstream
from model_operator.gateway.calls import RetryCause
from tests.unit.gateway.proxies import Gateway, answer_of, gateway, raw_worker, read_raw, until


def closed_address() -> Address:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return Address(*one.getsockname())


def code(body: bytes) -> str:
    return str(json.loads(body)["error"]["code"])


class Counting:
    """A worker that counts the requests it has read completely, and then does what it is made for."""

    def __init__(self, *actions: Callable[[asyncio.StreamWriter], object]) -> None:
        self.actions = list(actions)
        self.executed = 0
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            await read_raw(reader)
            self.executed += 1
            action = self.actions.pop(0) if self.actions else answers
            action(writer)
            await writer.drain()
            if writer.is_closing():
                return


def answers(writer: asyncio.StreamWriter) -> None:
    writer.write(answer_of(b"{}"))


def closes(writer: asyncio.StreamWriter) -> None:
    writer.close()


def resets(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def sends(data: bytes) -> Callable[[asyncio.StreamWriter], None]:
    def action(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    return action


async def ready(of: Gateway) -> None:
    """Leave an idle connection to the worker."""
    response, _ = await of.post()
    assert response.status == 200
    assert of.proxy._upstream._pooled.connector._conns  # type: ignore[union-attr]


async def test_another_worker_answers_for_one_that_cannot_be_reached() -> None:
    counting = Counting()
    async with raw_worker(counting.serve) as address, gateway(closed_address(), address) as served:
        for _ in range(8):
            response, _ = await served.post()
            assert response.status == 200
        retries = [each.retries for each in served.observed if each.retries]
        assert retries == [[RetryCause.CONNECT]], "the worker is set aside after the first failure"
        assert served.workers.ejected == 1
    assert counting.executed == 8


async def test_two_other_workers_are_tried_at_most() -> None:
    async with gateway(*(closed_address() for _ in range(5))) as served:
        response, body = await served.post()
        assert (response.status, code(body)) == (502, "worker_unreachable")
        assert served.observed[0].retries == [RetryCause.CONNECT] * 2
        assert served.observed[0].ends[0].status == 502
        assert not served.workers.in_flight


async def test_the_last_worker_is_tried_though_it_failed() -> None:
    async with gateway(closed_address()) as served:
        for _ in range(3):
            response, body = await served.post()
            assert (response.status, code(body)) == (502, "worker_unreachable")
        counting = Counting()
        async with raw_worker(counting.serve) as address:
            served.workers.update([address])
            response, _ = await served.post()
            assert response.status == 200


async def test_a_gateway_without_descriptors_blames_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def create(_: Any, request: Any, *__: Any) -> Any:
        raise aiohttp.ClientConnectorError(
            request.connection_key, OSError(errno.EMFILE, "too many open files")
        )

    counting = Counting()
    async with raw_worker(counting.serve) as one, gateway(one, Address("10.0.0.1", 1)) as served:
        with monkeypatch.context() as patched:
            # Of the connections, not those of the test's client.
            patched.setattr(upstream._Connector, "_create_connection", create)
            response, body = await served.post()
        assert (response.status, code(body)) == (503, "gateway_busy")
        assert not served.workers.ejected
        assert not served.observed[0].retries


def test_an_address_may_be_of_either_family() -> None:
    assert str(upstream._url("10.0.0.1", 8000, "/v1/embeddings")) == "http://10.0.0.1:8000/v1/embeddings"
    assert upstream._url("fd00::1", 8000, "predict?a=%2F").raw_path_qs == "/predict?a=%2F"
    assert upstream._url("fd00::1", 8000, "predict").host == "fd00::1"


async def test_a_worker_that_does_not_accept_is_left_for_another() -> None:
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(2):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        blocked, counting = Address(*full.getsockname()), Counting()
        async with (
            raw_worker(counting.serve) as address,
            gateway(blocked, address, settings={"connect_timeout": 0.2}) as served,
        ):
            for _ in range(2):
                response, _ = await served.post()
                assert response.status == 200
    assert counting.executed == 2


@pytest.mark.parametrize(
    "action", [closes, resets, sends(b"HTTP/1.1 2"), sends(b"HTTP/1.1 200 OK\r\nA: b\r\n")]
)
async def test_a_worker_that_dies_before_the_headers_is_not_repeated(
    action: Callable[[asyncio.StreamWriter], None],
) -> None:
    dying, other = Counting(action), Counting(action)
    async with raw_worker(dying.serve) as one, raw_worker(other.serve) as two, gateway(one, two) as served:
        response, body = await served.post()
        assert (response.status, code(body)) == (502, "worker_failed")
        assert served.observed[0].retries == []
        await served.wait_until_idle()
    assert dying.executed + other.executed == 1


@pytest.mark.parametrize("action", [closes, resets])
async def test_an_idle_connection_that_ends_in_reuse_is_replaced_once(
    action: Callable[[asyncio.StreamWriter], None],
) -> None:
    stale = Counting(answers, action)
    async with raw_worker(stale.serve) as address, gateway(address) as served:
        await ready(served)
        response, _ = await served.post()
        assert response.status == 200
        assert served.observed[1].retries == [RetryCause.STALE_CONNECTION]
    assert stale.connections == 2


async def test_the_replacement_is_not_replaced() -> None:
    stale = Counting(answers, closes, closes)
    async with raw_worker(stale.serve) as address, gateway(address) as served:
        await ready(served)
        response, body = await served.post()
        assert (response.status, code(body)) == (502, "worker_failed")
    assert stale.connections == 2


async def test_another_worker_answers_when_the_replacement_cannot_connect() -> None:
    """The worker stops: it listens no more, then its idle connections end."""
    waiting: list[asyncio.StreamWriter] = []
    other = Counting()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_raw(reader)
        answers(writer)
        await read_raw(reader)
        waiting.append(writer)
        server.close()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with (
        raw_worker(other.serve) as second,
        gateway(Address(*server.sockets[0].getsockname())) as served,
    ):
        await ready(served)
        served.workers.update([*(each.address for each in served.workers._present), second])
        statuses = [(await served.post())[0].status for _ in range(2)]
        assert statuses == [200, 200]
        assert [RetryCause.STALE_CONNECTION, RetryCause.CONNECT] in [each.retries for each in served.observed]
    assert len(waiting) == 1
    assert other.executed == 2


@pytest.mark.parametrize(
    "data", [b"H", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nA: b\r\n"]
)
async def test_a_byte_of_a_response_ends_the_right_to_repeat(data: bytes) -> None:
    partial = Counting(answers, sends(data))
    async with raw_worker(partial.serve) as address, gateway(address) as served:
        await ready(served)
        response, body = await served.post()
        assert (response.status, code(body)) == (502, "worker_failed")
    assert partial.executed == 2


async def test_a_reused_connection_that_ends_late_was_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "_STALE_SECONDS", 0.0)
    late = Counting(answers, closes)
    async with raw_worker(late.serve) as address, gateway(address) as served:
        await ready(served)
        response, body = await served.post()
        assert (response.status, code(body)) == (502, "worker_failed")
    assert late.executed == 2


@pytest.mark.parametrize("status", ["400 No", "500 No", "502 No", "503 No"])
async def test_a_status_is_never_repeated(status: str) -> None:
    refusing = Counting(answers, lambda writer: writer.write(answer_of(b"no", status=status)))
    async with raw_worker(refusing.serve) as address, gateway(address) as served:
        await ready(served)
        response, body = await served.post()
        assert (str(response.status), body) == (status[:3], b"no")
    assert refusing.executed == 2


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"]
)
async def test_what_is_no_http_is_a_failure_of_the_worker(data: bytes) -> None:
    odd = Counting(sends(data))
    async with raw_worker(odd.serve) as address, gateway(address) as served:
        response, body = await served.post()
        assert (response.status, code(body)) == (502, "worker_failed")
        await served.wait_until_idle()
    assert odd.executed == 1


@pytest.mark.parametrize("keep", [0.045, 0.05, 0.055])
async def test_servers_that_close_idle_connections_cause_no_failure(keep: float) -> None:
    """The gateway keeps a connection as long as the server, or a little shorter or longer."""
    executed = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal executed
        idle: float | None = None
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(idle):
                    await read_raw(reader)
                executed += 1
                answers(writer)
                idle = 0.05

    settings = {"idle_connection_seconds": keep}
    async with raw_worker(serve) as address, gateway(address, settings=settings) as served:

        async def client(number: int) -> list[int]:
            statuses = []
            for turn in range(15):
                response, _ = await served.post()
                statuses.append(response.status)
                await asyncio.sleep(0.045 + 0.01 * ((number + turn) % 8) / 8)
            return statuses

        statuses = [status for each in await asyncio.gather(*map(client, range(16))) for status in each]
        assert Counter(statuses) == {200: 240}
    assert executed == 240


async def test_an_idle_connection_is_kept_for_as_long_as_the_setting() -> None:
    counting = Counting()
    async with (
        raw_worker(counting.serve) as address,
        gateway(address, settings={"idle_connection_seconds": 0.01}) as served,
    ):
        await served.post()
        await until(lambda: not served.proxy._upstream._pooled.connector._conns)  # type: ignore[union-attr]
        await served.post()
    assert counting.connections == 2


async def test_the_bytes_of_a_second_response_reach_no_other_request() -> None:
    """A worker that answers one request twice."""
    double = Counting(lambda writer: writer.write(answer_of(b"first") + answer_of(b"of another")))
    async with raw_worker(double.serve) as address, gateway(address) as served:
        _, body = await served.post()
        assert body == b"first"
        _, body = await served.post()
        assert body == b"{}"


async def test_a_second_response_that_comes_late_reaches_no_other_request() -> None:
    writers: list[asyncio.StreamWriter] = []

    def answers_and_stays(writer: asyncio.StreamWriter) -> None:
        answers(writer)
        writers.append(writer)

    double = Counting(answers_and_stays)
    async with raw_worker(double.serve) as address, gateway(address) as served:
        await ready(served)
        writers[0].write(answer_of(b"of another"))
        connector = served.proxy._upstream._pooled.connector
        await until(lambda: any(each.should_close for pool in connector._conns.values() for each, _ in pool))  # type: ignore[union-attr]
        _, body = await served.post()
        assert body == b"{}"
    assert double.connections == 2


async def test_a_worker_that_answers_before_it_has_the_body() -> None:
    """Its response passes; the connection, on which half a request is, is not reused."""
    ended: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer_of(b"too large", status="413 Too Large"))
        ended.append(len(await reader.read()))

    data = b'{"model":"m","x":"' + b"x" * 5 * 2**20 + b'"}'
    async with raw_worker(serve) as address, gateway(address) as served:
        for _ in range(2):
            response, body = await served.post(data=data)
            assert (response.status, body) == (413, b"too large")
        await until(lambda: len(ended) == 2)
        assert max(ended) < len(data)
        await served.wait_until_idle()


async def test_a_connection_whose_response_was_not_read_is_not_reused() -> None:
    half = Counting(lambda writer: writer.write(answer_of(b"x" * 1000)[:-500]))
    async with raw_worker(half.serve) as address, gateway(address) as served:
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(0.1):
                await served.post()
        await served.wait_until_idle()
        _, body = await served.post()
        assert body == b"{}"
    assert half.connections == 2
