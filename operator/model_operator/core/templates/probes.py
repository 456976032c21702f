"""The probes of the model container, and the port that they use."""

from __future__ import annotations

from typing import Any

from model_operator.api import ModelTemplateSpec

DEFAULT_PORT = 5005
DEFAULT_HEALTHCHECK_ROUTE = "/readyz"
DEFAULT_STARTUP_TIMEOUT_SECONDS = 1800
PORT_NAME = "http"
"""Name of the container port; the Service and the probes refer to it by name, so its number can change."""

_PERIOD_SECONDS = 5
_TIMEOUT_SECONDS = 5
_HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")


def lay_port(container: dict[str, Any], spec: ModelTemplateSpec) -> None:
    """Add the port named ``http``: the explicit ``port``, else that of the pod template, else the default.

    A model that pulls its work gets a port only if ``port`` or ``healthcheck_route`` is explicit.
    """
    bundle = spec.vendor_configuration.bundle_config
    ports: list[dict[str, Any]] = container.get("ports") or []
    if bundle.port is None and (
        not _wants_http(spec) or any(port.get("name") == PORT_NAME for port in ports)
    ):
        return
    number = DEFAULT_PORT if bundle.port is None else bundle.port
    wanted = {"name": PORT_NAME, "containerPort": number, "protocol": "TCP"}
    replaced = [index for index, port in enumerate(ports) if _is_same_port(port, number)]
    kept = [port for port in ports if not _is_same_port(port, number)]
    kept.insert(replaced[0] if replaced else 0, wanted)
    container["ports"] = kept


def lay_probes(container: dict[str, Any], spec: ModelTemplateSpec) -> None:
    """Add the readiness and the startup probe of the model container.

    An explicit ``healthcheck_route`` replaces the probes of the pod template. Otherwise those are kept, with
    explicit values of delay and timeout. The startup probe has the handler of the readiness probe and allows
    ``startup_timeout_seconds``. A model that pulls its work has probes only if the template defines them.
    """
    bundle = spec.vendor_configuration.bundle_config
    endpoint = spec.vendor_configuration.endpoint_config
    explicit = bundle.healthcheck_route is not None
    readiness = None if explicit else container.get("readinessProbe")
    startup = None if explicit else container.get("startupProbe")
    if readiness is None and _wants_http(spec):
        route = DEFAULT_HEALTHCHECK_ROUTE if bundle.healthcheck_route is None else bundle.healthcheck_route
        readiness = {
            "httpGet": {"path": route, "port": PORT_NAME},
            "periodSeconds": _PERIOD_SECONDS,
            "timeoutSeconds": _TIMEOUT_SECONDS,
        }
    if readiness is not None:
        handler = {key: readiness[key] for key in _HANDLERS if key in readiness}
        readiness = _with_delay(readiness, bundle.readiness_initial_delay_seconds)
        container["readinessProbe"] = readiness
        if startup is None:
            startup = _startup_probe(
                handler, endpoint.startup_timeout_seconds or DEFAULT_STARTUP_TIMEOUT_SECONDS
            )
        elif endpoint.startup_timeout_seconds is not None:
            startup = _with_timeout(startup, endpoint.startup_timeout_seconds)
    if startup is not None:
        container["startupProbe"] = startup


def _wants_http(spec: ModelTemplateSpec) -> bool:
    route = spec.vendor_configuration.bundle_config.healthcheck_route
    return spec.endpoint_type.serves_http or route is not None


def _is_same_port(port: dict[str, Any], number: int) -> bool:
    # Number and protocol are the key of a port in server-side apply, so they must be unique.
    same_number = port.get("containerPort") == number and (port.get("protocol") or "TCP") == "TCP"
    return port.get("name") == PORT_NAME or same_number


def _with_delay(probe: dict[str, Any], seconds: int | None) -> dict[str, Any]:
    if seconds is None:
        return probe
    # The API server does not store a delay of 0.
    delay = {"initialDelaySeconds": seconds} if seconds else {}
    return {key: value for key, value in probe.items() if key != "initialDelaySeconds"} | delay


def _startup_probe(handler: dict[str, Any], timeout: int) -> dict[str, Any]:
    probe = {"periodSeconds": _PERIOD_SECONDS, "timeoutSeconds": _TIMEOUT_SECONDS}
    return _with_timeout({**handler, **probe}, timeout)


def _with_timeout(probe: dict[str, Any], timeout: int) -> dict[str, Any]:
    # A period of another type is a reference; Kubernetes' default is 10 seconds.
    period = probe.get("periodSeconds", 10)
    period = period if isinstance(period, int) and period > 0 else 10
    return {**probe, "failureThreshold": -(-timeout // period)}
