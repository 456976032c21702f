"""The check of a template's ``service`` against the ports of its containers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model_operator.api import ModelTemplateSpec
from model_operator.core.templates.layering import layered_pod
from model_operator.core.templates.ports import PortConflictError
from model_operator.core.values.violations import Loc, Violation
from model_operator.core.values.words import did_you_mean

_LOC: Loc = ("spec", "service", "ports")


def service_faults(spec: ModelTemplateSpec) -> Iterator[Violation]:
    """Yield the ports of the Service that lead to no port of a container.

    Kubernetes accepts them, and connections to them are refused.

    Parameters
    ----------
    spec
        ``spec`` of a template whose ``pod_template`` has passed
        `model_operator.core.templates.pod_shape.check_pod_template`.
    """
    ports = [] if spec.service is None else spec.service.ports or []
    if all(port.target_port is None for port in ports):
        return
    try:
        declared = list(serving_ports(layered_pod(spec)))
    except PortConflictError:
        return  # reported with the pod template
    names = [port["name"] for port in declared if "name" in port]
    # Without a number it is the API server that rejects the port.
    numbers = [port.get("containerPort") for port in declared]
    # A number in a reference is known only for an instance.
    is_open = any(isinstance(number, str) for number in numbers)
    for index, port in enumerate(ports):
        target = port.target_port
        if isinstance(target, str) and target.isdigit():
            # As the API server: a number in quotes is a name.
            message = "must be the name of a port, or a number without quotes"
            yield Violation((*_LOC, index, "target_port"), message, "target_port")
            continue
        if isinstance(target, str) and target not in names:
            found, hint = f"named {target}", did_you_mean(target, names)
        elif isinstance(target, int) and target not in numbers and not is_open:
            found, hint = f"with the number {target}", ""
        else:
            continue
        message = f"no container has a TCP port {found}; declare it in ports of the container in pod_template"
        yield Violation((*_LOC, index, "target_port"), f"{message}{hint}", "target_port")


def serving_ports(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the TCP ports of the containers that run beside the model, and of the model itself.

    Parameters
    ----------
    pod
        A pod template.
    """
    sidecars = (
        each for each in pod["spec"].get("initContainers") or () if each.get("restartPolicy") == "Always"
    )
    for container in (*pod["spec"]["containers"], *sidecars):
        for port in container.get("ports") or ():
            if (port.get("protocol") or "TCP") == "TCP":
                yield port
