"""The Service of one deployment of a model, its targets in the pods, and its URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.api.enums import ServiceScheme, ServiceType
from model_operator.api.service import ServiceConfig
from model_operator.core.templates.layering import MODEL_CONTAINER
from model_operator.core.templates.ports import service_target
from model_operator.core.templates.service_ports import serving_ports

NO_ADDRESS: Final = "None"
"""``clusterIP`` of a headless Service."""

_PORTS: Final = {ServiceScheme.HTTP: 80, ServiceScheme.HTTPS: 443, ServiceScheme.GRPC: 80}
_IMPLIED: Final = {ServiceScheme.HTTP: 80, ServiceScheme.HTTPS: 443}
"""Ports that a URL need not name."""


def render_service(
    *,
    metadata: Mapping[str, Any],
    selector: Mapping[str, str],
    pod: Mapping[str, Any],
    port_name: str,
    config: ServiceConfig,
) -> dict[str, Any]:
    """Return the Service.

    Fields that the template leaves open belong to the API server and to other managers: the allocated
    addresses and node ports, traffic policies, source ranges of a load balancer.

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
    config
        The template's ``service``.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": dict(metadata),
        "spec": {
            "type": (config.type or ServiceType.CLUSTER_IP).value,
            "selector": dict(selector),
            "ports": _ports(config, pod, _target(pod, port_name)),
            **({"clusterIP": NO_ADDRESS} if config.headless else {}),
            **({"sessionAffinity": config.session_affinity.value} if config.session_affinity else {}),
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


def service_url(service: Mapping[str, Any], pod: Mapping[str, Any], scheme: ServiceScheme | None) -> str:
    """Return the URL inside the cluster, without the cluster domain, which is not needed.

    Parameters
    ----------
    service
        A rendered Service; the URL has its first port.
    pod
        The rendered pod template. The name of a headless Service resolves to the pods, whose port it is then.
    scheme
        The template's ``service.scheme``; None for http.
    """
    first = service["spec"]["ports"][0]
    port = first["port"]
    if service["spec"].get("clusterIP") == NO_ADDRESS:
        port = _number(pod, first["targetPort"]) or port
    metadata = service["metadata"]
    return url_of(metadata["name"], metadata["namespace"], scheme, port)


def url_of(name: str, namespace: str, scheme: ServiceScheme | None = None, port: int | None = None) -> str:
    """Return the URL of a Service by its name."""
    scheme = scheme or ServiceScheme.HTTP
    suffix = "" if port in (None, _IMPLIED.get(scheme)) else f":{port}"
    return f"{scheme.value}://{name}.{namespace}.svc{suffix}"


def _ports(config: ServiceConfig, pod: Mapping[str, Any], target: str | int) -> list[dict[str, Any]]:
    if config.ports is None:
        scheme = config.scheme or ServiceScheme.HTTP
        number = (_number(pod, target) if config.headless else None) or _PORTS[scheme]
        protocol = None if scheme is ServiceScheme.HTTP else scheme.value
        return [_port(scheme.value, number, target, protocol)]
    return [
        _port(
            port.name, port.port, target if port.target_port is None else port.target_port, port.app_protocol
        )
        for port in config.ports
    ]


def _port(name: str, number: int, target: str | int, app_protocol: str | None) -> dict[str, Any]:
    # The protocol is part of the key of a port in server-side apply.
    port = {"name": name, "port": number, "protocol": "TCP", "targetPort": target}
    return port if app_protocol is None else {**port, "appProtocol": app_protocol}


def _number(pod: Mapping[str, Any], target: str | int) -> int | None:
    """Return the number of the container port that a Service targets; None if no container has it."""
    if isinstance(target, int):
        return target
    return next(
        (port.get("containerPort") for port in serving_ports(pod) if port.get("name") == target), None
    )


def _target(pod: Mapping[str, Any], port_name: str) -> str | int:
    containers = pod["spec"]["containers"]
    model: Mapping[str, Any] = next((each for each in containers if each.get("name") == MODEL_CONTAINER), {})
    return service_target(model, port_name)
