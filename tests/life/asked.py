"""What an instance and a template ask for together, worked out anew for the few fields that stories change.

It is not the operator's own rendering, on purpose: who shares code with what he judges shares its mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.life.history import Object

MISSING_TAG = "missing"
"""The tag of an image that cannot be pulled."""
_TYPES: dict[str, type] = {"string": str, "integer": int}


class Problem(Enum):
    """Why nothing is to change."""

    NO_TEMPLATE = "there is no template"
    BROKEN_TEMPLATE = "the template is broken"
    WRONG_PARAMETERS = "the parameters are wrong"


@dataclass(frozen=True)
class Pods:
    """What one Deployment is to run.

    Attributes
    ----------
    image, environment
        Of the model's container.
    workers
        How many.
    """

    image: str
    environment: Mapping[str, str]
    workers: int

    @property
    def can_start(self) -> bool:
        """Whether such a pod ever becomes ready."""
        return not self.image.endswith(f":{MISSING_TAG}")


@dataclass(frozen=True)
class Asked:
    """What is asked for.

    Attributes
    ----------
    deployments
        By the name of the Deployment; empty with a problem.
    problem
        Why nothing is to change.
    """

    deployments: Mapping[str, Pods] = field(default_factory=dict)
    problem: Problem | None = None


def asked(instance: Object, template: Object | None) -> Asked:
    """Give what an instance asks for with the template that it refers to; None where there is none.

    Parameters that no deployment takes are not judged: with ``deployments: []`` nothing of them is used.
    """
    if template is None:
        return Asked(problem=Problem.NO_TEMPLATE)
    if is_broken(template):
        return Asked(problem=Problem.BROKEN_TEMPLATE)
    name, spec = instance["metadata"]["name"], instance["spec"]
    shared = spec.get("model_creation_parameters", {})
    entries: list[Object] | None = spec.get("deployments")
    named = {name: {}} if entries is None else {f"{name}-{entry['name']}": entry for entry in entries}
    deployments = {}
    for each, entry in named.items():
        parameters = {**shared, **entry.get("model_creation_parameters", {})}
        if not _fit(parameters, template["spec"]["model_creation_parameters_schema"]):
            return Asked(problem=Problem.WRONG_PARAMETERS)
        deployments[each] = _pods(parameters, _workers(spec, entry, template), template)
    return Asked(deployments)


def is_broken(template: Object) -> bool:
    """Tell whether the schema of a template has a type that JSON Schema does not know."""
    properties = template["spec"]["model_creation_parameters_schema"]["properties"]
    return any(each["type"] not in _TYPES for each in properties.values())


def runs(deployment: Object, pods: Pods) -> bool:
    """Tell whether a Deployment runs these pods, however many."""
    containers: list[Object] = deployment["spec"]["template"]["spec"]["containers"]
    model = next(each for each in containers if each["name"] == "model")
    environment = {entry["name"]: entry.get("value", "") for entry in model.get("env", [])}
    return bool(model["image"] == pods.image and environment == pods.environment)


def _fit(parameters: Mapping[str, Any], schema: Object) -> bool:
    properties = schema["properties"]
    return set(schema.get("required", [])) <= parameters.keys() <= properties.keys() and all(
        type(value) is _TYPES[properties[key]["type"]] for key, value in parameters.items()
    )


def _workers(spec: Object, entry: Object, template: Object) -> int:
    endpoint = template["spec"]["vendor_configuration"].get("endpoint_config", {})
    own = entry.get("vendor_configuration", {}).get("min_workers", endpoint.get("min_workers", 1))
    return int(spec.get("replicas", own))


def _pods(parameters: Mapping[str, Any], workers: int, template: Object) -> Pods:
    bundle = template["spec"]["vendor_configuration"]["bundle_config"]
    environment = {**bundle.get("env", {}), **{key: str(value) for key, value in parameters.items()}}
    return Pods(f"{bundle['registry']}/{bundle['image']}:{bundle['tag']}", environment, workers)
