"""Shows what an operator does for others while strangers flood its ports.

``make bench-flood`` runs it, with a control plane and an operator process of its own, on loopback only. In
the first part 100 callers send reviews of 4 MB, one after the other without a pause. In the second, 400
connections are kept of four kinds (no handshake, silent, slow heads, slow heads on the port of the probes),
and 10,000 more are tried. In the third, all of that is at once. The callers come from eight addresses, in a
process of their own that ends by itself. The paths have no token: with one, strangers get 404 for the head of
a request, and no body is read. Meanwhile the time of ``/healthz`` is taken, reviews are sent as the
API server would, instances are created one after the other, and the Lease is read.
"""

from __future__ import annotations

import json
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.usage import machine
from tests.cluster.callers import PATH, review_of
from tests.cluster.cluster import OPERATOR_NAMESPACE
from tests.cluster.control_plane import ControlPlane
from tests.cluster.interrupts import stop_on_signals
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import LOOPBACK, webhook_environment, write_certificate
from tests.examples.objects import instance, template

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 40.0
SIZES = {"bodies": (100, 0, 0), "connections": (0, 100, 10_000), "all": (100, 100, 10_000)}
"""Callers with bodies of 4 MB, connections kept of each kind, and connections that are tried."""
BEFORE = 20
"""Instances that are created before the flood, for the usual time."""
PROBE_SECONDS = 0.05
CREATE_SECONDS = 30.0

MAX_RSS_MB = 100.0
MAX_P99_MS = 250.0
MAX_RATIO = 3.0
MAX_RENEWAL_SECONDS = 10.0
"""The Lease's renew deadline: a holder that has not renewed for longer has lost it."""


@dataclass
class Seen:
    """What was measured while the flood lasted.

    Attributes
    ----------
    probes
        Durations of ``/healthz`` in seconds; infinite where it did not say ok.
    reviews
        Durations of small reviews from another address, on connections of their own; infinite where there
        was no answer.
    rss_mb
        The operator's resident memory.
    creates
        From an instance's creation to its Deployment, in seconds.
    holders, renewals
        Who held the Lease, and when it was renewed.
    """

    probes: list[float] = field(default_factory=list)
    reviews: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    creates: list[float] = field(default_factory=list)
    holders: set[str] = field(default_factory=set)
    renewals: set[datetime] = field(default_factory=set)


