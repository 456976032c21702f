"""What the operator's settings add to the pods of all models: the lowest layer, below every template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.core.templates.render_settings import CaBundle, RenderSettings

CA_BUNDLE_DIRECTORY: Final = "/etc/model-operator/ca-bundle"
"""Where the CA bundle of the settings is mounted."""

_CA_BUNDLE_VOLUME: Final = "model-operator-ca-bundle"
_CA_BUNDLE_FILE: Final = "ca.crt"
_CA_BUNDLE_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_PROXY_VARIABLES: Final = {
    "http_proxy": "HTTP_PROXY",
    "https_proxy": "HTTPS_PROXY",
    "no_proxy": "NO_PROXY",
}


def layer_default_resources(container: dict[str, Any], settings: RenderSettings) -> None:
    """Set requests and limits of the resources that the template leaves open, to the same value.

    Parameters
    ----------
    container
        The container that serves the model, with ``resources``.
    settings
        The cluster's conventions.
    """
    resources = container["resources"]
    requests, limits = resources["requests"], resources["limits"]
    defaults = {
        "cpu": settings.default_cpus,
        "memory": settings.default_memory,
        "ephemeral-storage": settings.default_storage,
    }
    for name, default in defaults.items():
        if default and name not in requests and name not in limits:
            requests[name] = limits[name] = default


def layer_shared_environment(pod_spec: dict[str, Any], settings: RenderSettings) -> None:
    """Add the variables, the proxy and the CA bundle of the settings to all containers.

    Init containers and sidecars get them, too: they also download models. A variable that a container has is
    kept, whatever its value, and so is a variable of a proxy in the other case.

    Parameters
    ----------
    pod_spec
        The ``spec`` of a pod template, complete but for this.
    settings
        The cluster's conventions.
    """
    variables = dict(settings.env)
    proxies = {
        spelling: value
        for field, name in _PROXY_VARIABLES.items()
        if (value := getattr(settings, field))
        for spelling in (name, name.lower())
    }
    bundle = settings.ca_bundle
    if not variables and not proxies and bundle is None:
        return
    if bundle is not None:
        _layer_volume(pod_spec, bundle)
    for container in _containers(pod_spec):
        present = {variable["name"] for variable in container.get("env", [])}
        spellings = {name.lower() for name in present}
        given = {name: value for name, value in proxies.items() if name.lower() not in spellings}
        if bundle is not None and _mounts_bundle(container):
            path = f"{CA_BUNDLE_DIRECTORY}/{_CA_BUNDLE_FILE}"
            given |= dict.fromkeys(_CA_BUNDLE_VARIABLES, path)
        given |= variables
        # First, so that the variables of the template can refer to them.
        added = [{"name": name, "value": given[name]} for name in sorted(given.keys() - present)]
        if added:
            container["env"] = [*added, *container.get("env", [])]


def _containers(pod_spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod_spec.get("initContainers", [])
    yield from pod_spec["containers"]


def _mounts_bundle(container: dict[str, Any]) -> bool:
    """Mount the bundle; return False if the template mounts something else there."""
    mounts = container.get("volumeMounts", [])
    if any(mount.get("mountPath") == CA_BUNDLE_DIRECTORY for mount in mounts):
        return False
    mount = {"name": _CA_BUNDLE_VOLUME, "mountPath": CA_BUNDLE_DIRECTORY, "readOnly": True}
    container["volumeMounts"] = [*mounts, mount]
    return True


def _layer_volume(pod_spec: dict[str, Any], bundle: CaBundle) -> None:
    items = [{"key": bundle.key, "path": _CA_BUNDLE_FILE}]
    source: dict[str, Any] = (
        {"secret": {"secretName": bundle.secret, "items": items}}
        if bundle.secret is not None
        else {"configMap": {"name": bundle.config_map, "items": items}}
    )
    volumes = pod_spec.get("volumes", [])
    if not any(volume["name"] == _CA_BUNDLE_VOLUME for volume in volumes):
        pod_spec["volumes"] = [*volumes, {"name": _CA_BUNDLE_VOLUME, **source}]
