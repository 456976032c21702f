"""A gateway of its own, with short deadlines, in front of models that no operator made."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.gateway.callers import executor_key
from tests.cluster.gateway.process import GatewayProcess
from tests.cluster.gateway.published import publish
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.waiting import wait_for
from tests.fixtures.gateway import is_routed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster
    from tests.cluster.gateway.process import StubWorkers
    from tests.cluster.kube_api import KubeApi

PREFIX = "MODEL_OPERATOR_GATEWAY_"


@dataclass(frozen=True)
class World:
    """A namespace that no operator serves, and the gateway in front of it.

    Attributes
    ----------
    api
        Client of the namespace, as administrator.
    chat
        Name of a chat model with one worker, at 10.0.0.1.
    key
        A key for all models of the namespace.
    """

    api: KubeApi
    gateway: GatewayProcess
    stub: StubWorkers
    key: str
    chat: str

    def memory(self) -> int:
        """Return the resident memory of the gateway, in MiB."""
        status = Path(f"/proc/{self.gateway.pid}/status").read_text()
        found = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(found.split()[1]) // 1024

    def sockets(self) -> int:
        """Return the number of open files of the gateway."""
        return len(list(Path(f"/proc/{self.gateway.pid}/fd").iterdir()))

    def defects(self) -> list[str]:
        """Return the lines of the gateway's log that no input may cause."""
        log = self.gateway.log.read_text(errors="replace")
        signs = ("Traceback", "defect", "Unhandled", "never retrieved", "cannot read an object")
        return [line for line in log.splitlines() if any(sign in line for sign in signs)]


@contextlib.contextmanager
def world(
    cluster: Cluster, cluster_api: KubeApi, stub: StubWorkers, folder: Path, **settings: Any
) -> Iterator[World]:
    """Give a world whose gateway has these settings, as ``PROXY__IDLE_TIMEOUT=1``."""
    with contextlib.contextmanager(fresh_namespace)(cluster_api, "mo-private") as namespace:
        api = cluster_api.in_namespace(namespace)
        chat = publish(api, "chat", stub.port, ["10.0.0.1"])
        key = executor_key(api)
        environment = {f"{PREFIX}{name}": str(value) for name, value in settings.items()}
        with GatewayProcess.start(
            cluster.gateway_kubeconfig(), log=folder / "gateway.log", environment=environment
        ) as gateway:
            wait_for(lambda: is_routed(gateway, key, chat), 60, f"{chat} answers")
            stub.forget()
            yield World(api, gateway, stub, key, chat)
