"""The served port, the probes and the Service of a workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from model_operator.core.offline.conversion.metadata import kept_entries
from model_operator.core.offline.conversion.notes import Draft, Topic
from model_operator.core.offline.conversion.servers import Server
from model_operator.core.offline.conversion.workloads import Workload, items, mapping, name_of
from model_operator.core.templates.ports import PORT_NAME, probe_ports

_PROBES: Final = ("readinessProbe", "startupProbe", "livenessProbe")
_HANDLERS: Final = ("httpGet", "tcpSocket", "exec", "grpc")
_TIMES: Final = frozenset({"initialDelaySeconds", *_HANDLERS})
_OPTIONS: Final = ("--port", "--http-port", "--server-port", "--http_port", "--rest_api_port")
_VARIABLES: Final = ("PORT", "HTTP_PORT", "SERVER_PORT", "INFINITY_PORT")
_MAX_PORT: Final = 65535
_DEFAULT_PORT_OF_SERVICES: Final = 80


class _Served(NamedTuple):
    number: int
    place: int | None = None


def service_targets(workload: Workload) -> list[Any]:
    """Return the numbers and names of the ports to which the Services of a workload lead, in their order."""
    ports = [port for service in _ordered(workload) for port in items(mapping(service["spec"]).get("ports"))]
    return [port.get("targetPort", port.get("port")) for port in ports if _is_tcp(port)]


def take_serving(draft: Draft, workload: Workload, server: Server | None) -> None:
    """Decide on the served port, and move port, probes and Service to the fields of the template.

    Parameters
    ----------
    draft
        The template, with ``bundle``; changed in place.
    workload
        Where the Services come from.
    server
        What is known of the model server.
    """
    served = _served(draft, service_targets(workload), server)
    if served is None:
        draft.rest["endpoint_type"] = "ASYNC"
        draft.note(
            Topic.ASSUMED,
            "endpoint_type ASYNC, as no port, probe or Service was found: set it to SYNC, with port of "
            "bundle_config, if the model serves requests",
        )
        return
    _take_port(draft, served)
    _take_probes(draft, served, server)
    services = _ordered(workload)
    for service in services[:1]:
        _take_service(draft, service, served)
    for other in services[1:]:
        draft.note(
            Topic.BESIDE,
            f"Service {name_of(other)}, with the selector modeloperator.dev/instance: a model has one",
        )


def _served(draft: Draft, targets: Sequence[Any], server: Server | None) -> _Served | None:
    container = draft.container
    ports = [(index, port) for index, port in enumerate(items(container.get("ports"))) if _is_tcp(port)]
    numbered = [(index, port) for index, port in ports if isinstance(port.get("containerPort"), int)]
    named = [each for each in numbered if each[1].get("name") == PORT_NAME]
    probed = [port for _, port in probe_ports(container, _PROBES)]
    for wanted in (*targets, *probed):
        if named:
            break
        for index, port in numbered:
            if wanted in (port.get("name"), port["containerPort"]):
                return _Served(port["containerPort"], index)
        if (
            isinstance(wanted, int)
            and not isinstance(wanted, bool)
            and not _belongs_to_another(draft, wanted)
        ):
            return _Served(wanted)
    if named or len(numbered) == 1:
        index, port = (named or numbered)[0]
        return _Served(port["containerPort"], index)
    stated = next(_stated_ports(draft.bundle), None)
    if stated is not None:
        index_of = {port["containerPort"]: index for index, port in numbered}
        draft.note(Topic.ASSUMED, "port of bundle_config, from the arguments or variables of the container")
        return _Served(stated, index_of.get(stated))
    if numbered:
        draft.note(Topic.ASSUMED, "port of bundle_config: the first of several")
        return _Served(numbered[0][1]["containerPort"], numbered[0][0])
    if server is not None:
        draft.note(Topic.ASSUMED, "port of bundle_config: the default of the server in the image")
        return _Served(server.port)
    return None


def _belongs_to_another(draft: Draft, number: int) -> bool:
    others = (each for each in items(draft.pod_spec.get("containers")) if each is not draft.container)
    return any(port.get("containerPort") == number for each in others for port in items(each.get("ports")))


def _stated_ports(bundle: Mapping[str, Any]) -> Iterator[int]:
    """Yield the ports that arguments and variables state."""
    texts = (
        each for field in ("command", "args") for each in bundle.get(field) or () if isinstance(each, str)
    )
    words = [word for text in texts for word in text.split()]
    for index, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in _OPTIONS:
            value = value if equals else (words[index + 1] if index + 1 < len(words) else "")
            if _is_port(value):
                yield int(value)
    for name in _VARIABLES:
        if _is_port(bundle.get("env", {}).get(name, "")):
            yield int(bundle["env"][name])


def _is_port(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) <= _MAX_PORT


def _is_tcp(port: Mapping[str, Any]) -> bool:
    return (port.get("protocol") or "TCP") == "TCP"


def _take_port(draft: Draft, served: _Served) -> None:
    container = draft.container
    draft.bundle["port"] = served.number
    ports = items(container.get("ports"))
    if len(ports) == 1 and served.place == 0:
        plain = ports[0].keys() <= {"name", "containerPort", "protocol"}
        if plain and ports[0].get("name") in (None, PORT_NAME):
            del container["ports"]
    containers = draft.pod_spec["containers"]
    place = next(index for index, each in enumerate(containers) if each is container)
    earlier = [port for each in containers[:place] for port in items(each.get("ports"))]
    if any(port.get("name") == PORT_NAME for port in earlier):
        # A Service leads to the first port of a name.
        containers.insert(0, containers.pop(place))


def _take_probes(draft: Draft, served: _Served, server: Server | None) -> None:
    container, bundle = draft.container, draft.bundle
    readiness, startup = container.get("readinessProbe"), container.get("startupProbe")
    ports = items(container.get("ports"))
    name = ports[served.place].get("name") if ports and served.place is not None else PORT_NAME
    own = (served.number, name)
    if isinstance(startup, Mapping):
        seconds = _product(startup.get("periodSeconds", 10), startup.get("failureThreshold", 3))
        if seconds:
            draft.endpoint["startup_timeout_seconds"] = seconds
    if isinstance(readiness, Mapping):
        # The built-in probe has a period and a timeout of its own: it is for probes that state none.
        route = _route(readiness, own) if startup is None and readiness.keys() <= _TIMES else None
        if route is not None:
            bundle["healthcheck_route"] = route
            if isinstance(readiness.get("initialDelaySeconds"), int):
                bundle["readiness_initial_delay_seconds"] = readiness["initialDelaySeconds"]
            del container["readinessProbe"]
        elif mapping(readiness.get("httpGet")).get("scheme") == "HTTPS":
            draft.rest["service"] = {"scheme": "https"}
        return
    source = next((container[key] for key in _PROBES if isinstance(container.get(key), Mapping)), None)
    if source is None and server is not None:
        bundle["healthcheck_route"] = server.health_route
        draft.note(
            Topic.ASSUMED, "healthcheck_route: that of the server in the image; the manifest has no probe"
        )
    elif source is None:
        container["readinessProbe"] = {"tcpSocket": {"port": served.number}, "periodSeconds": 5}
        draft.note(
            Topic.ASSUMED,
            "readinessProbe: ready once the port accepts connections; the manifest has no probe, so set "
            "healthcheck_route instead if the server has a path for it",
        )
    else:
        route = _route(source, own) if startup is None else None
        if route is not None:
            bundle["healthcheck_route"] = route
        else:
            container["readinessProbe"] = {
                **{key: source[key] for key in _HANDLERS if key in source},
                "periodSeconds": 5,
            }
        draft.note(Topic.ASSUMED, "the readiness probe asks what the liveness or startup probe asks")


def _route(probe: Mapping[str, Any], own: tuple[Any, ...]) -> str | None:
    """Return the path of a probe that the built-in one can replace."""
    get = mapping(probe.get("httpGet"))
    is_plain = get.keys() <= {"path", "port", "scheme"} and get.get("scheme", "HTTP") == "HTTP"
    path = get.get("path", "/")
    return path if get and is_plain and get.get("port") in own and str(path).startswith("/") else None


def _product(period: Any, threshold: Any) -> int:
    is_number = isinstance(period, int) and isinstance(threshold, int)
    return min(period * threshold, 86400) if is_number else 0


def _ordered(workload: Workload) -> list[Mapping[str, Any]]:
    """Return the Services, those with an address first: a headless one is mostly a StatefulSet's."""
    return sorted(workload.services, key=lambda each: mapping(each.get("spec")).get("clusterIP") == "None")


