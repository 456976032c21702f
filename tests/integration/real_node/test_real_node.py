"""The real node runs containers, resolves names, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.nodes import cgroups
from tests.cluster.nodes.real import POD_CIDR, SHELL_IMAGE
from tests.cluster.waiting import wait_for


def pod(name: str, script: str, **container: Any) -> dict[str, Any]:
    shell = {"name": "shell", "image": SHELL_IMAGE, "command": ["sh", "-c", script], **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [shell], "terminationGracePeriodSeconds": 0},
    }


def output(cluster: ControlPlane, namespace: str, name: str) -> str:
    return cluster.kubectl("logs", name, "--namespace", namespace).stdout


def test_a_service_is_reached_by_its_name(
    real_node: ControlPlane, node_api: KubeApi, node_namespace: str
) -> None:
    serve = "mkdir /www && echo served > /www/index.html && httpd -f -p 5005 -h /www"
    probe = {"httpGet": {"path": "/", "port": 5005}, "periodSeconds": 1}
    node_api.create(
        pod("server", serve, readinessProbe=probe, ports=[{"containerPort": 5005, "name": "http"}])
    )
    node_api.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "server"},
            "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": "http"}]},
        }
    )
    server = node_api.wait_for_condition("Pod", "server", "Ready", deadline=60)
    ask = f"until wget -q -O - http://server.{node_namespace}.svc; do sleep 0.5; done; sleep 3600"

    node_api.create(pod("client", ask))

    wait_for(
        lambda: node_api.get("Pod", "client")["status"].get("phase") == "Running",
        60,
        "the client runs",
    )
    wait_for(lambda: "served" in output(real_node, node_namespace, "client"), 30, "an answer of the Service")
    assert server["status"]["podIP"].startswith(POD_CIDR.rpartition(".")[0])


def test_the_kubelet_answers_exec(real_node: ControlPlane, node_api: KubeApi, node_namespace: str) -> None:
    node_api.create(pod("shell", "sleep 3600"))
    node_api.wait_for_condition("Pod", "shell", "Ready", deadline=60)

    said = real_node.kubectl("exec", "shell", "--namespace", node_namespace, "--", "echo", "from inside")

    assert said.stdout == "from inside\n"


def test_nothing_is_left_of_a_stopped_node(real_node: ControlPlane, tmp_path: Path) -> None:
    directory = tmp_path / "control-plane"
    with ControlPlane.start(directory=directory, real_node=True) as cluster:
        api = KubeApi(cluster.kubeconfig)
        api.create(pod("shell", "exec sleep 3599"))
        api.wait_for_condition("Pod", "shell", "Ready", deadline=60)
        api.close()
        holder = holder_of(directory)
        seen = traces(holder)
        assert "sleep\x003599\x00" in seen["processes"]
        assert seen["cgroups"]

    assert traces(holder) == {"processes": [], "cgroups": []}
    assert not directory.exists()


def test_a_killed_holder_takes_the_node_along(real_node: ControlPlane, tmp_path: Path) -> None:
    directory = tmp_path / "control-plane"
    cluster = ControlPlane.start(directory=directory, real_node=True)
    holder = holder_of(directory)

    os.kill(holder, signal.SIGKILL)

    wait_for(lambda: not traces(holder)["processes"], 30, "the node is gone")
    # Its cgroup goes with the next node's start.
    cluster.stop()
    with ControlPlane.start(real_node=True):
        assert not traces(holder)["cgroups"]


def holder_of(directory: Path) -> int:
    """Give the process that holds the control plane of a folder."""
    (holder,) = [
        pid
        for pid, line in processes().items()
        if line.endswith(f"tests.cluster.serve\0{directory}\0--real-node\0")
    ]
    return holder


def processes() -> dict[int, str]:
    """Give the command line of every process of this machine."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = (entry / "cmdline").read_text()
            except OSError:
                continue
    return found


def traces(holder: int) -> dict[str, list[str]]:
    """Give what there is on this machine of the node that a process holds."""
    name = f"model-operator-{holder}"
    inside = []
    for pid, line in processes().items():
        with suppress(OSError):
            if name in Path("/proc", str(pid), "cgroup").read_text():
                inside.append(line)
    return {
        "processes": inside,
        "cgroups": [str(path) for path in cgroups.directories(name)],
    }
