"""The plainest client that keeps an API server busy: prepared requests over kept connections."""

from __future__ import annotations

import asyncio
import base64
import ssl
import sys
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import aiohttp
import yaml

from tests.cluster.processes import ProcessError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

REQUEST_SECONDS = 60.0

Results = TypeVar("Results")


class Request(NamedTuple):
    """One request, ready to be sent."""

    method: str
    path: str
    content_type: str
    body: str


class BenchError(Exception):
    """Something did not answer as it must for the figures to mean anything."""


class NoAnswerError(BenchError):
    """The server did not answer a request in time, or the connection failed."""


def innermost(error: BaseException) -> BaseException:
    """Give the first error in groups of errors, however deep they are; another error is given as it is."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def reported(measure: Callable[[], Results]) -> Results | None:
    """Measure; print the error, and give None, when a program or a server failed.

    Parameters
    ----------
    measure
        Gives the results. Errors other than :class:`BenchError` and ``ProcessError``, alone or in groups, are
        defects of the benchmark, and raised.
    """
    results = None
    try:
        results = measure()
    except* (BenchError, ProcessError) as group:
        print(f"error: {innermost(group)}", file=sys.stderr)
    return results


class Client:
    """Sends requests.

    Parameters
    ----------
    session
        An open session for the server.
    server
        Its URL.
    """

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self.session = session
        self.server = server

    async def send(self, request: Request) -> bytes:
        """Send one request and give the answer.

        Raises
        ------
        NoAnswerError
            When there is no answer, or the server says that it took too long (504).
        BenchError
            When the answer is not 2xx.
        """
        try:
            async with self.session.request(
                request.method,
                self.server + request.path,
                data=request.body.encode(),
                headers={"Content-Type": request.content_type},
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NoAnswerError(f"{request.method} {request.path}: {error!r}") from error
        if response.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        kind = NoAnswerError if response.status == HTTPStatus.GATEWAY_TIMEOUT else BenchError
        raise kind(f"{request.method} {request.path}: {response.status} {answer[:300]!r}")

    async def send_all(self, requests: Iterable[Request], concurrency: int) -> None:
        """Send requests, so many at a time."""
        left = iter(requests)

        async def work() -> None:
            for request in left:
                await self.send(request)

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())


@asynccontextmanager
async def connect(kubeconfig: Path, agent: str = "model-operator-bench") -> AsyncIterator[Client]:
    """Open a session as the user of a kubeconfig that the cluster's helpers have written.

    Parameters
    ----------
    kubeconfig
        Its file.
    agent
        What the audit log names the program.
    """
    config: dict[str, Any] = yaml.safe_load(await asyncio.to_thread(kubeconfig.read_text))
    cluster, token = config["clusters"][0]["cluster"], config["users"][0]["user"]["token"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context(cadata=authority)),
        headers={"Authorization": f"Bearer {token}", "User-Agent": agent},
        timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
    ) as session:
        yield Client(session, cluster["server"])
