"""What a ``pod_template`` must not contradict: the bundle, the operator, and itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.api import ModelTemplateSpec
from model_operator.api.values import QUANTITY_HINTS
from model_operator.core.objects.ownership import COMPONENT, COMPONENT_LABEL, MANAGED_BY, MANAGER, OWN_LABELS
from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.templates.images import same_image
from model_operator.core.templates.inner_references import inner_faults
from model_operator.core.templates.layering import MODEL_CONTAINER, layered_pod
from model_operator.core.templates.pod_fields import FieldType, field_spec
from model_operator.core.templates.pod_paths import Path
from model_operator.core.templates.ports import (
    PORT_NAME,
    PortConflictError,
    ServedPort,
    probe_ports,
    served_port,
)
from model_operator.core.templates.substitution import check_text, strings
from model_operator.core.values.quantities import parse_quantity
from model_operator.core.values.violations import Loc, Violation

_LOC: Loc = ("spec", "pod_template")
_FIXED: Final = {MANAGED_BY: MANAGER, COMPONENT_LABEL: COMPONENT}
"""The labels of the operator that have the same value on all pods."""
_PORT_NUMBER: Path = ("spec", "containers", 0, "ports", 0, "containerPort")


def pod_faults(spec: ModelTemplateSpec, parameters: ParameterSchema) -> Iterator[Violation]:
    """Yield the contradictions in the pod template of a template.

    Parameters
    ----------
    spec
        ``spec`` of a template whose ``pod_template`` has passed
        `model_operator.core.templates.pod_shape.check_pod_template`.
    parameters
        The parameters that the template declares.
    """
    written = spec.pod_template or {}
    containers = written_containers(written)
    place = next((index for index, each in containers if each.get("name") == MODEL_CONTAINER), None)
    model = dict(containers).get(place, {}) if place is not None else {}
    loc: Loc = (*_LOC, "spec", "containers", -1 if place is None else place)
    try:
        served = served_port(model, spec)
    except PortConflictError as error:
        yield Violation((*loc, *error.path), str(error), "served_port")
        return
    if served is not None:
        yield from _port_of_probe(model, served, loc, parameters)
        yield from _earlier_ports(containers, served)
    yield from _names(spec, is_added=place is None)
    if place is not None and model.get("image") is not None:
        message = (
            "is not used: the image is registry, image and tag or digest of bundle_config; remove it here"
        )
        yield Violation((*loc, "image"), message, "overruled")
    if place is None and len(containers) == 1:
        yield from _misnamed(containers[0][1], spec)
    yield from _own_labels(written)
    yield from _quantities(written)


def written_containers(pod_template: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the containers of a pod template as it is written, with their indices."""
    return list(enumerate((pod_template.get("spec") or {}).get("containers") or ()))


def _misnamed(container: Mapping[str, Any], spec: ModelTemplateSpec) -> Iterator[Violation]:
    """Yield the name of the only container if it is the model's: the operator would add a second one."""
    image = container.get("image")
    if image is None or (
        isinstance(image, str) and same_image(image, spec.vendor_configuration.bundle_config)
    ):
        states = "has no image of its own" if image is None else "has the image of bundle_config"
        message = (
            f"must be {MODEL_CONTAINER}: the container {states}, and the operator would add a second one; "
            f"name it {MODEL_CONTAINER}"
        )
        yield Violation((*_LOC, "spec", "containers", 0, "name"), message, "container_name")


def _own_labels(written: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield the labels that the operator sets to other values."""
    for label, value in ((written.get("metadata") or {}).get("labels") or {}).items():
        if label in OWN_LABELS and value != _FIXED.get(label):
            message = "is not used: the operator sets this label; remove it here"
            yield Violation((*_LOC, "metadata", "labels", label), message, "overruled")


def _quantities(written: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield texts that are no quantity; the API server says of them only that one of the pod is none."""
    for path, text in strings(written):
        if "$(" in text or field_spec(path).type is not FieldType.QUANTITY:
            continue
        try:
            parse_quantity(text.strip())
        except ValueError:
            hint = next((hint for pattern, hint in QUANTITY_HINTS if re.search(pattern, text)), "")
            message = f"must be a Kubernetes quantity, such as 2, 500m or 16Gi{hint}"
            yield Violation((*_LOC, *path), message, "quantity")


def _port_of_probe(
    model: Mapping[str, Any], served: ServedPort, loc: Loc, parameters: ParameterSchema
) -> Iterator[Violation]:
    """Check the reference of a probe that becomes the number of the served port."""
    if served.index is None and isinstance(served.number, str):
        for path, port in probe_ports(model, ("readinessProbe",)):
            yield from check_text(str(port), (*loc, *path), _PORT_NUMBER, parameters)


def _earlier_ports(
    containers: list[tuple[int, Mapping[str, Any]]], served: ServedPort
) -> Iterator[Violation]:
    """Yield ports named ``http`` of containers before the model's: a Service leads to the first of a name."""
    if served.name != PORT_NAME or all(each.get("name") != MODEL_CONTAINER for _, each in containers):
        return
    for index, container in containers:
        if container.get("name") == MODEL_CONTAINER:
            return
        for number, port in enumerate(container.get("ports") or ()):
            if port.get("name") == PORT_NAME and (port.get("protocol") or "TCP") == "TCP":
                message = (
                    "is also the name of the served port, and the Service would lead to this container; "
                    f"rename it, or list the container {MODEL_CONTAINER} first"
                )
                yield Violation(
                    (*_LOC, "spec", "containers", index, "ports", number, "name"), message, "served_port"
                )


def _names(spec: ModelTemplateSpec, *, is_added: bool) -> Iterator[Violation]:
    """Yield the references inside the layered pod that do not resolve, with the paths of the template."""
    for fault in inner_faults(layered_pod(spec)):
        path = list(fault.path)
        if is_added and path[:2] == ["spec", "containers"]:
            # The container `model` was added before those of the template.
            path[2] = int(path[2]) - 1
        if exists(spec.pod_template or {}, tuple(path)):
            yield Violation((*_LOC, *path), fault.message, fault.type)


def exists(value: Any, path: Path) -> bool:
    """Whether a JSON value has a member at a path."""
    for part in path:
        if isinstance(part, int):
            is_there = isinstance(value, list) and 0 <= part < len(value)
        else:
            is_there = isinstance(value, Mapping) and part in value
        if not is_there:
            return False
        value = value[part]
    return True
