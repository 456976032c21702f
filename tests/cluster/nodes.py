"""The simulated nodes: one without GPUs and one for each GPU type that a template can ask for."""

from __future__ import annotations

from typing import Any

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


def simulated_nodes() -> dict[str, Any]:
    """Give the nodes as one ``List`` that kubectl applies."""
    items = [_node("simulated-cpu", gpu_type=None)]
    items += [_node(f"simulated-{gpu_type}", gpu_type=gpu_type) for gpu_type in GPU_TYPES]
    return {"apiVersion": "v1", "kind": "List", "items": items}


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
