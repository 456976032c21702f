"""The Service of one deployment of a model, its target in the pods, and its URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.templates.layering import MODEL_CONTAINER
from model_operator.core.templates.ports import PORT_NAME, service_target

_PORT = 80


def render_service(
    *, metadata: Mapping[str, Any], selector: Mapping[str, str], pod: Mapping[str, Any], port_name: str
) -> dict[str, Any]:
    """Return the Service: port 80 to the served port of the pods.

    Parameters
    ----------
    metadata
        Name, namespace, labels and owner of the Service.
    selector
        Labels of the pods.
    pod
        Their rendered pod template.
    port_name
        Name of the served port.
    """
    target = _target(pod, port_name)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": dict(metadata),
        "spec": {
            "type": "ClusterIP",
            "selector": dict(selector),
            # The protocol is part of the key of a port in server-side apply.
            "ports": [{"name": PORT_NAME, "port": _PORT, "protocol": "TCP", "targetPort": target}],
        },
    }


def with_target(
    service: Mapping[str, Any], port_name: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the Service for the same model with another pod template.

    Parameters
    ----------
    service
        The Service for `old`.
    port_name
        Name of the served port.
    old, new
        Pod templates. `new` may be of an earlier version, whose served port had another name or number.
    """
    before, after = _target(old, port_name), _target(new, port_name)
    ports = [
        {**port, "targetPort": after} if port.get("targetPort") == before else port
        for port in service["spec"]["ports"]
    ]
    return {**service, "spec": {**service["spec"], "ports": ports}}


def service_url(name: str, namespace: str) -> str:
    """Return the URL inside the cluster, without the cluster domain, which is not needed."""
    return f"http://{name}.{namespace}.svc"


def _target(pod: Mapping[str, Any], port_name: str) -> str | int:
    containers = pod["spec"]["containers"]
    model: Mapping[str, Any] = next((each for each in containers if each.get("name") == MODEL_CONTAINER), {})
    return service_target(model, port_name)
