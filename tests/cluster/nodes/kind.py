"""What a control plane has to know of its nodes: simulated ones, a real one, or none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.cluster.processes import Process


Command: TypeAlias = "Sequence[str | Path]"


@dataclass(frozen=True)
class Addresses:
    """Where kube-apiserver listens, and under what name its clients find it.

    Attributes
    ----------
    bind
        Its ``--bind-address``.
    advertise
        Its ``--advertise-address``, the endpoint of the Service ``kubernetes``; loopback is refused there.
    host
        The host of its URL, for clients on this machine; its own certificate names it.
    """

    bind: str
    advertise: str
    host: str


@dataclass(frozen=True)
class Launch:
    """One process to start.

    Attributes
    ----------
    name
        What messages call it, and its log.
    command
        The program and its arguments.
    environment
        Variables laid over ours.
    pass_fds
        File descriptors that it inherits.
    grace_seconds
        How long it may take to end after a SIGTERM; then it is killed.
    """

    name: str
    command: Command
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    # A healthy program is gone within two seconds; kube-apiserver without its etcd would take minutes.
    grace_seconds: float = 10.0


class Nodes(Protocol):
    """The nodes of one control plane.

    Attributes
    ----------
    addresses
        Of the control plane that they work with.
    clients
        The API server's clients that they bring: user and group, by the name of their kubeconfig.
    """

    addresses: Addresses
    clients: Mapping[str, tuple[str, str]]

    def prepare(self, launch: Callable[[Launch], Process], port: int) -> None:
        """Make ready what the control plane itself needs; kube-apiserver will listen on `port`."""

    def around(self, command: Command) -> Command:
        """Give the command line that runs a control plane's program where it belongs."""

    def start(self, launch: Callable[[Launch], Process]) -> Process | None:
        """Start the nodes' own processes; give the one without which no node gets Ready.

        None means that there are to be neither nodes nor the controllers that work for them.
        """

    def objects(self) -> Iterable[dict[str, Any]]:
        """Give the objects that have to be created for them."""

    def remove(self) -> None:
        """Remove what is left after all processes have ended."""
