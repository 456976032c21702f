"""Nodes that kwok plays: one without GPUs and one for each GPU type that a template can ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.cluster.nodes.kind import Addresses, Command, Launch
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from hack.build.toolset import Tools
    from tests.cluster.processes import Process

STAGES = REPOSITORY / "tests" / "cluster" / "config" / "simulation.yaml"

GPU_TYPES = (
    "nvidia-tesla-t4",
    "nvidia-ampere-a10",
    "nvidia-ampere-a100",
    "nvidia-ampere-a100e",
    "nvidia-hopper-h100",
    "nvidia-hopper-h100-1g20gb",
    "nvidia-hopper-h100-3g40gb",
)
ACCELERATOR_LABEL = "k8s.amazonaws.com/accelerator"


class SimulatedNodes:
    """Nodes whose pods become Ready, or fail as they ask for, without any container.

    Parameters
    ----------
    directory
        The control plane's folder.
    tools
        The binaries.
    """

    # Advertised in the `kubernetes` Endpoints, which nobody uses. Loopback is refused there, and the default
    # needs a network: TEST-NET-1 it is.
    addresses = Addresses(bind="127.0.0.1", advertise="192.0.2.1", host="127.0.0.1")
    clients: Mapping[str, tuple[str, str]] = {"kwok": ("kwok", "system:masters")}

    def __init__(self, directory: Path, tools: Tools) -> None:
        self._directory = directory
        self._tools = tools

    def prepare(self, launch: Callable[[Launch], Process], port: int) -> None:
        """Do nothing: the control plane needs nothing of them."""

    def around(self, command: Command) -> Command:
        """Give the command as it is."""
        return command

    def start(self, launch: Callable[[Launch], Process]) -> Process:
        """Start kwok."""
        command: Command = [
            self._tools["kwok"],
            f"--kubeconfig={self._directory / 'kwok.kubeconfig'}",
            f"--config={STAGES}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",
            "--node-ip=10.64.0.1",
            "--cidr=10.128.0.0/10",
        ]
        return launch(Launch("kwok", command, {"KWOK_WORKDIR": str(self._directory / "kwok")}))

    def objects(self) -> Iterator[dict[str, Any]]:
        """Yield the nodes, which no kubelet registers."""
        yield _node("simulated-cpu", gpu_type=None)
        for gpu_type in GPU_TYPES:
            yield _node(f"simulated-{gpu_type}", gpu_type=gpu_type)

    def remove(self) -> None:
        """Do nothing: they leave nothing."""


def _node(name: str, *, gpu_type: str | None) -> dict[str, Any]:
    # Large enough that nothing in a test is ever refused for want of room, unless it asks for the impossible.
    resources = {"cpu": "10k", "memory": "100Ti", "ephemeral-storage": "1000Ti", "pods": "10k"}
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    spec: dict[str, Any] = {}
    if gpu_type is not None:
        resources["nvidia.com/gpu"] = "1k"
        labels[ACCELERATOR_LABEL] = gpu_type
        # As GPU nodes usually are: for pods that ask for a GPU only.
        spec["taints"] = [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {"allocatable": resources, "capacity": resources, "phase": "Pending"},
    }
