"""Holding the Lease: replicas in virtual time, with wrong clocks, on an API server that fails them."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import datetime
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from model_operator.controller.leadership.lease import Lease, steady_time, unique_name
from model_operator.core.leader_election import Timing
from model_operator.kube.client import ApiClient, Object
from model_operator.kube.errors import ApiUnavailableError, LeadershipLostError, error_for
from model_operator.kube.resources import ResourceKind
from tests.unit.controller.virtual_clock import run

TIMING = Timing(duration=15, renew_deadline=10, retry_period=2)


def now() -> float:
    return asyncio.get_running_loop().time()


class Server:
    """Keeps the Lease, and wakes those who wait for it to change."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.version = 0
        self.changed = asyncio.Condition()

    @property
    def holder(self) -> str:
        return str(self.lease["spec"]["holderIdentity"]) if self.lease else ""

    async def store(self, obj: Object | None) -> Object:
        self.version += 1
        self.lease = copy.deepcopy(obj)
        if self.lease is not None:
            self.lease["metadata"]["resourceVersion"] = str(self.version)
        async with self.changed:
            self.changed.notify_all()
        return copy.deepcopy(self.lease or {})


class Line:
    """One replica's way to the server; the part of an `ApiClient` that a Lease takes.

    Attributes
    ----------
    down
        Whether nothing comes back: requests are never answered.
    delay
        How long a request takes to get there.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.down = False
        self.broken = False
        self.delay: Callable[[], float] = lambda: 0.01
        self.requests = 0

    async def _travel(self) -> None:
        self.requests += 1
        if self.broken:
            raise ApiUnavailableError(0, {"message": "connection refused"}, "request")
        await asyncio.sleep(self.delay())
        if self.down:
            await asyncio.Event().wait()

    async def get(self, _kind: ResourceKind, _namespace: str, _name: str) -> Object:
        await self._travel()
        if self._server.lease is None:
            raise error_for(404, {}, "GET")
        return copy.deepcopy(self._server.lease)

    async def create(self, _kind: ResourceKind, obj: Any) -> Object:
        await self._travel()
        if self._server.lease is not None:
            raise error_for(409, {}, "POST")
        return await self._server.store(obj)

    async def replace(self, _kind: ResourceKind, obj: Any) -> Object:
        await self._travel()
        if self._server.lease is None:
            raise error_for(404, {}, "PUT")
        if obj["metadata"]["resourceVersion"] != self._server.lease["metadata"]["resourceVersion"]:
            raise error_for(409, {}, "PUT")
        return await self._server.store(obj)

    async def next_change(
        self, _kind: ResourceKind, _namespace: str, _name: str, resource_version: str
    ) -> None:
        await self._travel()
        async with self._server.changed:
            while str(self._server.version) == resource_version:
                await self._server.changed.wait()


class Replica:
    """A replica that leads when it can; `writes` are the times at which it may have written."""

    def __init__(self, server: Server, name: str, *, wrong_by: float = 0, timing: Timing = TIMING) -> None:
        self.name = name
        self.line = Line(server)
        self.lease = Lease(
            cast("ApiClient", self.line),
            "system",
            "model-operator",
            timing,
            identity=name,
            clock=now,
            wall_clock=lambda: datetime.datetime.fromtimestamp(1e9 + now() + wrong_by, datetime.UTC),
        )
        self.led_at: float | None = None
        self.lost_at: float | None = None

    async def run(self) -> None:
        await self.lease.acquire()
        self.led_at = now()
        try:
            await self.lease.keep()
        except LeadershipLostError:
            self.lost_at = now()

    @property
    def may_write(self) -> bool:
        try:
            return self.lease.permit() > 0
        except LeadershipLostError:
            return False


@contextlib.asynccontextmanager
async def running(*replicas: Replica) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(replica.run()) for replica in replicas]
    with capture_logs():
        yield tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(check: Callable[[], Any], within: float) -> float:
    """Wait until something is so, and return how long that took."""
    begin = now()
    while not check():
        await asyncio.sleep(0.01)
        assert now() - begin <= within, "too late"
    return now() - begin


@contextlib.asynccontextmanager
async def leader_and_waiting(
    server: Server, *, wrong_by: float = 0
) -> AsyncIterator[tuple[Replica, Replica, asyncio.Task[None]]]:
    """Give a replica that leads, one that waits for it to end, and the task of the first."""
    first, second = Replica(server, "first", wrong_by=wrong_by), Replica(server, "second")
    async with running(first) as (task,):
        await until(lambda: first.may_write, within=1)
        async with running(second):
            yield first, second, task


def test_one_leads_and_stays_the_leader() -> None:
    async def main() -> None:
        server = Server()
        first, second = Replica(server, "first"), Replica(server, "second")
        async with running(first, second):
            await until(lambda: first.may_write or second.may_write, within=1)
            leader, other = (first, second) if first.may_write else (second, first)
            for _ in range(1000):
                await asyncio.sleep(0.5)
                assert leader.may_write
                assert not other.may_write

    run(main())


def test_released_it_is_taken_over_at_once() -> None:
    async def main() -> None:
        async with leader_and_waiting(Server()) as (first, second, _):
            await asyncio.sleep(7)
            await first.lease.release()
            assert not first.may_write
            assert await until(lambda: second.may_write, within=1) < 0.2

    run(main())


@pytest.mark.parametrize("wrong_by", [0.0, -1e6, 1e6])
def test_killed_it_is_taken_over_within_the_duration_whatever_the_clocks_say(wrong_by: float) -> None:
    async def main() -> None:
        async with leader_and_waiting(Server(), wrong_by=wrong_by) as (_, second, task):
            await asyncio.sleep(31)
            task.cancel()
            assert 10 < await until(lambda: second.may_write, within=16) <= 15.1

    run(main())


@pytest.mark.parametrize("how", ["down", "broken"])
def test_cut_off_the_leader_ends_before_another_begins(how: str) -> None:
    async def main() -> None:
        async with leader_and_waiting(Server()) as (first, second, task):
            await asyncio.sleep(31)
            setattr(first.line, how, True)
            cut = now()
            await until(task.done, within=11)
            assert first.lost_at is not None
            assert 7.9 < first.lost_at - cut <= 10
            assert not second.may_write
            await until(lambda: second.may_write, within=8)

    run(main())


def test_a_short_interruption_costs_nothing() -> None:
    async def main() -> None:
        server = Server()
        first = Replica(server, "first")
        async with running(first):
            await until(lambda: first.may_write, within=1)
            first.line.down = True
            await asyncio.sleep(4.5)
            first.line.down = False
            for _ in range(100):
                await asyncio.sleep(0.5)
                assert first.may_write

    run(main())


def test_a_leader_that_sees_another_holder_ends_at_once() -> None:
    async def main() -> None:
        server = Server()
        first = Replica(server, "first")
        async with running(first) as (task,):
            await until(lambda: first.may_write, within=1)
            assert server.lease is not None
            server.lease["spec"]["holderIdentity"] = "somebody"
            await server.store(server.lease)
            await until(task.done, within=2.5)
            assert first.lost_at is not None
            assert not first.may_write
            assert server.holder == "somebody"

    run(main())


def test_a_lease_that_somebody_edits_or_deletes_is_kept() -> None:
    async def main() -> None:
        server = Server()
        async with leader_and_waiting(server) as (first, second, _):
            await asyncio.sleep(5)
            assert server.lease is not None
            server.lease["metadata"]["annotations"] = {"by": "somebody"}
            await server.store(server.lease)
            await asyncio.sleep(5)
            assert server.lease["metadata"]["annotations"] == {"by": "somebody"}
            await server.store(None)
            for _ in range(100):
                await asyncio.sleep(0.5)
                assert first.may_write
                assert not second.may_write
            assert server.holder == "first"

    run(main())


def test_trouble_is_told_once() -> None:
    async def main() -> list[Any]:
        replica = Replica(Server(), "first")
        replica.line.broken = True
        with capture_logs() as logs:
            task = asyncio.create_task(replica.run())
            await asyncio.sleep(60)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert replica.line.requests > 10
        return [entry["event"] for entry in logs]

    assert run(main()) == ["cannot read or write the lease"]


def test_waiting_asks_seldom() -> None:
    async def main() -> float:
        async with leader_and_waiting(Server()) as (_, second, _):
            before = second.line.requests
            await asyncio.sleep(100)
            return (second.line.requests - before) / 100

    assert run(main()) <= 1.1, "a look and a wait for each renewal"


@pytest.mark.parametrize("seed", range(12))
def test_never_may_two_write_at_once(seed: int) -> None:
    """Lines that fail, stall and slow down at random; replicas that end come back under another name."""
    chance = random.Random(seed)
    timing = Timing(duration=5, renew_deadline=3, retry_period=0.5)

    async def main() -> tuple[int, int]:
        server = Server()
        wrong = [chance.uniform(-1e6, 1e6) for _ in range(3)]
        replicas = [
            Replica(server, f"{number}.0", wrong_by=wrong[number], timing=timing) for number in range(3)
        ]
        tasks = [asyncio.create_task(replica.run()) for replica in replicas]
        leaders: set[str] = set()
        moments_led = 0
        with capture_logs():
            for moment in range(6000):
                await asyncio.sleep(0.05)
                writing = [replica.name for replica in replicas if replica.may_write]
                assert len(writing) <= 1, f"seed {seed}, moment {moment}: {writing}"
                leaders.update(writing)
                moments_led += len(writing)
                for number in range(3):
                    line = replicas[number].line
                    if chance.random() < 0.01:
                        line.down, line.broken = chance.random() < 0.3, chance.random() < 0.3
                        slow = chance.choice([0.01, 0.2, 1.4])
                        line.delay = lambda slow=slow: chance.uniform(0, slow)  # type: ignore[misc]
                    if tasks[number].done() or chance.random() < 0.001:
                        tasks[number].cancel()
                        name = f"{number}.{moment}"
                        replicas[number] = Replica(server, name, wrong_by=wrong[number], timing=timing)
                        tasks[number] = asyncio.create_task(replicas[number].run())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return len(leaders), moments_led

    leaders, moments_led = run(main())

    assert leaders > 3, "leadership has changed hands"
    assert moments_led > 1500, "there was a leader for much of the time"


def test_names_are_unique_and_the_clock_never_goes_back() -> None:
    assert unique_name() != unique_name()
    assert steady_time() <= steady_time()
