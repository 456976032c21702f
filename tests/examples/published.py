"""Manifests that authors of model servers publish, written as templates, and what they need in a cluster.

They have the facts of the manifests named in their first lines: images, flags, ports, probes and volumes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent / "manifests"
MANIFESTS: Final = sorted(FOLDER.glob("*.yaml"))

PORTS: Final = {
    "comfyui": 8848,
    "internlm2-chat-7b": 23333,
    "llama3-70b": 8080,
    "local-ai": 8080,
    "meta-llama-31-8b-instruct-sglang": 30000,
    "mistral-7b": 8000,
    "mistral-7b-amd": 8000,
    "resnet": 8500,
    "tei-bge": 8080,
    "torchserve": 8080,
    "vllm-qwen3-32b": 8000,
}
"""The port on which each instance serves, by its name."""
CLAIMS: Final = ("mistral-7b", "model-store-claim", "models-pvc", "comfyui-inputs-pvc", "comfyui-outputs-pvc")
STORAGE_CLASSES: Final = ("ssd", "premium-rwo")
"""Classes of the claims that pods make themselves."""
ACCOUNTS: Final = ("hf-gke-service-account", "comfyui-sa")
NODES: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "t4": ("nvidia.com/gpu", {"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"}),
    "l4": (
        "nvidia.com/gpu",
        {"cloud.google.com/gke-accelerator": "nvidia-l4", "cloud.google.com/gke-spot": "true"},
    ),
    "mi300": ("amd.com/gpu", {}),
}
"""Nodes with GPUs: their resource, with which they are also tainted, and their labels."""


def pairs() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Give each template with its instance."""
    return [tuple(yaml.safe_load_all(path.read_text(encoding="utf-8"))) for path in MANIFESTS]


def namespaced_needs() -> list[dict[str, Any]]:
    """Give what the pods need in their namespace."""
    storage = {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]}
    claims = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name},
            "spec": {**storage, "storageClassName": ""},
        }
        for name in CLAIMS
    ]
    accounts = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}} for name in ACCOUNTS
    ]
    return [*claims, *accounts]


def cluster_needs(namespace: str) -> list[dict[str, Any]]:
    """Give what the pods need in the cluster; names of nodes and volumes begin with the namespace."""
    found: list[dict[str, Any]] = [
        {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": "nvidia"},
            "handler": "nvidia",
        }
    ]
    for name in STORAGE_CLASSES:
        provisioner = "kubernetes.io/no-provisioner"
        found.append(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": name},
                "provisioner": provisioner,
            }
        )
        found.append(_volume(f"{namespace}-{name}", storageClassName=name))
    for name in CLAIMS:
        claim = {"kind": "PersistentVolumeClaim", "namespace": namespace, "name": name}
        found.append(_volume(f"{namespace}-{name}", claimRef=claim))
    return [*found, *(_node(f"{namespace}-{name}", *node) for name, node in NODES.items())]


def _volume(name: str, **spec: Any) -> dict[str, Any]:
    size = {"capacity": {"storage": "1Ti"}, "accessModes": ["ReadWriteOnce"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {**size, "hostPath": {"path": "/data"}, **spec},
    }


def _node(name: str, resource: str, labels: dict[str, str]) -> dict[str, Any]:
    amounts = {"cpu": "1k", "memory": "10Ti", "ephemeral-storage": "10Ti", "pods": "100", resource: "100"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
        "spec": {"taints": [{"key": resource, "value": "present", "effect": "NoSchedule"}]},
        "status": {"allocatable": amounts, "capacity": amounts},
    }
