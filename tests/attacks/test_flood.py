"""Strangers take all that the ports give: others are served as before, and nothing grows with the strangers.

What is asserted are counts, not times: those are what ``make bench-flood`` measures, in a larger size.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.callers import LOOPBACK, PATH, review_of, unverified
from tests.cluster.cluster import OPERATOR_NAMESPACE
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import webhook_environment, write_certificate
from tests.examples.objects import deploy
from tests.fixtures.cluster import operator_logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kube_api import KubeApi
    from tests.cluster.shared_run import SharedRun

SECONDS = 15
CALLERS, KEPT, TRIED = 100, 60, 1000
MOST, MOST_ON_HEALTH, CLOSING = 64, 16, 24
"""Connections by the settings, and how many more may be about to close."""
KUBELET = "127.0.0.200"
"""An address with one connection; that of this test's other requests may have as many as a stranger's."""
LEASE = "model-operator"
"""The only one that the operator's own ServiceAccount may write; no other operator of a test has it."""


@pytest.fixture
def flooded(
    shared_run: SharedRun, private_namespace: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[OperatorProcess, int]]:
    """Give an operator that leads, and the port of its webhooks."""
    (port,) = free_ports(1)
    write_certificate(tmp_path)
    log = tmp_path / "operator.log"
    log.touch()
    operator_logs(request)[log] = 0
    environment = webhook_environment(port, tmp_path, with_token=False) | {
        "MODEL_OPERATOR_LEADER_ELECTION": "on",
        "MODEL_OPERATOR_ADMISSION__MAX_CONNECTIONS": str(MOST),
        "MODEL_OPERATOR_ADMISSION__MAX_CONNECTIONS_PER_ADDRESS": "32",
        "MODEL_OPERATOR_ADMISSION__MAX_HANDSHAKES": "16",
        "MODEL_OPERATOR_HEALTH_MAX_CONNECTIONS": str(MOST_ON_HEALTH),
    }
    with OperatorProcess.start(
        shared_run.operator_kubeconfig, "--namespace", private_namespace, log=log, environment=environment
    ) as operator:
        wait_for(lambda: "model_operator_leader 1.0" in operator.metrics(), message="the operator leads")
        yield operator, port


def test_flooding_strangers_block_no_other_caller(
    flooded: tuple[OperatorProcess, int], private_api: KubeApi, cluster_api: KubeApi
) -> None:
    operator, port = flooded
    leases = cluster_api.in_namespace(OPERATOR_NAMESPACE)
    holder = leases.get("Lease", LEASE)["spec"]["holderIdentity"]
    deploy(private_api, name="before")
    assert (
        status(HTTPSConnection(LOOPBACK, port, context=unverified()), PATH, review_of(1000)) == HTTPStatus.OK
    )
    health, most = [], dict.fromkeys((port, operator.port), 0)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            health.append(
                status(HTTPConnection(LOOPBACK, operator.port, source_address=(KUBELET, 0)), "/healthz")
            )
            for each in most:
                most[each] = max(most[each], connections(operator.pid, each))

    watcher = threading.Thread(target=watch)
    arguments = map(str, (port, operator.port, SECONDS, CALLERS, KEPT, TRIED))
    with subprocess.Popen([sys.executable, "-m", "tests.cluster.callers", *arguments]) as callers:
        watcher.start()
        try:
            wait_for(lambda: closed(operator, "webhooks") > MOST, message="connections make way")
            wait_for(lambda: closed(operator, "health") > MOST_ON_HEALTH, message="and for probes")
            deploy(private_api, name="during")
            was_flooded = callers.poll() is None
        finally:
            callers.kill()
            ended.set()
            watcher.join()

    assert was_flooded, "the flood ended before the instance was ready"
    assert health
    assert set(health) == {HTTPStatus.OK}
    assert 0 < most[port] <= MOST + CLOSING
    assert 0 < most[operator.port] <= MOST_ON_HEALTH + CLOSING
    assert leases.get("Lease", LEASE)["spec"]["holderIdentity"] == holder
    assert "Traceback" not in operator.log.read_text()
    deploy(private_api, name="after")
    leases.delete("Lease", LEASE)


def status(connection: HTTPConnection, path: str, body: bytes | None = None) -> int:
    """Give the status of a request on a connection of its own; 0 without a response within two seconds."""
    connection.timeout = 2
    with closing(connection):
        try:
            connection.request(
                "GET" if body is None else "POST", path, body, {"Content-Type": "application/json"}
            )
            return connection.getresponse().status
        except (OSError, HTTPException):
            return 0


def closed(operator: OperatorProcess, port: str) -> int:
    """Give how many connections were refused or ended in favour of others."""
    name = "model_operator_connections_closed_total"
    found = re.findall(rf'^{name}{{port="{port}",reason="(\w+)"}} (\S+)$', operator.metrics(), re.MULTILINE)
    return sum(int(float(count)) for reason, count in found if reason not in {"deadline", "size"})


def connections(pid: int, port: int) -> int:
    """Give how many connections to a port a process has open."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(descriptor.readlink().name.removeprefix("socket:[").removesuffix("]"))
        except OSError:  # It was closed meanwhile.
            continue
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] != "0A" and row[9] in inodes for row in rows)
