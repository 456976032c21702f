"""Random lives: workers come, leave, flap, cut and stall; clients leave. What holds at the end of each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass, field

import pytest

from model_operator.core.gateway.balancing import Address
from tests.cluster.waiting import patience
from tests.unit.gateway.proxies import CHAT, Gateway, gateway, read_raw

CLIENTS, REQUESTS = 20, 10


@dataclass
class Wild:
    """A worker on an address that it keeps, which listens or does not."""

    chance: random.Random
    executed: list[str] = field(default_factory=list)
    server: asyncio.Server | None = None
    port: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        if self.server is None:
            # A connection of another process may have taken the port meanwhile.
            with contextlib.suppress(OSError):
                self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
                self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self, *, cuts: bool) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None
        if cuts:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while not writer.is_closing():
                    _, body = await read_raw(reader)
                    self.executed.append(json.loads(body)["id"])
                    await self._answer(writer, body)
        finally:
            self.tasks.discard(task)
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        name = json.loads(body)["id"].encode()
        kind = self.chance.choice(
            ["whole", "whole", "stream", "stream", "late", "cut", "die", "stall", "twice"]
        )
        if kind == "die":
            writer.close()
            return
        if kind == "late":
            await asyncio.sleep(0.02)
        if kind in {"whole", "late", "twice"}:
            whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name) + 2, b"<%s>" % name)
            writer.write(whole * (2 if kind == "twice" else 1))
        else:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            for _ in range(self.chance.randrange(4)):
                writer.write(b"%x\r\n%s\r\n" % (len(name) + 2, b"<%s>" % name))
                await asyncio.sleep(0.002)
            if kind == "cut":
                writer.close()
                return
            if kind == "stall":
                await asyncio.sleep(60)
            writer.write(b"0\r\n\r\n")
        await writer.drain()


async def one_request(served: Gateway, name: str, chance: random.Random) -> str:
    """Send one request, leave at any time, and check that what came is its own."""
    body = json.dumps({"model": "m", "id": name}).encode()
    reader, writer = await asyncio.open_connection(*served.address)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    got = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        # Some leave before anything can be there, and all that stall leave.
        async with asyncio.timeout(chance.choice([0.0, 0.003, 0.02, 0.3, 0.3]) * patience()):
            got = await reader.read()
    if chance.random() < 0.5:
        writer.transport.abort()
    writer.close()
    named = {part.split(b">")[0] for part in got.partition(b"\r\n\r\n")[2].split(b"<")[1:]}
    assert named <= {name.encode()}, (name, got)
    return got.split(b" ", 2)[1].decode() if got else "left"


async def change(wild: list[Wild], served: Gateway, chance: random.Random, end: asyncio.Event) -> None:
    """Change which workers there are, and which of them are listed."""
    while not end.is_set():
        each = chance.choice(wild)
        if chance.random() < 0.4:
            await each.stop(cuts=chance.random() < 0.5)
        else:
            await each.start()
        listed = [each for each in wild if each.server is not None or chance.random() < 0.3]
        served.workers.update(
            Address("127.0.0.1", each.port, chance.choice(["", "", "again"])) for each in listed if each.port
        )
        await asyncio.sleep(chance.random() * 0.03)


@pytest.mark.parametrize("seed", range(3))
async def test_what_holds_after_any_lives(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    wild = [Wild(random.Random(f"{seed}-{number}")) for number in range(4)]
    settings = {"idle_connection_seconds": 0.05, "max_in_flight_per_worker": 8}
    async with gateway(settings=settings) as served:
        for each in wild:
            await each.start()
        end = asyncio.Event()
        changing = asyncio.create_task(change(wild, served, chance, end))

        async def client(number: int) -> list[str]:
            own = random.Random(f"{seed}-client-{number}")
            return [await one_request(served, f"{number}-{turn}", own) for turn in range(REQUESTS)]

        results = [each for of in await asyncio.gather(*map(client, range(CLIENTS))) for each in of]
        end.set()
        await changing
        await served.wait_until_idle()

        executed = [name for each in wild for name in each.executed]
        stale = sum(retry == "stale_connection" for each in served.observed for retry in each.retries)
        # A worker that dies on a reused connection cannot be told from one that closed it for idleness.
        assert len(executed) <= len(set(executed)) + stale
        assert len(executed) <= len(served.observed) + stale
        assert all(len(each.ends) == 1 for each in served.observed)
        assert "200" in results
        assert not caplog.records
        upstream = served.proxy._upstream
        await asyncio.gather(*(each.stop(cuts=True) for each in wild))
        await served.wait_until_idle()
        assert not upstream._single.connector._conns  # type: ignore[union-attr]
