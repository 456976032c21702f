"""A real node without Docker: containerd, kubelet, kube-proxy and DNS in namespaces of their own.

The control plane runs in the node's network, too, so that it reaches pods and Services; a relay carries
connections from this machine to it. Whatever the node makes goes with its first process.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hack.build.cache import cache_directory
from hack.build.debian import debian_environment, debian_root
from hack.build.go_toolchain import ToolsError
from hack.build.toolset import ensure_container_runtime, ensure_dns_server, ensure_node_tools
from tests.cluster.nodes import cgroups
from tests.cluster.nodes.image_archive import write_image
from tests.cluster.nodes.inside import HOST_NAME, READY
from tests.cluster.nodes.kind import Addresses, Command, Launch
from tests.cluster.processes import ProcessError, orphaned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hack.build.toolset import Tools
    from tests.cluster.processes import Process

NODE_ADDRESS = "10.250.0.1"
POD_CIDR = "10.244.0.0/24"
CLUSTER_DOMAIN = "cluster.local"
PAUSE_IMAGE = "modeloperator.dev/pause:1"
SHELL_IMAGE = "modeloperator.dev/shell:1"
"""Image with a shell and the usual small programs (busybox), for tests; every real node has it."""
SOCKET = "/run/containerd/containerd.sock"
# With what each of them needs beyond libc, so that a slim Debian will do.
PACKAGES = (
    "containernetworking-plugins",
    "iproute2",
    "libbpf1",
    "libedit2",
    "libelf1",
    "libjansson4",
    "libmnl0",
    "libnftables1",
    "libnftnl11",
    "libseccomp2",
    "libxtables12",
    "nftables",
    "runc",
)
_POD_NETWORK = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni-addresses",
                "ranges": [[{"subnet": POD_CIDR}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}
# Without CAP_SYS_RESOURCE no process may be made less likely to be killed than its parent.
_CONTAINERD_CONFIG = f"""\
version = 3
root = "{{directory}}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{{root}}/usr/lib/cni"]
    conf_dir = "{{network}}"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{{root}}/usr/sbin/runc"
      SystemdCgroup = false
"""
# Other names than the cluster's are answered with "does not exist" at once: there is nothing to ask.
_COREFILE = f"""\
{CLUSTER_DOMAIN} {{{{
  bind {NODE_ADDRESS}
  errors
  kubernetes {{{{
    kubeconfig {{kubeconfig}}
    ttl 1
  }}}}
}}}}
. {{{{
  bind {NODE_ADDRESS}
  errors
  template ANY ANY {{{{
    rcode NXDOMAIN
  }}}}
}}}}
"""
SHELL_PACKAGES = ("busybox", "libc6")
START_SECONDS = 30.0
IMPORT_SECONDS = 600.0


def ensure_real_node() -> None:
    """Check that this machine can run one, and get what is missing into the cache.

    Raises
    ------
    ToolsError
        When it cannot, or something cannot be had; the message is one line and says why.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ToolsError("a real node needs Linux and root (for namespaces, mounts and cgroups).")
    for program in ("unshare", "nsenter", "setpriv", "mount"):
        if shutil.which(program) is None:
            raise ToolsError(f"a real node needs the program {program}, found none on PATH.")
    ensure_node_tools()
    ensure_dns_server()
    ensure_container_runtime()
    debian_root(PACKAGES, cache_directory())
    debian_root(SHELL_PACKAGES, cache_directory())


