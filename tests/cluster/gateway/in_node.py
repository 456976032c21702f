"""The gateway in the network of a real node, where the addresses of pods lead to them."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tests.cluster.gateway.process import GatewayProcess
from tests.cluster.nodes.real import enter
from tests.cluster.ports import free_ports
from tests.cluster.processes import Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.cluster.control_plane import ControlPlane

RELAY_GRACE_SECONDS = 2.0


@contextmanager
def gateway_in_node(cluster: ControlPlane, *arguments: str) -> Iterator[GatewayProcess]:
    """Run the gateway, with the rights of its manifests, in the network of the real node of `cluster`.

    Its ports are reached on 127.0.0.1 of this machine, too, by relays.

    Parameters
    ----------
    cluster
        A control plane with a real node.
    arguments
        More arguments for ``model-operator gateway``.

    Raises
    ------
    ProcessError
        When it is not ready in time.
    """
    ports = free_ports(2)
    inside = enter(cluster.directory, "--net")
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(_relay(inside, port, cluster.directory / "gateway-relay.log"))
        yield stack.enter_context(
            GatewayProcess.start(
                cluster.gateway_kubeconfig(),
                *arguments,
                log=cluster.directory / "gateway.log",
                module="model_operator",
                around=inside,
                ports=(ports[0], ports[1]),
            )
        )


@contextmanager
def _relay(inside: Sequence[str | Path], port: int, log: Path) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)) as listener:
        command = [
            *inside,
            sys.executable,
            "-m",
            "tests.cluster.nodes.relay",
            str(listener.fileno()),
            str(port),
        ]
        relay = Process("a relay", command, log=log, pass_fds=(listener.fileno(),))
        try:
            yield
        finally:
            relay.stop(RELAY_GRACE_SECONDS)
