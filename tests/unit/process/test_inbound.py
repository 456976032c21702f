"""What is logged of a port, and how it accepts when there is nothing to accept with."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from typing import Any

from aiohttp.http_exceptions import BadHttpMessage

from model_operator.process.connection_slots import Bounds, Phase, Slots
from model_operator.process.inbound import RateLimitFilter, _Acceptor, _Guarded
from model_operator.process.sockets import bind

LOOPBACK = "127.0.0.1"


def _record(error: Exception) -> logging.LogRecord:
    try:
        raise error
    except type(error):
        return logging.LogRecord("port", logging.ERROR, __file__, 1, "Error", None, sys.exc_info())


def test_malformed_requests_are_not_logged_and_defects_once_a_minute() -> None:
    now = 100.0
    seldom = RateLimitFilter(lambda: now)
    assert not seldom.filter(_record(BadHttpMessage("too many headers")))
    assert seldom.filter(_record(LookupError("a defect")))
    now += 59
    assert not seldom.filter(_record(LookupError("a defect")))
    now += 1
    assert seldom.filter(_record(LookupError("a defect")))


class Exhausted:
    """A listening socket of a process that has no file descriptor left."""

    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound
        self.tries = 0

    def accept(self) -> Any:
        self.tries += 1
        raise OSError(errno.EMFILE, "Too many open files")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bound, name)


async def test_without_file_descriptors_it_does_not_spin() -> None:
    bound: Any = Exhausted(bind(LOOPBACK, 0))
    bound.listen()
    acceptor = _Acceptor(asyncio.get_running_loop(), bound, lambda *_: True, lambda: True)
    acceptor.resume()
    _, writer = await asyncio.open_connection(LOOPBACK, bound.getsockname()[1])
    for _ in range(50):
        await asyncio.sleep(0.001)
    writer.close()
    acceptor.close()
    assert bound.tries == 1


async def test_more_are_not_accepted_while_many_are_about_to_close() -> None:
    accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
    may_accept = False

    def take(peer: socket.socket, _: str) -> bool:
        accepted.put_nowait(peer)
        return True

    bound = bind(LOOPBACK, 0)
    bound.listen()
    acceptor = _Acceptor(asyncio.get_running_loop(), bound, take, lambda: may_accept)
    acceptor.resume()
    _, writer = await asyncio.open_connection(LOOPBACK, bound.getsockname()[1])
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert accepted.empty()
    may_accept = True
    (await asyncio.wait_for(accepted.get(), 10)).close()
    writer.close()
    acceptor.close()


async def test_a_request_that_ends_after_its_connection_sets_no_deadline() -> None:
    bounds = Bounds(
        connections=2,
        per_address=2,
        handshakes=2,
        head_seconds=5,
        busy_seconds=5,
        idle_seconds=60,
        request_bytes=1,
    )
    slots = Slots(bounds, lambda _: None)
    slot = slots.take(LOOPBACK, Phase.WAITING)
    assert slot is not None
    inner: Any = asyncio.Protocol()
    connection = _Guarded(asyncio.get_running_loop(), slots, slot, inner, {}, lambda _: None)
    connection.begin()
    connection.connection_lost(None)
    connection.end(is_proven=True)
    assert connection._timer.cancelled()
