"""Shows how many admission reviews an operator answers in a second, and how long each takes.

``make bench-webhook`` runs it, with a control plane and an operator process of its own. The clients keep
their connections and send reviews that were written beforehand, one after the other, so that on two cores
most of the work is the operator's. The aims are for what the operator answers alone: before it denies an
instance it reads the template again, and waits for an API server that runs on the same two cores.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.control_plane import ControlPlane
from tests.cluster.interrupts import stop_on_signals
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.webhooks import LOOPBACK, TOKEN, webhook_environment, write_certificate
from tests.examples.admission.cases import load, templates
from tests.examples.reviews import review, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 8
COUNT = 4000
SECONDS = 10.0
WARM_UP = 200
REVIEWS_PER_SECOND = 1000
P99_MS = 10.0


class Client(asyncio.Protocol):
    """One connection that sends the same request as soon as the answer to the last is there."""

    def __init__(self, request: bytes, allowed: bool, deadline: float, count: int) -> None:
        self._request = request
        self._expected = b'"allowed":true' if allowed else b'"allowed":false'
        self._deadline = deadline
        self._left = count
        self._received = b""
        self._sent = 0.0
        self.durations: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take in an answer, or a part of one."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return
        now = time.perf_counter()
        self.durations.append(now - self._sent)
        if not head.startswith(b"HTTP/1.1 200 ") or self._expected not in body.replace(b" ", b""):
            self._end(AssertionError(f"unexpected answer: {self._received[:1000]!r}"))
        elif self._left == 0 or now > self._deadline:
            self._end()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail, unless it is done."""
        self._end(exc or ConnectionError("the server has ended the connection"))

    def _send(self) -> None:
        self._received = b""
        self._left -= 1
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def _end(self, error: Exception | None = None) -> None:
        if not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)
            self._transport.close()


async def measure(
    port: int, context: ssl.SSLContext, request: bytes, allowed: bool, count: int
) -> list[float]:
    """Send `count` requests over all connections; give the durations in seconds, that of the whole last."""
    loop = asyncio.get_running_loop()
    deadline = time.perf_counter() + SECONDS
    clients: list[Client] = []

    def client() -> Client:
        clients.append(Client(request, allowed, deadline, count // CLIENTS - 1))
        return clients[-1]

    begin = time.perf_counter()
    for _ in range(CLIENTS):
        await loop.create_connection(client, LOOPBACK, port, ssl=context)
    await asyncio.gather(*(each.done for each in clients))
    whole = time.perf_counter() - begin
    return [*(duration for each in clients for duration in each.durations), whole]


def requests() -> Iterator[tuple[str, bytes, bool]]:
    """Yield what is measured: a name, the request, and whether it is let in."""
    valid = {str(case): stored(case.object, "default") for case in load("valid")}
    invalid = {str(case): stored(case.object, "default") for case in load("invalid")}
    few, all_ = valid["parameters-few"], valid["parameters-all"]
    edited = all_ | {"spec": all_["spec"] | {"description": "new"}}
    yield "instance, 1 parameter", _request("/validate-modelinstance", review(few)), True
    yield "instance, 12 parameters", _request("/validate-modelinstance", review(edited, all_)), True
    yield "instance, denied", _request("/validate-modelinstance", review(invalid["several-faults"])), False
    yield "instance, creator", _request("/mutate-modelinstance", review(few)), True
    schema = valid["schema-in-full"]
    yield "template", _request("/validate-modeltemplate", review(schema)), True


def _request(path: str, asked: dict[str, Any]) -> bytes:
    body = json.dumps(asked).encode()
    head = f"POST /{TOKEN}{path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def measure_all() -> list[dict[str, Any]]:
    """Start what it takes and measure everything.

    Returns
    -------
    list
        For each kind of review ``name``, ``count``, ``per_second``, ``p50_ms``, ``p99_ms``, and whether the
        aims are for it: ``is_judged``.
    """
    with tempfile.TemporaryDirectory(prefix="model-operator-bench-") as name, ControlPlane.start() as cluster:
        folder = Path(name)
        api = KubeApi(cluster.kubeconfig)
        for obj in templates():
            api.create(obj)
        api.close()
        authority = write_certificate(folder)
        context = ssl.create_default_context(cadata=authority.decode())
        (port,) = free_ports(1)
        log, environment = folder / "operator.log", webhook_environment(port, folder)
        with OperatorProcess.start(cluster.operator_kubeconfig(), log=log, environment=environment):
            return [_row(port, context, *each) for each in requests()]


def _row(port: int, context: ssl.SSLContext, name: str, request: bytes, allowed: bool) -> dict[str, Any]:
    asyncio.run(measure(port, context, request, allowed, WARM_UP))
    *durations, whole = asyncio.run(measure(port, context, request, allowed, COUNT))
    durations.sort()
    p50, p99 = (durations[int(len(durations) * share)] * 1000 for share in (0.5, 0.99))
    rate = len(durations) / whole
    return {
        "name": name,
        "count": len(durations),
        "per_second": rate,
        "p50_ms": p50,
        "p99_ms": p99,
        "is_judged": allowed,
    }


def main() -> int:
    """Measure and show; give 1 when an aim is missed."""
    stop_on_signals()
    print(f"{CLIENTS} clients; aims: at least {REVIEWS_PER_SECOND} reviews/s, p99 at most {P99_MS:g} ms\n")
    print(f"{'':26}{'reviews':>9}{'reviews/s':>11}{'p50 ms':>9}{'p99 ms':>9}")
    missed = False
    for row in measure_all():
        met = row["per_second"] >= REVIEWS_PER_SECOND and row["p99_ms"] <= P99_MS
        verdict = ("met" if met else "MISSED") if row["is_judged"] else "includes requests to the API server"
        missed = missed or (row["is_judged"] and not met)
        figures = f"{row['count']:9}{row['per_second']:11.0f}{row['p50_ms']:9.1f}{row['p99_ms']:9.1f}"
        print(f"{row['name']:26}{figures}  {verdict}", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
