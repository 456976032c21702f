"""Tests of how a benchmark sends requests, and reports that it failed."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.client import BenchError, Client, NoAnswerError, Request, innermost, reported
from tests.cluster.processes import ProcessError


def failing(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("kind", [BenchError, ProcessError])
def test_a_failure_is_printed_however_deep_it_is(
    kind: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (kind("it ended"), ExceptionGroup("outer", [ExceptionGroup("inner", [kind("it ended")])])):
        assert reported(lambda error=error: failing(error)) is None  # type: ignore[misc]
        assert capsys.readouterr().err == "error: it ended\n"


def test_a_defect_beside_a_failure_is_raised() -> None:
    both = ExceptionGroup("both", [BenchError("it ended"), KeyError("ready")])
    with pytest.raises(ExceptionGroup) as raised:
        reported(lambda: failing(both))
    assert isinstance(innermost(raised.value), KeyError)


def test_results_are_given() -> None:
    assert reported(lambda: 3) == 3


async def test_only_what_was_not_answered_may_be_sent_again() -> None:
    """As when a collection is deleted, which takes the server longer than it lets a request take."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]), text="said")

    application = web.Application()
    application.router.add_get("/{status:[0-9]+}", answer)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        client = Client(session, str(server.make_url("")).rstrip("/"))
        assert await client.send(Request("GET", "/200", "", "")) == b"said"
        with pytest.raises(NoAnswerError, match="504 b'said'"):
            await client.send(Request("GET", "/504", "", ""))
        with pytest.raises(BenchError, match="403 b'said'") as refused:
            await client.send(Request("GET", "/403", "", ""))
        assert not isinstance(refused.value, NoAnswerError)
        await server.close()
        with pytest.raises(NoAnswerError, match="GET /200: "):
            await client.send(Request("GET", "/200", "", ""))
