"""Where an unknown field probably belongs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from model_operator.api import ClusterModelTemplate, ModelInstance, ModelTemplate
from model_operator.api.crd import open_api_schema
from model_operator.core.values.hints import closest, plain
from model_operator.core.values.violations import Loc, format_loc

_MOST_PLACES: Final = 2
"""Places of a field that are named; one that is in more, such as ``name``, says nothing."""
_ENDPOINT: Final = "spec.vendor_configuration.endpoint_config"
_CONTAINER: Final = "the container named model in spec.pod_template.spec.containers"

_OF_CONTAINERS: Final = frozenset({
    "args", "command", "env", "envFrom", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "ports",
    "readinessProbe", "resources", "startupProbe", "stdin", "tty", "volumeDevices", "volumeMounts",
    "workingDir",
})  # fmt: skip
_OF_PODS: Final = frozenset({
    "affinity", "automountServiceAccountToken", "containers", "dnsConfig", "dnsPolicy", "ephemeralContainers",
    "hostAliases", "hostIPC", "hostNetwork", "hostPID", "hostUsers", "imagePullSecrets", "initContainers",
    "nodeName", "nodeSelector", "preemptionPolicy", "priority", "priorityClassName", "readinessGates",
    "resourceClaims", "restartPolicy", "runtimeClassName", "schedulerName", "schedulingGates",
    "securityContext", "serviceAccount", "serviceAccountName", "setHostnameAsFQDN", "shareProcessNamespace",
    "subdomain", "terminationGracePeriodSeconds", "tolerations", "topologySpreadConstraints", "volumes",
})  # fmt: skip
_OF_DEPLOYMENTS: Final = frozenset({"apiVersion", "kind", "replicas", "selector", "template"})
"""Fields of a Deployment or a Pod that a pod template does not have."""
_OF_TEMPLATES: Final[Mapping[str, str]] = {
    "resources": f"set cpus, memory, storage and gpus in {_ENDPOINT}",
    "limits": f"set cpus, memory, storage and gpus in {_ENDPOINT}",
    "requests": f"set cpus, memory, storage and gpus in {_ENDPOINT}",
    "replicas": f"set min_workers and max_workers in {_ENDPOINT}, or replicas in a ModelInstance",
    "minReplicas": f"set min_workers in {_ENDPOINT}",
    "maxReplicas": f"set max_workers in {_ENDPOINT}",
    "containerPort": "set port in spec.vendor_configuration.bundle_config",
    "ports": "set port in spec.vendor_configuration.bundle_config",
    "imagePullSecrets": "set image_pull_secrets in spec.vendor_configuration.bundle_config",
    "imagePullPolicy": "set image_pull_policy in spec.vendor_configuration.bundle_config",
    "parameters": "declare them in spec.model_creation_parameters_schema",
    "envFrom": f"it belongs to {_CONTAINER}",
}
_OF_INSTANCES: Final[Mapping[str, str]] = {
    "parameters": "set them in spec.model_creation_parameters",
    "template": "set the name of the template in spec.model_template_id",
    "templateRef": "set the name of the template in spec.model_template_id",
    "resources": f"set them in {_ENDPOINT} of the template",
    "minReplicas": "set min_workers in spec.vendor_configuration",
    "maxReplicas": "set max_workers in spec.vendor_configuration",
}
_KINDS: Final = {each.__name__: each for each in (ModelTemplate, ClusterModelTemplate, ModelInstance)}
_OTHERS: Final = {
    ModelTemplate.__name__: ModelInstance.__name__,
    ClusterModelTemplate.__name__: ModelInstance.__name__,
    ModelInstance.__name__: ModelTemplate.__name__,
}


def right_place(loc: Loc, kind: str) -> str:
    """Return where a field of one of our kinds belongs; empty if that cannot be said, as of a revision.

    Parameters
    ----------
    loc
        Path of the unknown field.
    kind
        Kind of the object.
    """
    if kind not in _KINDS:
        return ""
    name = str(loc[-1])
    is_instance = kind == ModelInstance.__name__
    table = _OF_INSTANCES if is_instance else _OF_TEMPLATES
    if not is_instance and loc[:2] == ("spec", "pod_template"):
        if name in _OF_DEPLOYMENTS:
            return "pod_template takes only the metadata and the spec of a pod"
        return _of_kubernetes(name)
    advice = table.get(closest(name, table, 1.0))
    if advice:
        return advice
    for each in (kind, _OTHERS[kind]):
        places = [place for place in _places(each).get(plain(name), ()) if each != kind or place != loc]
        if 0 < len(places) <= _MOST_PLACES:
            owner = "" if each == kind else f" of a {each}"
            return f"did you mean {' or '.join(map(format_loc, places))}{owner}?"
    return "" if is_instance else _of_kubernetes(name)


def place_in_pod(loc: Loc) -> str:
    """Return where a field of a rendered pod belongs that is unknown where it is; empty if unknown."""
    name = str(loc[-1])
    if name in _OF_CONTAINERS and "containers" not in loc:
        return "it belongs to a container"
    if name in _OF_PODS and ("containers" in loc or "initContainers" in loc):
        return "it belongs to the pod: spec.pod_template.spec"
    return ""


def _of_kubernetes(name: str) -> str:
    if name in _OF_PODS:
        return f"did you mean spec.pod_template.spec.{name}?"
    return f"it belongs to {_CONTAINER}" if name in _OF_CONTAINERS else ""


@cache
def _places(kind: str) -> dict[str, list[Loc]]:
    """Return the paths of the declared fields of a kind outside of lists, by their plain names."""
    found: dict[str, list[Loc]] = {}
    spec = open_api_schema(_KINDS[kind])["properties"]["spec"]
    for loc in _fields(spec, ("spec",)):
        found.setdefault(plain(str(loc[-1])), []).append(loc)
    return found


def _fields(schema: Mapping[str, Any], loc: Loc) -> Iterator[Loc]:
    for name, inner in schema.get("properties", {}).items():
        yield (*loc, name)
        yield from _fields(inner, (*loc, name))
