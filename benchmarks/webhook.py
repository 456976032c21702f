"""Shows how many admission reviews an operator answers in a second, and how long each takes.

``make bench-webhook`` runs it, with a control plane and an operator process of its own. The clients keep
their connections and send reviews that were written beforehand, one after the other, so that on two cores
most of the work is the operator's. No two reviews are the same: each is of another object, with other values
of its parameters, and every fourth template has a parameter schema that no other has. Before the operator
denies an instance it reads the template again, and waits for an API server that runs on the same two cores;
the aims for denials are therefore lower.
"""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.aims import verdicts
from tests.cluster.control_plane import ControlPlane
from tests.cluster.interrupts import stop_on_signals
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.webhooks import LOOPBACK, TOKEN, webhook_environment, write_certificate
from tests.examples.admission.cases import load, templates
from tests.examples.reviews import review, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CLIENTS = 8
COUNT = 4000
SECONDS = 10.0
WARM_UP = 200
OWN_SCHEMA = 4
"""One of so many templates has a parameter schema that no other has: most edits leave it as it is."""


class Client(asyncio.Protocol):
    """One connection that sends the next request as soon as the answer to the last is there."""

    def __init__(self, requests: Iterator[bytes], allowed: bool, deadline: float) -> None:
        self._requests = requests
        self._expected = b'"allowed":true' if allowed else b'"allowed":false'
        self._deadline = deadline
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
        elif now > self._deadline:
            self._end()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail, unless it is done."""
        self._end(exc or ConnectionError("the server has ended the connection"))

    def _send(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._end()
            return
        self._received = b""
        self._sent = time.perf_counter()
        self._transport.write(request)

    def _end(self, error: Exception | None = None) -> None:
        if not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)
            self._transport.close()


async def measure(
    port: int, context: ssl.SSLContext, requests: Iterable[bytes], allowed: bool
) -> list[float]:
    """Send the requests over all connections; give the durations in seconds, that of the whole last."""
    loop = asyncio.get_running_loop()
    deadline = time.perf_counter() + SECONDS
    clients: list[Client] = []
    left = iter(requests)

    def client() -> Client:
        clients.append(Client(left, allowed, deadline))
        return clients[-1]

    begin = time.perf_counter()
    for _ in range(CLIENTS):
        await loop.create_connection(client, LOOPBACK, port, ssl=context)
    await asyncio.gather(*(each.done for each in clients))
    whole = time.perf_counter() - begin
    return [*(duration for each in clients for duration in each.durations), whole]


def kinds() -> Iterator[tuple[str, bool, Callable[[int], bytes]]]:
    """Yield what is measured: a name, whether it is let in, and the request for a number.

    The requests for two numbers are never the same.
    """
    valid = {str(case): case.object for case in load("valid")}
    invalid = {str(case): case.object for case in load("invalid")}
    few, denied = valid["parameters-few"], invalid["several-faults"]
    path = "/validate-modelinstance"

    def all_parameters(number: int) -> bytes:
        old = _numbered(valid["parameters-all"], number)
        new = old | {"spec": old["spec"] | {"model_creation_parameters": _parameters(old, number)}}
        return _request(path, review(new, old))

    def template(number: int) -> bytes:
        return _request("/validate-modeltemplate", review(_template(valid["schema-in-full"], number)))

    yield "instance, 1 parameter", True, lambda number: _request(path, review(_numbered(few, number)))
    yield "instance, 12 parameters", True, all_parameters
    yield "instance, denied", False, lambda number: _request(path, review(_numbered(denied, number)))
    creator = "/mutate-modelinstance"
    yield "instance, creator", True, lambda number: _request(creator, review(_numbered(few, number)))
    yield "template", True, template


def _parameters(obj: dict[str, Any], number: int) -> dict[str, Any]:
    """Give the parameters with other values for each number."""
    given: dict[str, Any] = obj["spec"]["model_creation_parameters"]
    return given | {
        "BATCH_SIZE": 4 + number % 64 * 4,
        "MODEL_NAME": f"team-{number}/minilm",
        "TEMPERATURE": 0.5 + number % 1000 / 1000,
        "PROXY": f"http://proxy-{number}.test:3128",
        "LABELS": [f"a-{number}", "b"],
        "LIMITS": {"tokens": number, "seconds": None},
        "VERSION": f"v{number}",
    }


def _template(obj: dict[str, Any], number: int) -> dict[str, Any]:
    """Give a template with an image, arguments and, for some numbers, a schema of its own."""
    template = copy.deepcopy(_numbered(obj, number))
    spec = template["spec"]
    bundle = spec["vendor_configuration"]["bundle_config"]
    bundle |= {"tag": f"v{number}", "args": [*bundle["args"], f"--seed={number}"]}
    if number % OWN_SCHEMA == 0:
        model = spec["model_creation_parameters_schema"]["properties"]["MODEL"]
        model |= {"description": f"Where number {number} is.", "examples": [f"minilm-{number}"]}
    return template


def _numbered(obj: dict[str, Any], number: int) -> dict[str, Any]:
    own = obj["metadata"]
    return stored(obj | {"metadata": own | {"name": f"{own['name']}-{number}"}}, "default")


def _request(path: str, asked: dict[str, Any]) -> bytes:
    asked["request"]["uid"] = str(uuid.uuid4())
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
            return [_row(port, context, *each) for each in kinds()]


def _row(
    port: int, context: ssl.SSLContext, name: str, allowed: bool, request: Callable[[int], bytes]
) -> dict[str, Any]:
    requests = [request(number) for number in range(1, WARM_UP + COUNT + 1)]
    asyncio.run(measure(port, context, requests[:WARM_UP], allowed))
    *durations, whole = asyncio.run(measure(port, context, requests[WARM_UP:], allowed))
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
    print(f"{CLIENTS} clients\n\n{'':26}{'reviews':>9}{'reviews/s':>11}{'p50 ms':>9}{'p99 ms':>9}")
    rows = measure_all()
    for row in rows:
        figures = f"{row['count']:9}{row['per_second']:11.0f}{row['p50_ms']:9.1f}{row['p99_ms']:9.1f}"
        print(f"{row['name']:26}{figures}")
    print()
    found = [verdict for verdict in verdicts({"webhook": rows}) if verdict.value is not None]
    for verdict in found:
        bound = f"{'≥' if verdict.aim.least else '≤'} {verdict.aim.limit:,.0f}"
        print(f"{verdict.aim.text:44}{bound:>9}{verdict.value:10,.1f}  {verdict.word}", flush=True)
    return int(not all(verdict.met for verdict in found))


if __name__ == "__main__":
    sys.exit(main())
