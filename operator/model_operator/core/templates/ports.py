"""The port that a model serves: the one that its Service leads to and that its default probes use.

One rule decides it for Deployment, Service and probes: ``port``, else the port of container ``model`` that
is named ``http``, else its only port, else the port of the readiness probe, else 5005. Of several ports the
probes decide; if they do not, the template is invalid. UDP and SCTP ports are never served.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model_operator.api import ModelTemplateSpec
from model_operator.core.templates.pod_paths import Path
from model_operator.core.values.json_values import mapping_in

DEFAULT_PORT: Final = 5005
"""The port of a model whose template states none."""
PORT_NAME: Final = "http"
"""Name of the served port, unless the template gives it another one."""

_PROBES: Final = ("readinessProbe", "startupProbe", "livenessProbe")
"""The probes in the order in which they decide between several ports."""
_HANDLERS: Final = ("httpGet", "tcpSocket", "grpc")
_TCP: Final = "TCP"


class PortConflictError(ValueError):
    """The ports of the container contradict each other; the message says what to write instead.

    Attributes
    ----------
    path
        Path of the wrong field, from the container.
    """

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class ServedPort:
    """The served port.

    Attributes
    ----------
    number
        Its number, or a reference to a parameter as text.
    name
        Its name in the rendered pod.
    index
        Its index in ``ports`` as the template states them; None if the template does not list it.
    is_explicit
        Whether it is ``port`` of the bundle.
    is_assumed
        Whether it is `DEFAULT_PORT`, as nothing in the template states a port.
    """

    number: int | str
    name: str = PORT_NAME
    index: int | None = None
    is_explicit: bool = False
    is_assumed: bool = False


def wants_http(spec: ModelTemplateSpec) -> bool:
    """Whether the model serves HTTP, or has at least a health check by HTTP."""
    route = spec.vendor_configuration.bundle_config.healthcheck_route
    return spec.endpoint_type.serves_http or route is not None


def served_port(container: Mapping[str, Any], spec: ModelTemplateSpec) -> ServedPort | None:
    """Return the served port of a model; None if it serves none.

    Parameters
    ----------
    container
        The container ``model`` as ``pod_template`` states it; empty if it does not.
    spec
        ``spec`` of its template.

    Raises
    ------
    PortConflictError
        Several ports could be meant, or the served one has a wrong protocol.
    """
    explicit = spec.vendor_configuration.bundle_config.port
    ports = list(container.get("ports") or ())
    if explicit is None and not wants_http(spec):
        return None
    named = next((index for index, port in enumerate(ports) if port.get("name") == PORT_NAME), None)
    if named is not None and not _is_tcp(ports[named]):
        message = f"must be TCP: the port named {PORT_NAME} is the one that the Service leads to"
        raise PortConflictError(("ports", named, "protocol"), message)
    if explicit is not None:
        return _explicit(ports, explicit, named)
    if named is not None:
        return ServedPort(_number(ports[named]), PORT_NAME, named)
    candidates = [index for index, port in enumerate(ports) if _is_tcp(port) and _number(port) is not None]
    if len(candidates) > 1:
        candidates = [_decided_by_probe(container, ports, candidates)]
    if candidates:
        port = ports[candidates[0]]
        return ServedPort(_number(port), port.get("name") or PORT_NAME, candidates[0])
    probed = next((port for _, port in probe_ports(container, _PROBES[:1]) if _is_number(port)), None)
    return ServedPort(DEFAULT_PORT, is_assumed=True) if probed is None else ServedPort(probed)


def layer_port(container: dict[str, Any], served: ServedPort | None) -> None:
    """Add the served port to a container, or its name to the port that the container has.

    A port of the template keeps its name, as probes and other objects may refer to it.

    Parameters
    ----------
    container
        A container; its ``ports`` are replaced.
    served
        The port that `served_port` returned for this container.
    """
    if served is None:
        return
    ports: list[dict[str, Any]] = container.get("ports") or []
    stated = {} if served.index is None else ports[served.index]
    is_stated = _number(stated) == served.number
    if is_stated and stated.get("name") == served.name and not served.is_explicit:
        return
    wanted = {"name": served.name, "containerPort": served.number, "protocol": _TCP}
    if is_stated:
        wanted = {**stated, **wanted}
    # Number and protocol are the key of a port in server-side apply, so they must be unique.
    replaced = [
        index
        for index, port in enumerate(ports)
        if index == served.index or port.get("name") == served.name or _is_numbered(port, served.number)
    ]
    kept = [port for index, port in enumerate(ports) if index not in replaced]
    kept.insert(replaced[0] if replaced else 0, wanted)
    container["ports"] = kept


def service_target(container: Mapping[str, Any], name: str) -> str | int:
    """Return the ``targetPort`` of a Service that leads to the served port.

    A port named ``http`` is targeted by name, so that its number can change during a roll-out. Any other name
    belongs to the template, and old pods may not have it: such a port is targeted by number.

    Parameters
    ----------
    container
        The container ``model`` of a rendered pod.
    name
        Name of the served port.
    """
    target: str | int = PORT_NAME
    for port in container.get("ports") or ():
        if port.get("name") == PORT_NAME:
            return PORT_NAME
        if port.get("name") == name:
            target = port["containerPort"]
    return target


def probe_ports(
    container: Mapping[str, Any], probes: tuple[str, ...] = _PROBES
) -> Iterator[tuple[Path, Any]]:
    """Yield the ports of a container's probes with their paths from the container.

    Parameters
    ----------
    container
        A container, any JSON inside its probes.
    probes
        The fields of the probes.
    """
    for field in probes:
        probe = mapping_in(container, field)
        for handler in _HANDLERS if probe else ():
            port = mapping_in(probe, handler).get("port")
            if port is not None:
                yield (field, handler, "port"), port


def _explicit(ports: list[Mapping[str, Any]], number: int, named: int | None) -> ServedPort:
    same = next((index for index, port in enumerate(ports) if _is_numbered(port, number)), None)
    if same is None or ports[same].get("name") in (None, PORT_NAME):
        return ServedPort(number, PORT_NAME, same if named is None else named, is_explicit=True)
    if named is not None:
        message = (
            "is the name of another port than bundle_config.port, which is declared as well; rename it, as "
            f"{PORT_NAME} is the name of the served port"
        )
        raise PortConflictError(("ports", named, "name"), message)
    return ServedPort(number, ports[same]["name"], same, is_explicit=True)


def _decided_by_probe(
    container: Mapping[str, Any], ports: list[Mapping[str, Any]], candidates: list[int]
) -> int:
    """Return the index of the port that the first probe with a port uses."""
    for _, port in probe_ports(container):
        for index in candidates:
            if port in (ports[index].get("containerPort"), ports[index].get("name")):
                return index
        break
    message = (
        "must state which port is served: there are several, none is named http, and no probe uses one of "
        "them; set spec.vendor_configuration.bundle_config.port, or name the served port http"
    )
    raise PortConflictError(("ports",), message)


def _number(port: Mapping[str, Any]) -> Any:
    return port.get("containerPort")


def _is_numbered(port: Mapping[str, Any], number: int | str) -> bool:
    return _number(port) == number and _is_tcp(port)


def _is_tcp(port: Mapping[str, Any]) -> bool:
    # A protocol in a reference is known only for an instance.
    return (port.get("protocol") or _TCP) not in ("UDP", "SCTP")


def _is_number(port: Any) -> bool:
    is_reference = isinstance(port, str) and port.startswith("$(")
    return is_reference or (isinstance(port, int) and not isinstance(port, bool))
