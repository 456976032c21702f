"""Merge the explicit fields of a template over its ``pod_template``, and that over the built-in defaults.

The result is the common pod template of all models of the template, with unresolved references. Fields that
depend on the operator's settings or on the instance are added when a model is rendered. Containers,
environment variables, volumes and ports merge by name; a probe, a variable or a port is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.api import BundleConfig, EndpointConfig, EndpointType, ModelTemplateSpec
from model_operator.core.templates.environment import layer_environment
from model_operator.core.templates.ports import layer_port, served_port
from model_operator.core.templates.probes import layer_probes

MODEL_CONTAINER = "model"
"""Name of the container that serves the model."""

_SHARED_MEMORY_VOLUME = "shared-memory"
_SHARED_MEMORY_PATH = "/dev/shm"  # noqa: S108 -- where POSIX shared memory is mounted, not a temporary file


def layered_pod(spec: ModelTemplateSpec) -> dict[str, Any]:
    """Return the common pod template of all models of a template.

    Parameters
    ----------
    spec
        ``spec`` of a template that has passed `core.templates.pod_shape.check_pod_template` and
        `core.templates.pod_checks.pod_faults`.

    Returns
    -------
    dict
        A PodTemplateSpec with ``metadata`` and ``spec``, a new copy. Image, labels, variables of parameters,
        accelerators and fields that depend on the settings are not in it.
    """
    bundle, endpoint = spec.vendor_configuration.bundle_config, spec.vendor_configuration.endpoint_config
    pod: dict[str, Any] = _copy(spec.pod_template or {})
    pod.setdefault("metadata", {})
    pod_spec = pod.setdefault("spec", {})
    container = _model_container(pod_spec)
    _layer_pod(pod_spec, bundle)
    _layer_container_security(container)
    _layer_command(container, bundle, spec.endpoint_type)
    _layer_resources(container, endpoint)
    _layer_shared_memory(pod_spec, container)
    served = served_port(container, spec)
    layer_port(container, served)
    layer_probes(container, spec, served)
    layer_environment(container, bundle.env)
    return pod


def model_container(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the container that serves the model, from a pod template that `layered_pod` returned."""
    containers: list[dict[str, Any]] = pod["spec"]["containers"]
    return next(container for container in containers if container["name"] == MODEL_CONTAINER)


def stated_model(spec: ModelTemplateSpec) -> Mapping[str, Any]:
    """Return the container that serves the model as ``pod_template`` states it; empty if it does not."""
    containers = ((spec.pod_template or {}).get("spec") or {}).get("containers") or ()
    return next((each for each in containers if each.get("name") == MODEL_CONTAINER), {})


def _model_container(pod_spec: dict[str, Any]) -> dict[str, Any]:
    containers: list[dict[str, Any]] = pod_spec.setdefault("containers", [])
    for container in containers:
        if container["name"] == MODEL_CONTAINER:
            return container
    # First, so that it is the default of kubectl logs and exec.
    containers.insert(0, {"name": MODEL_CONTAINER})
    return containers[0]


def _layer_pod(pod_spec: dict[str, Any], bundle: BundleConfig) -> None:
    # A Service named vllm would set VLLM_PORT=tcp://… in every pod, which vLLM reads as its own setting.
    pod_spec.setdefault("enableServiceLinks", False)
    pod_spec.setdefault("automountServiceAccountToken", False)
    security = pod_spec.setdefault("securityContext", {})
    security.setdefault("seccompProfile", {"type": "RuntimeDefault"})
    secrets = pod_spec.get("imagePullSecrets", [])
    known = {secret["name"] for secret in secrets}
    added = [{"name": secret.name} for secret in bundle.image_pull_secrets if secret.name not in known]
    if added:
        pod_spec["imagePullSecrets"] = [*secrets, *added]


def _layer_container_security(container: dict[str, Any]) -> None:
    """Add the fields that the restricted Pod Security Standard requires of a container.

    Only the model container gets them; the template owner writes those of the other containers.
    """
    security = container.setdefault("securityContext", {})
    capabilities = security.setdefault("capabilities", {})
    capabilities.setdefault("drop", ["ALL"])
    # The API server rejects allowPrivilegeEscalation: false on a privileged container.
    added = capabilities.get("add", ())
    if not security.get("privileged") and not any(name in added for name in ("SYS_ADMIN", "CAP_SYS_ADMIN")):
        security.setdefault("allowPrivilegeEscalation", False)


def _layer_command(container: dict[str, Any], bundle: BundleConfig, endpoint_type: EndpointType) -> None:
    command = bundle.command
    if endpoint_type is EndpointType.STREAMING and bundle.streaming_command is not None:
        command = bundle.streaming_command
    for key, arguments in (("command", command), ("args", bundle.args)):
        if arguments is not None:
            container.pop(key, None)
            if arguments:
                container[key] = list(arguments)
    if bundle.image_pull_policy is not None:
        container["imagePullPolicy"] = bundle.image_pull_policy.value


def _layer_resources(container: dict[str, Any], endpoint: EndpointConfig) -> None:
    """Set requests and limits to the same value, resource by resource.

    A resource that only the pod template sets is unchanged. One that neither sets gets the default of the
    operator's settings when a model is rendered.
    """
    resources = container.setdefault("resources", {})
    requests, limits = resources.setdefault("requests", {}), resources.setdefault("limits", {})
    explicit = {"cpu": endpoint.cpus, "memory": endpoint.memory, "ephemeral-storage": endpoint.storage}
    for name, given in explicit.items():
        if given is not None:
            requests[name] = limits[name] = str(given)


def _layer_shared_memory(pod_spec: dict[str, Any], container: dict[str, Any]) -> None:
    """Mount memory at ``/dev/shm``, with or without a GPU.

    The default of container runtimes is 64 MiB, with which data loaders and tensor parallelism fail. Data in
    ``/dev/shm`` counts towards the container's memory.
    """
    mounts = container.setdefault("volumeMounts", [])
    if any(mount.get("mountPath") == _SHARED_MEMORY_PATH for mount in mounts):
        return
    mounts.append({"name": _SHARED_MEMORY_VOLUME, "mountPath": _SHARED_MEMORY_PATH})
    volumes = pod_spec.setdefault("volumes", [])
    if not any(volume["name"] == _SHARED_MEMORY_VOLUME for volume in volumes):
        volumes.append({"name": _SHARED_MEMORY_VOLUME, "emptyDir": {"medium": "Memory"}})


def _copy(value: Any) -> Any:
    """Return a copy without null members, which are equivalent to absent ones."""
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value
