"""Models that no operator made: an instance with its status, a Service, and the slice of its endpoints.

They are there at once, any address may be an endpoint, and what an attacker could write is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.cluster.kube_api import KubeApi

APIS = {
    "CHAT_COMPLETION": ["CHAT_COMPLETIONS", "COMPLETIONS", "EXECUTE", "TYPED"],
    "COMPLETION": ["COMPLETIONS", "EXECUTE", "TYPED"],
    "EMBEDDING": ["EMBEDDINGS", "EMBED", "EXECUTE", "TYPED"],
    "RERANKING": ["RERANK", "EXECUTE", "TYPED"],
    "GENERIC": ["EXECUTE"],
}
MANAGED_BY = "app.kubernetes.io/managed-by"
SLICE_MANAGER = "endpointslice.kubernetes.io/managed-by"


def publish(
    api: KubeApi,
    name: str,
    port: int,
    addresses: Sequence[str],
    *,
    model_type: str = "CHAT_COMPLETION",
    protocol: str = "OPENAI",
    status: dict[str, Any] | None = None,
    **serving: Any,
) -> str:
    """Create or change a model; return its name at the gateway.

    Parameters
    ----------
    api
        Of a namespace that no operator serves.
    name
        Name of the instance.
    port
        Port of the endpoints.
    addresses
        Addresses of the endpoints.
    model_type, protocol
        What the model is, and how its server is called.
    status
        More fields of the status.
    serving
        More fields of how the deployment serves.
    """
    api.apply(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelInstance",
            "metadata": {"name": name},
            "spec": {"model_template_id": "none"},
        }
    )
    entry = {
        "name": name,
        "status": "READY",
        "serving": {
            "protocol": protocol,
            "model_type": model_type,
            "port": "http",
            "predict_route": "/predict",
            "streaming_predict_route": "/predict",
            "apis": APIS[model_type],
            **serving,
        },
    }
    written = {"status": {"deployments": [entry], **(status or {})}}
    api.patch("ModelInstance", name, written, subresource="status")
    put_endpoints(api, name, port, addresses)
    return f"{api.namespace}/{name}"


def put_endpoints(
    api: KubeApi, service: str, port: int, addresses: Sequence[str], *, name: str = "", **changed: Any
) -> None:
    """Create or replace a slice that looks like one that the controller made of a Service.

    Parameters
    ----------
    api
        Of the namespace.
    service
        Name of the Service; one without a selector is created, so that the controller leaves the slice.
    port
        Port of the endpoints.
    addresses
        Addresses of the endpoints.
    name
        Name of the slice; the Service's by default.
    changed
        Fields of the slice that replace ours.
    """
    labels = {MANAGED_BY: "model-operator", "modeloperator.dev/instance": service}
    ports = [{"name": "http", "port": port, "protocol": "TCP"}]
    made = api.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": service, "labels": labels},
            "spec": {"ports": ports},
        }
    )
    owner = {
        "apiVersion": "v1",
        "kind": "Service",
        "name": service,
        "uid": made["metadata"]["uid"],
        "controller": True,
    }
    api.apply(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name or service,
                "labels": {
                    **labels,
                    SLICE_MANAGER: "endpointslice-controller.k8s.io",
                    "kubernetes.io/service-name": service,
                },
                "ownerReferences": [owner],
            },
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses],
            **changed,
        }
    )
