"""No nodes at all: an API server alone, with nobody who makes pods of Deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.cluster.nodes.kind import Addresses, Command, Launch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.cluster.processes import Process


class NoNodes:
    """What stands for the nodes of a control plane that has none."""

    # As with simulated nodes.
    addresses = Addresses(bind="127.0.0.1", advertise="192.0.2.1", host="127.0.0.1")
    clients: Mapping[str, tuple[str, str]] = {}

    def prepare(self, launch: Callable[[Launch], Process], port: int) -> None:
        """Do nothing."""

    def around(self, command: Command) -> Command:
        """Give the command as it is."""
        return command

    def start(self, launch: Callable[[Launch], Process]) -> None:
        """Start nothing: without nodes the control plane has no controllers either."""

    def objects(self) -> Iterable[dict[str, Any]]:
        """Give nothing."""
        return ()

    def remove(self) -> None:
        """Do nothing."""
