"""ModelInstances and EndpointSlices as the gateway gets them."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_DNS, uuid5

PLATFORM_APIS = ("EXECUTE", "TYPED", "CHAT_COMPLETIONS")


def uid_of(namespace: str, name: str) -> str:
    """Return the uid that :func:`served_instance` gives an instance."""
    return str(uuid5(NAMESPACE_DNS, f"{namespace}/{name}"))


def served_instance(
    namespace: str = "team-a",
    name: str = "qwen",
    *,
    entries: dict[str, int] | None = None,
    serving: dict[str, Any] | None = None,
    ready: bool = True,
    **metadata: Any,
) -> dict[str, Any]:
    """Return an instance that runs.

    Parameters
    ----------
    namespace, name
        Its name.
    entries
        Name and weight of each entry of ``spec.deployments``; None for the implied one.
    serving
        Fields of ``serving`` that differ.
    ready
        Whether it is Ready.
    metadata
        Further metadata.
    """
    described = {
        "protocol": "OPENAI",
        "model_type": "CHAT_COMPLETION",
        "predict_route": "/predict",
        "apis": ["EXECUTE", "TYPED", "CHAT_COMPLETIONS", "COMPLETIONS"],
        **(serving or {}),
    }
    names = [name] if entries is None else [f"{name}-{entry}" for entry in entries]
    spec: dict[str, Any] = {"model_template_id": "chat"}
    if entries is not None:
        spec["deployments"] = [{"name": entry, "traffic_weight": weight} for entry, weight in entries.items()]
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    condition |= {"reason": "RolledOut", "message": "Fine."} if ready else {"reason": "ImagePullFailed"}
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": uid_of(namespace, name),
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **metadata,
        },
        "spec": spec,
        "status": {
            "conditions": [condition],
            "deployments": [{"name": each, "status": "READY", "serving": described} for each in names],
        },
    }


def endpoint_slice(
    service: str = "qwen",
    *addresses: str,
    namespace: str = "team-a",
    name: str = "qwen-abc",
    port: int = 5005,
    conditions: dict[str, Any] | None = None,
    **changed: Any,
) -> dict[str, Any]:
    """Return a slice of a Service of ours; `changed` replaces whole fields."""
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "resourceVersion": "1",
            "labels": {
                "app.kubernetes.io/managed-by": "model-operator",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": service,
            },
            "ownerReferences": [{"kind": "Service", "name": service, "controller": True}],
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [address],
                "conditions": conditions or {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "uid": f"pod-{address}"},
            }
            for address in addresses
        ],
        **changed,
    }
