"""The names by which parts of a pod refer to each other: ports, volumes, claims and containers.

The API server rejects some references to a missing name, and the kubelet silently skips a probe whose port
does not exist. Here, every reference resolves or is a fault, before any pod exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from model_operator.core.templates.pod_paths import PROBES, Path
from model_operator.core.values.json_values import MAPPINGS, mapping_in
from model_operator.core.values.words import did_you_mean, shorten

_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
"""Prefix of annotations whose keys end with the name of a container."""
_LISTS: Final = ("containers", "initContainers")
_HOOKS: Final = ("postStart", "preStop")
_MAX_FAULTS: Final = 20
_NAMES: Final = frozenset({"port", "containerPort", "protocol", "containerName", "volumeName"})
_NAMED_LISTS: Final = frozenset(
    {
        "containers",
        "initContainers",
        "ports",
        "volumes",
        "volumeMounts",
        "volumeDevices",
        "claims",
        "resourceClaims",
    }
)


@dataclass(frozen=True, slots=True)
class InnerFault:
    """A reference to a missing name, or a name that is given twice.

    Attributes
    ----------
    path
        Path of the field from the root of the pod template.
    message
        What is wrong, and the names that exist.
    expected
        The same without names, for values of an instance.
    type
        Code of the violation: ``unresolved`` or ``not_unique``.
    """

    path: Path
    message: str
    expected: str
    type: str = "unresolved"


def is_name(path: Path) -> bool:
    """Whether the field holds a name or a number by which parts of a pod refer to each other."""
    if path[:1] != ("spec",):
        return False
    in_list = path[-3] in _NAMED_LISTS if len(path) > 3 and isinstance(path[-2], int) else False  # noqa: PLR2004 -- spec, the list, the index
    return path[-1] in _NAMES or (path[-1] == "name" and in_list)


def inner_faults(pod: Mapping[str, Any]) -> Iterator[InnerFault]:
    """Yield the faults of the names inside a pod template, the first 20.

    Names that hold a reference to a parameter are not known yet; they are checked in the rendered pod.

    Parameters
    ----------
    pod
        A PodTemplateSpec that has passed `model_operator.core.templates.pod_shape.check_pod_template`; any
        JSON in the fields which that does not check.
    """
    # A person corrects a handful at a time, and comparing names for a hint is slow.
    return islice(_all_faults(pod), _MAX_FAULTS)


def _all_faults(pod: Mapping[str, Any]) -> Iterator[InnerFault]:
    spec = mapping_in(pod, "spec")
    containers = list(_containers(spec))
    names = _Names("container", "spec.containers", (each for _, each in containers))
    volumes = _Names("volume", "spec.volumes", _items(spec, "volumes"))
    claims = _Names("claim", "spec.resourceClaims", _items(spec, "resourceClaims"))
    yield from _repeated_containers(containers)
    for path, container in containers:
        where = f'the ports of container "{shorten(str(container.get("name")))}"'
        ports = _Names("port", where, _items(container, "ports"))
        for inner, port in _port_references(container):
            yield from ports.check((*path, *inner), port)
        yield from _repeated_ports(path, container)
        for inner, volume in _volume_references(container):
            yield from volumes.check((*path, *inner), volume)
        for index, claim in enumerate(_items(mapping_in(container, "resources"), "claims")):
            if isinstance(claim, Mapping):
                yield from claims.check((*path, "resources", "claims", index, "name"), claim.get("name"))
        for index, variable in enumerate(_items(container, "env")):
            source = mapping_in(mapping_in(variable, "valueFrom"), "resourceFieldRef")
            inner = ("env", index, "valueFrom", "resourceFieldRef", "containerName")
            yield from names.check((*path, *inner), source.get("containerName"))
    for inner, name in _names_in_volumes(spec):
        yield from names.check(("spec", *inner), name)
    for key in mapping_in(mapping_in(pod, "metadata"), "annotations"):
        if isinstance(key, str) and key.startswith(_APPARMOR):
            yield from names.check(("metadata", "annotations", key), key.removeprefix(_APPARMOR))


class _Names:
    """The names of one kind that exist, to which others refer."""

    def __init__(self, noun: str, where: str, objects: Iterable[Any]) -> None:
        self.noun = noun
        self.where = where
        names = [each.get("name") for each in objects if isinstance(each, Mapping)]
        self.known = frozenset(name for name in names if isinstance(name, str))
        # A name in a reference may be any.
        self.is_open = any(_is_unknown(name) for name in self.known)

    def check(self, path: Path, name: Any) -> Iterator[InnerFault]:
        if not isinstance(name, str) or name in self.known or self.is_open or _is_unknown(name):
            return
        if self.noun == "port" and name.isdigit():
            # As the API server: a number in quotes is a name.
            message = "must be the name of a port, or a number without quotes"
        elif not self.known:
            message = f"refers to a {self.noun} that does not exist: there is none in {self.where}"
        else:
            hint = did_you_mean(name, self.known)
            message = f"refers to a {self.noun} that does not exist in {self.where}{hint}"
        yield InnerFault(path, message, f"the name of a {self.noun} of the pod")


def _port_references(container: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    hooks = mapping_in(container, "lifecycle")
    actions: list[tuple[Path, Mapping[str, Any]]] = [
        ((probe,), mapping_in(container, probe)) for probe in sorted(PROBES)
    ]
    actions += [(("lifecycle", hook), mapping_in(hooks, hook)) for hook in _HOOKS]
    for path, action in actions:
        for handler in ("httpGet", "tcpSocket", "grpc") if action else ():
            yield (*path, handler, "port"), mapping_in(action, handler).get("port")


def _volume_references(container: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for key in ("volumeMounts", "volumeDevices"):
        for index, mount in enumerate(_items(container, key)):
            if isinstance(mount, Mapping):
                yield (key, index, "name"), mount.get("name")
    for index, variable in enumerate(_items(container, "env")):
        source = mapping_in(mapping_in(variable, "valueFrom"), "fileKeyRef")
        yield ("env", index, "valueFrom", "fileKeyRef", "volumeName"), source.get("volumeName")


def _names_in_volumes(spec: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for index, volume in enumerate(_items(spec, "volumes")):
        path: Path = ("volumes", index, "downwardAPI")
        yield from _names_in_items(path, mapping_in(volume, "downwardAPI"))
        for number, source in enumerate(_items(mapping_in(volume, "projected"), "sources")):
            path = ("volumes", index, "projected", "sources", number, "downwardAPI")
            yield from _names_in_items(path, mapping_in(source, "downwardAPI"))


def _names_in_items(path: Path, volume: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for index, item in enumerate(_items(volume, "items")):
        name = mapping_in(item, "resourceFieldRef").get("containerName")
        yield (*path, "items", index, "resourceFieldRef", "containerName"), name


def _repeated_containers(containers: list[tuple[Path, Mapping[str, Any]]]) -> Iterator[InnerFault]:
    first: dict[Any, Path] = {}
    for path, container in containers:
        name = container.get("name")
        if isinstance(name, str) and first.setdefault(name, path)[1] != path[1]:
            message = "must be unique in containers and initContainers; rename one of them"
            yield InnerFault((*path, "name"), message, "a unique name", "not_unique")


def _repeated_ports(path: Path, container: Mapping[str, Any]) -> Iterator[InnerFault]:
    """Yield ports that repeat a name, or number and protocol, which are their key in server-side apply."""
    seen = set[Any]()
    for index, port in enumerate(_items(container, "ports")):
        if not isinstance(port, Mapping):
            continue
        name, number = port.get("name"), port.get("containerPort")
        keys = {"name": name if isinstance(name, str) else None}
        if isinstance(number, int):
            keys["containerPort"] = f"{number}/{port.get('protocol') or 'TCP'}"
        for key, value in keys.items():
            if value is not None and (key, value) in seen:
                message = "must be unique in the ports of a container; remove the repeated one"
                expected = "different from the other ports of the container"
                yield InnerFault((*path, "ports", index, key), message, expected, "not_unique")
            seen.add((key, value))


def _containers(spec: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for key in _LISTS:
        for index, container in enumerate(_items(spec, key)):
            if isinstance(container, Mapping):
                yield ("spec", key, index), container


def _is_unknown(name: str) -> bool:
    return "$(" in name


def _items(parent: Any, key: str) -> list[Any]:
    value = parent.get(key) if isinstance(parent, MAPPINGS) else None
    return value if isinstance(value, list) else []
