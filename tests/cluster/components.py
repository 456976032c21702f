"""The processes of the embedded control plane: their command lines, and the order of start and stop.

With simulated nodes everything listens on 127.0.0.1 only; with a real one, in a network of its own. All files
are in one folder. Nothing is left of it after `stop`.
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
from tests.cluster.nodes.kind import Launch
from tests.cluster.ports import free_ports
from tests.cluster.processes import REPOSITORY, Process

if TYPE_CHECKING:
    from pathlib import Path

    from hack.build.toolset import Tools
    from tests.cluster.nodes.kind import Nodes

CONFIG = REPOSITORY / "tests" / "cluster" / "config"

START_SECONDS = 60.0

# User name and group of each client; RBAC's bootstrap policy knows the names that begin with `system:`.
CLIENTS = {
    "admin": ("admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
}


class Components:
    """A control plane's processes, not yet started.

    Parameters
    ----------
    directory
        An existing empty folder for all files.
    tools
        The binaries.
    nodes
        What its pods run on.
    durable
        Whether what etcd has confirmed survives its crash. Without, writing is faster.
    audit_policy
        What the audit log has.
    """

    def __init__(
        self,
        directory: Path,
        tools: Tools,
        nodes: Nodes,
        *,
        durable: bool = False,
        audit_policy: Path = CONFIG / "audit-policy.yaml",
        admission_config: Path | None = None,
    ) -> None:
        self._directory = directory
        self._tools = tools
        self._nodes = nodes
        self._durable = durable
        self._audit_policy = audit_policy
        self._admission_config = admission_config
        self._clients = {**CLIENTS, **nodes.clients}
        self._tokens = {client: secrets.token_hex(16) for client in self._clients}
        self._etcd_port, self._etcd_peer_port, self._port = free_ports(3)
        self._url = f"https://{nodes.addresses.host}:{self._port}"
        self._authority = directory / "certificates" / "apiserver.crt"
        self._signing_key = directory / "certificates" / "apiserver.key"
        self._processes: dict[str, tuple[Process, float]] = {}
        self._launches: dict[str, Launch] = {}

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
        self._nodes.prepare(self._run, self._port)
        self._launch("etcd", self._etcd())
        (self._directory / "etcd.url").write_text(f"http://127.0.0.1:{self._etcd_port}")
        server = self._launch("kube-apiserver", self._kube_apiserver())
        server.wait_until(self._serves, what="ready", seconds=START_SECONDS)
        for client in self._clients:
            self._write_kubeconfig(client)
        directory = self._directory
        kubectl = Kubectl(self._tools["kubectl"], directory / "admin.kubeconfig", directory / "kubectl-cache")
        if crds and any(CRDS.glob("*.yaml")):
            apply_crds(kubectl)
        nodes = self._nodes.start(self._run)
        if nodes is None:
            return
        controllers = self._launch("kube-controller-manager", self._kube_controller_manager())
        self._launch("kube-scheduler", self._kube_scheduler())
        if objects := list(self._nodes.objects()):
            items = {"apiVersion": "v1", "kind": "List", "items": objects}
            kubectl("create", "-f", "-", input=json.dumps(items))
        nodes.wait_until(self._nodes_are_ready, what="all nodes Ready", seconds=START_SECONDS)
        controllers.wait_until(
            self._pods_can_be_created, what="making ServiceAccounts", seconds=START_SECONDS
        )

    def stop(self) -> None:
        """Stop what was started, clients first and etcd last: without it kube-apiserver hangs."""
        for process, grace_seconds in reversed(self._processes.values()):
            process.stop(grace_seconds)
        self._processes.clear()
        self._nodes.remove()

    def kill(self, name: str) -> None:
        """End one process at once, as a crash would; the others go on without it until `revive`."""
        self._processes[name][0].kill()

    def revive(self, *names: str) -> None:
        """Start processes again that were killed, in this order, and wait until the API server serves.

        Raises
        ------
        ProcessError
            When it does not in time, or another process has ended meanwhile.
        """
        for name in names:
            last = self._run(self._launches[name])
        last.wait_until(self._serves, what="served again", seconds=START_SECONDS)

    def _launch(self, name: str, arguments: list[str]) -> Process:
        """Start one of the control plane's own programs."""
        return self._run(Launch(name, self._nodes.around([self._tools[name], *arguments])))

    def _run(self, launch: Launch) -> Process:
        process = Process(
            launch.name,
            launch.command,
            log=self._directory / f"{launch.name}.log",
            environment=launch.environment,
            pass_fds=launch.pass_fds,
            # Nobody is left to stop them in order.
            orphan_signal=signal.SIGKILL,
        )
        self._processes[launch.name] = process, launch.grace_seconds
        self._launches[launch.name] = launch
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
            # Most of what runs here is not to survive a crash.
            *([] if self._durable else ["--unsafe-no-fsync"]),
            "--log-level=warn",
        ]

    def _kube_apiserver(self) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--bind-address={self._nodes.addresses.bind}",
            f"--secure-port={self._port}",
            f"--advertise-address={self._nodes.addresses.advertise}",
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
            "--kubelet-preferred-address-types=InternalIP",
            # Clusters that run it refuse blockOwnerDeletion without rights on the owner's finalizers.
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
            f"--audit-policy-file={self._audit_policy}",
            f"--audit-log-path={self._directory / 'audit.log'}",
            "--audit-log-maxsize=100000",  # in MB: a test would miss what is in a rotated log
            "--profiling=false",
            # One by default, with which clearing 10,000 objects away takes minutes.
            "--delete-collection-workers=16",
            *(
                [f"--admission-control-config-file={self._admission_config}"]
                if self._admission_config is not None
                else []
            ),
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
            # The default is 15 seconds, which each test of an autoscaler would wait for.
            "--horizontal-pod-autoscaler-sync-period=1s",
        ]

    def _kube_scheduler(self) -> list[str]:
        return [
            f"--kubeconfig={self._directory / 'kube-scheduler.kubeconfig'}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]

    def _write_tokens(self) -> None:
        lines = [
            f'{self._tokens[client]},{user},{user},"{group}"'
            for client, (user, group) in self._clients.items()
        ]
        tokens = self._directory / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text("\n".join(lines) + "\n")

    def _write_kubeconfig(self, client: str) -> None:
        cluster = {
            "server": self._url,
            "certificate-authority-data": base64.b64encode(self._authority.read_bytes()).decode(),
        }
        write_kubeconfig(
            self._directory / f"{client}.kubeconfig", token_kubeconfig(cluster, self._tokens[client])
        )

    def _get(self, path: str) -> str | None:
        """GET `path` as admin; None when there is no answer or it is an error."""
        for process, _ in self._processes.values():
            process.check_running()
        request = urllib.request.Request(
            f"{self._url}{path}",
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
