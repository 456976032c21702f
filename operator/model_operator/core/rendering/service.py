"""The Service of one deployment of a model, and its address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.templates.probes import PORT_NAME

_PORT = 80


def render_service(*, metadata: Mapping[str, Any], selector: Mapping[str, str]) -> dict[str, Any]:
    """Return the Service: port 80 to the container port named ``http``, whose number may change at any time.

    Parameters
    ----------
    metadata
        Of the Service: name, namespace, labels, owner.
    selector
        Labels of the pods.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": dict(metadata),
        "spec": {
            "type": "ClusterIP",
            "selector": dict(selector),
            # The protocol is part of the key by which server-side apply tells ports apart.
            "ports": [{"name": PORT_NAME, "port": _PORT, "protocol": "TCP", "targetPort": PORT_NAME}],
        },
    }


def service_url(name: str, namespace: str) -> str:
    """Return the address inside the cluster, without the cluster's domain, which nobody need know."""
    return f"http://{name}.{namespace}.svc"
