"""What a chaos run takes place in: a control plane with a durable etcd, the proxy, and kept-up operators."""

from __future__ import annotations

import base64
import shutil
import ssl
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import yaml

from hack.build.toolset import ensure_tools
from tests.chaos.churn import Churn
from tests.chaos.persist import persist
from tests.chaos.proxy import Proxy
from tests.chaos.supervisor import Supervisor
from tests.chaos.writes import Writes
from tests.cluster.cluster import OPERATOR_NAMESPACE, Cluster
from tests.cluster.components import Components
from tests.cluster.kube_api import KubeApi
from tests.cluster.kubeconfig import write_kubeconfig
from tests.cluster.nodes.simulated import SimulatedNodes
from tests.cluster.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping

# So that what is never answered is noticed within a short phase.
FIXED = {"MODEL_OPERATOR_REQUEST_TIMEOUT_SECONDS": "3"}
READY_SECONDS = 60.0
LEASE = "model-operator"
NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class World:
    """Everything that runs; a context manager.

    Parameters
    ----------
    seed
        Where the churn's chance comes from.
    size
        Number of instances.

    Attributes
    ----------
    components, proxy, churn, writes, api
        The control plane's processes, the operators' way to it, the users, what is written, and a client of
        the administrator.
    operators
        The operators that are kept running.
    counts
        What was done to processes and connections.
    """

    def __init__(self, seed: str, size: int) -> None:
        self.operators: list[Supervisor] = []
        self.counts: Counter[str] = Counter()
        self._running: tuple[Mapping[str, Mapping[str, str]], str] | None = None
        self._stack = ExitStack()
        self._seed = seed
        self._size = size

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            tools = ensure_tools()
            self.directory = Path(tempfile.mkdtemp(prefix="model-operator-chaos-"))
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            nodes = SimulatedNodes(self.directory, tools)
            self.components = Components(self.directory, tools, nodes, durable=True)
            stack.callback(self.components.stop)
            self.components.start(crds=True)
            cluster = Cluster(self.directory / "admin.kubeconfig", self.directory, tools)
            kubeconfig = yaml.safe_load(cluster.operator_kubeconfig().read_text())
            server = kubeconfig["clusters"][0]["cluster"]
            authority = base64.b64decode(server["certificate-authority-data"]).decode()
            tls = ssl.create_default_context(cadata=authority)
            self.proxy = stack.enter_context(Proxy(server["server"], tls, free_ports(1)[0]))
            kubeconfig["clusters"][0]["cluster"] = {"server": self.proxy.url}
            self._operator_kubeconfig = self.directory / "operator.kubeconfig"
            write_kubeconfig(self._operator_kubeconfig, kubeconfig)
            self.writes = Writes(self.directory / "audit.log")
            stack.callback(self.writes.close)
            self.api = KubeApi(cluster.kubeconfig, "")
            stack.callback(self.api.close)
            self.churn = Churn(cluster.kubeconfig, self._seed, self._size)
            stack.callback(self.churn.close)
            stack.callback(self.stop_operators)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def run_operators(self, environments: Mapping[str, Mapping[str, str]], module: str) -> None:
        """Have operators of these names and settings run, and no others, and wait until they are ready."""
        if self._running != (environments, module):
            self.stop_operators()
            self.operators = [
                Supervisor(name, self._operator_kubeconfig, self.directory, FIXED | dict(environment), module)
                for name, environment in environments.items()
            ]
            self._running = (environments, module)
        for operator in self.operators:
            operator.ends.clear()
        end = time.monotonic() + READY_SECONDS
        self.tend()
        while not self.are_ready and time.monotonic() < end:
            self.tend_for(0.2)

    def revive_nodes(self) -> None:
        """Start the simulated nodes anew, so that they look at all pods again.

        kwok does not try again what an API server without etcd has answered with 500; a kubelet does.
        """
        self.components.kill("kwok")
        # They name a process that is no more, and would have to run out.
        persist(lambda: self.api.request("DELETE", NODE_LEASES))
        self.components.revive("kwok")

    @property
    def are_ready(self) -> bool:
        """Whether all operators say that they are ready."""
        return all(operator.is_ready for operator in self.operators)

    def transitions(self) -> int:
        """Give how often the Lease of leader election has changed hands."""
        lease = self.api.in_namespace(OPERATOR_NAMESPACE).find("Lease", LEASE)
        return int((lease or {}).get("spec", {}).get("leaseTransitions", 0))

    def stop_operators(self) -> None:
        """Stop all operators."""
        for operator in self.operators:
            operator.stop()
        self.operators = []
        self._running = None

    def count(self, what: str) -> None:
        """Count something that was done."""
        self.counts[what] += 1

    def tend(self) -> None:
        """Start again what has ended."""
        for operator in self.operators:
            operator.tend()

    def tend_for(self, seconds: float) -> None:
        """Let some time pass."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.tend()
            time.sleep(min(left, 0.1))