_KNOWN: Final = frozenset(
    {
        "type",
        "selector",
        "ports",
        "clusterIP",
        "sessionAffinity",
        "clusterIPs",
        "ipFamilies",
        "ipFamilyPolicy",
    }
    | {"internalTrafficPolicy", "allocateLoadBalancerNodePorts"}
)
_TYPES: Final = ("NodePort", "LoadBalancer")


def _take_service(draft: Draft, service: Mapping[str, Any], served: _Served) -> None:
    spec, name = mapping(service.get("spec")), name_of(service)
    config: dict[str, Any] = draft.rest.pop("service", {})
    tcp = _tcp_ports(draft, spec, name)
    if spec.get("type") in _TYPES:
        config["type"] = spec["type"]
    if spec.get("clusterIP") == "None":
        config["headless"] = True
    if spec.get("sessionAffinity") == "ClientIP":
        config["session_affinity"] = "ClientIP"
    ports = [_port(draft, port, served) for port in tcp]
    if ports and (config or ports != [{"name": "http", "port": _DEFAULT_PORT_OF_SERVICES}]):
        config["ports"] = ports
    for field in ("labels", "annotations"):
        entries = kept_entries(mapping(service.get("metadata")).get(field))
        if entries:
            config[field] = entries
    for key in sorted(spec.keys() - _KNOWN):
        draft.note(Topic.NO_PLACE, f"{key} of Service {name}")
    if config:
        draft.rest["service"] = config


def _tcp_ports(draft: Draft, spec: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    given = items(spec.get("ports"))
    tcp = [port for port in given if _is_tcp(port) and isinstance(port.get("port"), int)]
    if len(tcp) < len(given):
        draft.note(Topic.NO_PLACE, f"ports of Service {name} of other protocols than TCP")
    if any("nodePort" in port for port in tcp):
        draft.note(Topic.NO_PLACE, f"nodePort of Service {name}: Kubernetes chooses one for each instance")
    return tcp


def _port(draft: Draft, port: Mapping[str, Any], served: _Served) -> dict[str, Any]:
    target = port.get("targetPort", port["port"])
    ports = items(draft.container.get("ports"))
    served_name = ports[served.place].get("name") if ports and served.place is not None else PORT_NAME
    found = {"name": port.get("name") or "http", "port": port["port"]}
    if target not in (served.number, served_name):
        found["target_port"] = target
        if isinstance(target, int) and target not in _declared(draft):
            declared = draft.container.setdefault("ports", [])
            declared.append({"containerPort": target})
    if port.get("appProtocol"):
        found["app_protocol"] = port["appProtocol"]
    return found


def _declared(draft: Draft) -> set[Any]:
    containers = items(draft.pod_spec.get("containers"))
    return {port.get("containerPort") for each in containers for port in items(each.get("ports"))}