def probe(port: int) -> float:
    """Give how long ``/healthz`` took in seconds, as for a kubelet: with a connection of its own."""
    begin = time.perf_counter()
    try:
        with socket.create_connection((LOOPBACK, port), 10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError:
        return float("inf")
    return time.perf_counter() - begin if answer.startswith(b"HTTP/1.1 200 ") else float("inf")


def review(port: int, context: ssl.SSLContext, sent: bytes) -> float:
    """Give how long a review took in seconds, on a connection of its own."""
    begin = time.perf_counter()
    try:
        with (
            socket.create_connection((LOOPBACK, port), 5) as connection,
            context.wrap_socket(connection, server_hostname=LOOPBACK) as secured,
        ):
            secured.sendall(sent)
            answer = secured.recv(4096)
    except OSError:
        return float("inf")
    return time.perf_counter() - begin if answer.startswith(b"HTTP/1.1 200 ") else float("inf")


def rss_mb(pid: int) -> float:
    """Give the resident memory of a process."""
    (line,) = [
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:")
    ]
    return int(line.split()[1]) / 1024


def repeat(stopped: threading.Event, seconds: float, action: Callable[[], object]) -> threading.Thread:
    """Do something again and again, in a thread, until it is stopped."""

    def run() -> None:
        while not stopped.wait(seconds):
            action()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


class Stage:
    """An operator, and what it takes to measure it.

    Parameters
    ----------
    api
        A client as administrator.
    operator
        The operator; it leads.
    port
        The port of its webhooks.
    authority
        Whom its certificate is from, as PEM.
    """

    def __init__(self, api: KubeApi, operator: OperatorProcess, port: int, authority: bytes) -> None:
        self._api = api
        self._operator = operator
        self._port = port
        self._context = ssl.create_default_context(cadata=authority.decode())
        body = review_of(1000)
        head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        self._review = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        self._created = 0
        self.usual: list[float] = []
        self.before_mb = 0.0

    def begin(self) -> None:
        """Measure what is usual."""
        wait_for(lambda: "model_operator_leader 1.0" in self._operator.metrics(), message="it leads")
        self._create()
        self.usual = [self._create() for _ in range(BEFORE)]
        review(self._port, self._context, self._review)
        self.before_mb = rss_mb(self._operator.pid)

    def flood(self, kind: str) -> tuple[Seen, dict[str, int]]:
        """Measure what is seen during a flood, and what its callers got."""
        seen, stopped, operator = Seen(), threading.Event(), self._operator
        self._read_lease(seen)
        callers = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.cluster.callers",
                *map(str, (self._port, operator.port, SECONDS, *SIZES[kind])),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        threads = [
            repeat(stopped, PROBE_SECONDS, lambda: seen.probes.append(probe(operator.port))),
            repeat(
                stopped, 0.2, lambda: seen.reviews.append(review(self._port, self._context, self._review))
            ),
            repeat(stopped, 0.2, lambda: seen.rss_mb.append(rss_mb(operator.pid))),
            repeat(stopped, 1.0, lambda: self._read_lease(seen)),
        ]
        try:
            time.sleep(2)
            while callers.poll() is None:
                seen.creates.append(self._create())
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
            callers.kill()
            answers, _ = callers.communicate()
        return seen, json.loads(answers or "{}")

    def counted(self) -> list[str]:
        """Give what the operator says that it has refused."""
        begins = ("model_operator_connections_closed_total", "model_operator_webhook_reviews_shed_total")
        lines = self._operator.metrics().splitlines()
        return [line for line in lines if line.startswith(begins) and not line.endswith(" 0.0")]

    def _create(self) -> float:
        """Give the seconds from an instance's creation to its Deployment."""
        self._created += 1
        name = f"flooded-{self._created}"
        begin = time.perf_counter()
        self._api.create(instance(name))
        while self._api.find("Deployment", name) is None:
            if time.perf_counter() - begin > CREATE_SECONDS:
                return float("inf")
            time.sleep(0.002)
        return time.perf_counter() - begin

    def _read_lease(self, seen: Seen) -> None:
        """Note who holds the Lease, and since when."""
        lease = self._api.in_namespace(OPERATOR_NAMESPACE).find("Lease", "model-operator")
        if lease is not None:
            seen.holders.add(lease["spec"]["holderIdentity"])
            seen.renewals.add(datetime.fromisoformat(lease["spec"]["renewTime"]))


def show(kind: str, stage: Stage, seen: Seen, answers: dict[str, int]) -> bool:
    """Show what was measured; give whether all aims are met."""
    usual, create = statistics.median(stage.usual) * 1000, statistics.median(seen.creates) * 1000
    renewed = sorted(seen.renewals)
    gap = max(
        ((later - earlier).total_seconds() for earlier, later in pairwise(renewed)), default=float("inf")
    )
    served = [each for each in seen.reviews if each < float("inf")]
    print(f"\n{kind}: {SECONDS:g} s; the callers saw {answers}")
    print(f"  /healthz: {_shares(seen.probes)}")
    print(f"  reviews of others: {len(served)} of {len(seen.reviews)} answered; {_shares(served)}")
    print(f"  creates: {usual:.0f} ms usually; {_shares(seen.creates)}")
    print(f"  memory: {stage.before_mb:.0f} MB before, {max(seen.rss_mb):.0f} MB at most")
    aims = [
        ("memory at most, MB more", max(seen.rss_mb) - stage.before_mb, MAX_RSS_MB),
        ("/healthz, 99th percentile in ms", _share(seen.probes, 0.99), MAX_P99_MS),
        ("creates, median over the usual one", create / usual, MAX_RATIO),
        ("Lease, longest time between renewals in s", gap, MAX_RENEWAL_SECONDS),
        ("Lease, holders", len(seen.holders), 1),
    ]
    for words, measured, promised in aims:
        verdict = "met" if measured <= promised else "MISSED"
        print(f"  {words:45}{measured:9.1f}   promised: {promised:g}  {verdict}", flush=True)
    return bool(served) and all(measured <= promised for _, measured, promised in aims)


def _share(durations: list[float], share: float) -> float:
    return sorted(durations)[int(len(durations) * share)] * 1000 if durations else float("inf")


def _shares(durations: list[float]) -> str:
    shares = ", ".join(f"p{share * 100:g} {_share(durations, share):.0f} ms" for share in (0.5, 0.9, 0.99))
    return f"{len(durations)} times, {shares}, at most {max(durations, default=0) * 1000:.0f} ms"


def main() -> int:
    """Start what it takes, measure and show; give 1 when an aim is missed."""
    stop_on_signals()
    kinds = sys.argv[1:] or list(SIZES)
    with tempfile.TemporaryDirectory(prefix="model-operator-bench-") as name, ControlPlane.start() as cluster:
        folder = Path(name)
        api = KubeApi(cluster.kubeconfig)
        api.create(template())
        (port,) = free_ports(1)
        authority = write_certificate(folder)
        environment = webhook_environment(port, folder, with_token=False)
        environment["MODEL_OPERATOR_LEADER_ELECTION"] = "on"
        with OperatorProcess.start(
            cluster.operator_kubeconfig(), log=folder / "operator.log", environment=environment
        ) as operator:
            stage = Stage(api, operator, port, authority)
            print(json.dumps(machine()), flush=True)
            stage.begin()
            met = [show(kind, stage, *stage.flood(kind)) for kind in kinds]
            print("\n" + "\n".join(stage.counted()))
            print(f"tracebacks in the operator's log: {operator.log.read_text().count('Traceback')}")
        api.close()
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main())
