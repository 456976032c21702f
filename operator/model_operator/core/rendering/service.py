"""The Service of one deployment of a model, and its URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.templates.probes import PORT_NAME

_PORT = 80


def render_service(*, metadata: Mapping[str, Any], selector: Mapping[str, str]) -> dict[str, Any]:
    """Return the Service: port 80 to the container port named ``http``, whose number may change.

    Parameters
    ----------
    metadata
        Name, namespace, labels and owner of the Service.
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
            # The protocol is part of the key of a port in server-side apply.
            "ports": [{"name": PORT_NAME, "port": _PORT, "protocol": "TCP", "targetPort": PORT_NAME}],
        },
    }


def service_url(name: str, namespace: str) -> str:
    """Return the URL inside the cluster, without the cluster domain, which is not needed."""
    return f"http://{name}.{namespace}.svc"
