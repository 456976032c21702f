"""The probes of the model container."""

from __future__ import annotations

from typing import Any

from model_operator.api import ModelTemplateSpec
from model_operator.api.enums import ServiceScheme
from model_operator.api.service import ServiceConfig
from model_operator.core.templates.ports import ServedPort, wants_http

DEFAULT_HEALTHCHECK_ROUTE = "/readyz"
DEFAULT_STARTUP_TIMEOUT_SECONDS = 1800

_PERIOD_SECONDS = 5
_TIMEOUT_SECONDS = 5
_HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")


def layer_probes(container: dict[str, Any], spec: ModelTemplateSpec, served: ServedPort | None) -> None:
    """Add the readiness and the startup probe of the model container.

    An explicit ``healthcheck_route`` replaces the probes of the pod template. Otherwise those are kept, with
    explicit values of delay and timeout. The startup probe has the handler of the readiness probe and allows
    ``startup_timeout_seconds``. A model that pulls its work has probes only if the template defines them.

    Parameters
    ----------
    container
        A container; its probes are replaced.
    spec
        ``spec`` of its template.
    served
        The served port, with which the default probes are made; None if the model serves none.
    """
    bundle = spec.vendor_configuration.bundle_config
    endpoint = spec.vendor_configuration.endpoint_config
    explicit = bundle.healthcheck_route is not None
    readiness = None if explicit else container.get("readinessProbe")
    startup = None if explicit else container.get("startupProbe")
    if readiness is None and served is not None and wants_http(spec):
        readiness = {
            **_health_check(bundle.healthcheck_route, served, spec.service),
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


def _health_check(route: str | None, served: ServedPort, service: ServiceConfig | None) -> dict[str, Any]:
    """Return the handler of the built-in probes, by the scheme of the model."""
    scheme = None if service is None else service.scheme
    if scheme is ServiceScheme.GRPC and route is None:
        # The kubelet takes no name of a port here.
        return {"grpc": {"port": served.number}}
    get = {"path": route or DEFAULT_HEALTHCHECK_ROUTE, "port": served.name}
    return {"httpGet": {**get, "scheme": "HTTPS"} if scheme is ServiceScheme.HTTPS else get}


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