class RealNode:
    """The one node, named ``real-node``, of a control plane.

    Parameters
    ----------
    directory
        The control plane's folder.
    tools
        The binaries.
    """

    addresses = Addresses(bind="0.0.0.0", advertise=NODE_ADDRESS, host="localhost")  # in a network of its own
    clients: Mapping[str, tuple[str, str]] = {
        "kubelet": (f"system:node:{HOST_NAME}", "system:nodes"),
        "kube-proxy": ("system:kube-proxy", ""),
        "dns": ("dns", "system:masters"),
    }

    def __init__(self, directory: Path, tools: Tools) -> None:
        self._directory = directory
        self._tools = tools
        ensure_node_tools()
        self._dns_server = ensure_dns_server()
        self._root = debian_root(PACKAGES, cache_directory())
        self._runtime = ensure_container_runtime()
        self._environment = _environment(self._root, self._runtime)
        self._cgroup = ""
        self._listener: socket.socket | None = None

    def prepare(self, launch: Callable[[Launch], Process], port: int) -> None:
        """Make the namespaces, and the relay to `port` in them."""
        directory = self._directory
        self._cgroup = cgroups.create()
        namespaces = ["--mount", "--propagation=private", "--net", "--uts", "--ipc", "--pid", "--mount-proc"]
        first = [sys.executable, "-m", "tests.cluster.nodes.inside", str(directory), NODE_ADDRESS]
        # Nothing in there has anything to save, and unshare would not hear a SIGTERM.
        holder = launch(
            Launch(
                "namespaces",
                ["unshare", *namespaces, "--fork", "--kill-child", *first],
                environment=self._environment,
                grace_seconds=0,
            )
        )
        holder.wait_until((directory / READY).exists, what="set up", seconds=START_SECONDS)
        (child,) = _children(holder.pid)
        _pid_file(directory).write_text(str(child))
        self._listener = socket.create_server(("127.0.0.1", port))
        relay = [sys.executable, "-m", "tests.cluster.nodes.relay", str(self._listener.fileno()), str(port)]
        launch(
            Launch(
                "relay",
                ["nsenter", f"--target={child}", "--net", *relay],
                pass_fds=(self._listener.fileno(),),
            )
        )

    def around(self, command: Command) -> Command:
        """Give the command that runs `command` in the node's network."""
        return [*enter(self._directory, "--net"), *command]

    def start(self, launch: Callable[[Launch], Process]) -> Process:
        """Start the container runtime, the node's agents and DNS; give kubelet."""
        directory = self._directory
        config = self._containerd_config()
        containerd = self._launch(launch, "containerd", [self._runtime / "containerd", "--config", config])
        containerd.wait_until(self._has_imported, what="ready", seconds=START_SECONDS)
        corefile = directory / "Corefile"
        corefile.write_text(_COREFILE.format(kubeconfig=directory / "dns.kubeconfig"))
        self._launch(launch, "dns", [self._dns_server, "-conf", corefile])
        proxy: Command = [
            self._tools["kube-proxy"],
            f"--kubeconfig={directory / 'kube-proxy.kubeconfig'}",
            f"--hostname-override={HOST_NAME}",
            "--proxy-mode=nftables",
            f"--cluster-cidr={POD_CIDR}",
            # Belongs to the whole machine, which is not ours.
            "--conntrack-max-per-core=0",
            "--oom-score-adj=0",
            "--bind-address=127.0.0.1",
            "--healthz-bind-address=127.0.0.1:10256",
        ]
        self._launch(launch, "kube-proxy", proxy)
        kubelet: Command = [
            self._tools["kubelet"],
            f"--config={self._kubelet_config()}",
            f"--kubeconfig={directory / 'kubelet.kubeconfig'}",
            f"--hostname-override={HOST_NAME}",
            f"--node-ip={NODE_ADDRESS}",
        ]
        return self._launch(launch, "kubelet", kubelet)

    def objects(self) -> Iterable[dict[str, Any]]:
        """Give nothing: kubelet registers the node."""
        return ()

    def remove(self) -> None:
        """Remove the cgroups; all the rest went with the namespaces."""
        if self._listener is not None:
            self._listener.close()
        if self._cgroup:
            cgroups.remove(self._cgroup)

    def _launch(self, launch: Callable[[Launch], Process], name: str, command: Command) -> Process:
        # Stopping nsenter, which waits outside, is to stop what it runs inside.
        inside = [
            *enter(self._directory, "--mount", "--net", "--uts", "--ipc", "--pid"),
            *orphaned(signal.SIGTERM),
        ]
        return launch(Launch(name, [*inside, *command], environment=self._environment))

    def _has_imported(self) -> bool:
        """Import the node's own images, as soon as containerd answers."""
        images = self._directory / "images"
        if not images.exists():
            images.mkdir()
            _write_images(images)
        try:
            for archive in images.glob("*.tar"):
                import_image(self._directory, archive)
        except ProcessError:
            return False
        return True

    def _containerd_config(self) -> Path:
        directory = self._directory
        network = directory / "cni"
        network.mkdir()
        (network / "10-pods.conflist").write_text(json.dumps(_POD_NETWORK, indent=2))
        path = directory / "containerd.toml"
        path.write_text(_CONTAINERD_CONFIG.format(directory=directory, network=network, root=self._root))
        return path

    def _kubelet_config(self) -> Path:
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._cgroup}",
            # Nobody but the control plane and its pods is in this network.
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "clusterDNS": [NODE_ADDRESS],
            "clusterDomain": CLUSTER_DOMAIN,
            # The machine's disk is not the node's; imported images could not be pulled again.
            "evictionHard": {"memory.available": "50Mi"},
            "imageGCHighThresholdPercent": 100,
            "serializeImagePulls": False,
        }
        path = self._directory / "kubelet.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path


def enter(directory: Path, *namespaces: str) -> Command:
    """Give the words before a command that run it in `namespaces` of the node whose folder is `directory`."""
    return ["nsenter", f"--target={_pid_file(directory).read_text()}", *namespaces, "--"]


def import_image(directory: Path, archive: Path) -> None:
    """Have the node whose folder is `directory` know the images of a ``docker save`` or OCI archive.

    Raises
    ------
    ProcessError
        When containerd refuses it or is not there; the message is its own.
    """
    ctr = ensure_container_runtime() / "ctr"
    command: Command = [ctr, f"--address={SOCKET}", "--namespace=k8s.io", "images", "import", archive]
    done = subprocess.run(
        [*enter(directory, "--mount", "--net"), *command],
        capture_output=True,
        text=True,
        timeout=IMPORT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise ProcessError(f"{archive.name} could not be imported: {done.stderr.strip()}")


def _environment(root: Path, runtime: Path) -> dict[str, str]:
    """Give the variables with which containerd finds its shim, and all find Debian's programs."""
    found = debian_environment(root)
    return {**found, "PATH": os.pathsep.join((str(runtime), found["PATH"]))}


def _pid_file(directory: Path) -> Path:
    return directory / "namespaces.pid"


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _write_images(directory: Path) -> None:
    """Write the images that every node has into a folder."""
    packages = debian_root(SHELL_PACKAGES, cache_directory())
    root = directory / "root"
    shutil.copytree(packages, root, symlinks=True, ignore=shutil.ignore_patterns("gconv", "share"))
    busybox = root / "bin" / "busybox"
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, timeout=10, check=True)
    for program in listed.stdout.split():
        if program != "busybox":
            (root / "bin" / program).symlink_to("busybox")
    write_image(directory / "pause.tar", PAUSE_IMAGE, root, ["/bin/sleep", "2147483647"])
    write_image(directory / "shell.tar", SHELL_IMAGE, root, [])
