"""The processes of the embedded control plane: their command lines, and the order of start and stop.

Everything listens on 127.0.0.1 only, and all files are in one folder. Nothing is left of it after `stop`.
"""

from __future__ import annotations

import base64
import json
import secrets
import signal
import ssl
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.cluster.kubeconfig import token_kubeconfig, write_kubeconfig
from tests.cluster.kubectl import CRDS, Kubectl, apply_crds
from tests.cluster.nodes import simulated_nodes
from tests.cluster.processes import REPOSITORY, Process, free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.toolset import Tools

CONFIG = REPOSITORY / "tests" / "cluster" / "config"

START_SECONDS = 60.0
# A healthy component is gone within two seconds; kube-apiserver without its etcd would take minutes.
GRACE_SECONDS = 10.0

# User name and group of each client; RBAC's bootstrap policy knows the names that begin with `system:`.
CLIENTS = {
    "admin": ("admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kwok": ("kwok", "system:masters"),
}


class Components:
    """A control plane's processes, not yet started.

    Parameters
    ----------
    directory
        An existing empty folder for all files.
    tools
        The binaries.
    """

    def __init__(self, directory: Path, tools: Tools) -> None:
        self._directory = directory
        self._tools = tools
        self._tokens = {client: secrets.token_hex(16) for client in CLIENTS}
        self._etcd_port, self._etcd_peer_port, self._port = free_ports(3)
        self._authority = directory / "certificates" / "apiserver.crt"
        self._signing_key = directory / "certificates" / "apiserver.key"
        self._processes: dict[str, Process] = {}

    def start(self, *, crds: bool) -> None:
        """Start everything and wait until the nodes are Ready and pods can be created.

        Parameters
        ----------
        crds
            Whether to apply the project's CRDs before the controllers start. The garbage collector looks
            for new kinds only every 30 s, so children of kinds that come later are collected late.

        Raises
        ------
        ProcessError, KubectlError
            When something does not get ready; the message ends with the log of what failed.
        """
        self._write_tokens()
        self._launch("etcd", self._etcd())
        server = self._launch("kube-apiserver", self._kube_apiserver())
        server.wait_until(self._serves, what="ready", seconds=START_SECONDS)
        for client in CLIENTS:
            self._write_kubeconfig(client)
        directory = self._directory
        kubectl = Kubectl(self._tools["kubectl"], directory / "admin.kubeconfig", directory / "kubectl-cache")
        if crds and any(CRDS.glob("*.yaml")):
            apply_crds(kubectl)
        controllers = self._launch("kube-controller-manager", self._kube_controller_manager())
        self._launch("kube-scheduler", self._kube_scheduler())
        kwok = self._launch("kwok", self._kwok())
        kubectl("create", "-f", "-", input=json.dumps(simulated_nodes()))
        kwok.wait_until(self._nodes_are_ready, what="all nodes Ready", seconds=START_SECONDS)
        controllers.wait_until(
            self._pods_can_be_created, what="making ServiceAccounts", seconds=START_SECONDS
        )

    def stop(self) -> None:
        """Stop what was started, clients first and etcd last: without it kube-apiserver hangs."""
        for name in reversed(self._processes):
            self._processes[name].stop(GRACE_SECONDS)
        self._processes.clear()

    def _launch(self, name: str, arguments: list[str]) -> Process:
        process = Process(
            name,
            [self._tools[name], *arguments],
            log=self._directory / f"{name}.log",
            environment={"KWOK_WORKDIR": str(self._directory / "kwok")},
            # Nobody is left to stop them in order.
            orphan_signal=signal.SIGKILL,
        )
        self._processes[name] = process
        return process

    def _etcd(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._etcd_peer_port))
        return [
            f"--data-dir={self._directory / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",  # nothing here is to survive a power cut
            "--log-level=warn",
        ]

    def _kube_apiserver(self) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            # Goes into the `kubernetes` Endpoints, which nobody uses. Loopback is refused there, and the
            # default needs a network: TEST-NET-1 it is.
            "--advertise-address=192.0.2.1",
            f"--token-auth-file={self._directory / 'tokens.csv'}",
            # The server makes its certificate and key itself; signing the service accounts' tokens with the
            # same key spares us a need for OpenSSL.
            f"--cert-dir={self._authority.parent}",
            f"--service-account-key-file={self._signing_key}",
            f"--service-account-signing-key-file={self._signing_key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged",
            # Clusters that run it refuse blockOwnerDeletion without rights on the owner's finalizers.
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
            f"--audit-policy-file={CONFIG / 'audit-policy.yaml'}",
            f"--audit-log-path={self._directory / 'audit.log'}",
            "--profiling=false",
        ]

    def _kube_controller_manager(self) -> list[str]:
        return [
            f"--kubeconfig={self._directory / 'kube-controller-manager.kubeconfig'}",
            f"--service-account-private-key-file={self._signing_key}",
            f"--root-ca-file={self._authority}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            # The default, 20 requests a second, is what a hundred instances at once would wait for.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--concurrent-namespace-syncs=20",
        ]

    def _kube_scheduler(self) -> list[str]:
        return [
            f"--kubeconfig={self._directory / 'kube-scheduler.kubeconfig'}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]

    def _kwok(self) -> list[str]:
        return [
            f"--kubeconfig={self._directory / 'kwok.kubeconfig'}",
            f"--config={CONFIG / 'simulation.yaml'}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",
            "--node-ip=10.64.0.1",
            "--cidr=10.128.0.0/10",
        ]

    def _write_tokens(self) -> None:
        lines = [
            f'{self._tokens[client]},{user},{user},"{group}"' for client, (user, group) in CLIENTS.items()
        ]
        tokens = self._directory / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text("\n".join(lines) + "\n")

    def _write_kubeconfig(self, client: str) -> None:
        cluster = {
            "server": f"https://127.0.0.1:{self._port}",
            "certificate-authority-data": base64.b64encode(self._authority.read_bytes()).decode(),
        }
        write_kubeconfig(
            self._directory / f"{client}.kubeconfig", token_kubeconfig(cluster, self._tokens[client])
        )

    def _get(self, path: str) -> str | None:
        """GET `path` as admin; None when there is no answer or it is an error."""
        for process in self._processes.values():
            process.check_running()
        request = urllib.request.Request(
            f"https://127.0.0.1:{self._port}{path}",
            headers={"Authorization": f"Bearer {self._tokens['admin']}"},
        )
        try:
            context = ssl.create_default_context(cafile=str(self._authority))
            with urllib.request.urlopen(request, timeout=5, context=context) as response:
                return str(response.read(), "utf-8")
        except OSError:
            return None

    def _serves(self) -> bool:
        return self._get("/readyz") == "ok"

    def _nodes_are_ready(self) -> bool:
        nodes = json.loads(self._get("/api/v1/nodes") or '{"items": []}')["items"]
        return bool(nodes) and all(_is_ready(node) for node in nodes)

    def _pods_can_be_created(self) -> bool:
        return self._get("/api/v1/namespaces/default/serviceaccounts/default") is not None


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
