"""Server, certificates, credentials and namespace from a kubeconfig or from the pod's ServiceAccount."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import Configuration
from kubernetes.config import load_incluster_config, load_kube_config
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import SERVICE_HOST_ENV_NAME
from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION

from model_operator.kube.errors import StartupError
from model_operator.kube.impersonation import Headers, impersonation_headers
from model_operator.kube.namespace import NAMESPACE_FILE

_DEFAULT_NAMESPACE = "default"


class ClusterConfiguration(Configuration):
    """Server, certificates, credentials, and the user that requests impersonate.

    Attributes
    ----------
    impersonation
        Headers of that user, which the kubernetes package does not know; empty for the credentials' own.
    """

    impersonation: Headers = ()


def load_configuration(kubeconfig: Path | None, context: str | None) -> ClusterConfiguration:
    """Return server, certificates and credentials.

    Parameters
    ----------
    kubeconfig
        File to read; None means ``$KUBECONFIG``, then ``~/.kube/config``, then the pod's ServiceAccount.
    context
        Context of the kubeconfig, its current one when None.

    Raises
    ------
    StartupError
        When there is no kubeconfig, or it cannot be used.
    """
    configuration = ClusterConfiguration()
    # The package reads the proxy of the environment but ignores NO_PROXY; see Connection.
    configuration.proxy = None
    # The kubernetes package joins the files of $KUBECONFIG itself; a single file must be passed to it.
    location = _location(kubeconfig)
    try:
        if _exists(location):
            load_kube_config(  # type: ignore[no-untyped-call]
                location,
                context=context or _current_context(location),
                client_configuration=configuration,
                persist_config=False,
            )
            configuration.impersonation = impersonation_headers(_user(location, context))
        elif is_pods_own(kubeconfig, context):
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            raise StartupError(
                f"no kubeconfig: {location} does not exist, and this is not a pod with a ServiceAccount; "
                "set --kubeconfig or KUBECONFIG"
            )
    except ConfigException as error:
        raise StartupError(f"cannot use the kubeconfig {location}: {error}") from error
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise StartupError(f"cannot read the kubeconfig {location}: {error}") from error
    return configuration


def default_namespace(kubeconfig: Path | None, context: str | None) -> str:
    """Return the namespace of the context that :func:`load_configuration` uses, as kubectl understands it.

    Raises
    ------
    StartupError
        When the kubeconfig cannot be used.
    """
    location = _location(kubeconfig)
    if is_pods_own(kubeconfig, context):
        try:
            return NAMESPACE_FILE.read_text(encoding="utf-8").strip() or _DEFAULT_NAMESPACE
        except OSError:
            return _DEFAULT_NAMESPACE
    return str(_context(location, context).get("namespace") or _DEFAULT_NAMESPACE)


def context_names(kubeconfig: Path | None) -> list[str]:
    """Return the names of a kubeconfig's contexts.

    Raises
    ------
    StartupError
        When the kubeconfig cannot be read.
    """
    return [str(found["name"]) for found in _entries(_location(kubeconfig), "contexts") if found.get("name")]


def is_pods_own(kubeconfig: Path | None, context: str | None) -> bool:
    """Return whether :func:`load_configuration` uses the ServiceAccount of the pod that this runs in."""
    is_specified = kubeconfig is not None or context is not None
    return not is_specified and not _exists(_location(None)) and bool(os.environ.get(SERVICE_HOST_ENV_NAME))


def _location(kubeconfig: Path | None) -> str:
    return str(kubeconfig) if kubeconfig else KUBE_CONFIG_DEFAULT_LOCATION


def _files(location: str) -> list[Mapping[str, Any]]:
    """Return the content of those files of a location that exist."""
    paths = [Path(part).expanduser() for part in location.split(":") if part]
    try:
        held = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise StartupError(f"cannot read the kubeconfig {location}: {error}") from error
    return [each for each in held if isinstance(each, Mapping)]


def _current_context(location: str) -> str | None:
    """Return the current context of the first file that has one, as kubectl does.

    The kubernetes package takes that of the last file.
    """
    return next(
        (str(each["current-context"]) for each in _files(location) if each.get("current-context")), None
    )


def _context(location: str, context: str | None) -> Mapping[str, Any]:
    return _entry(location, "contexts", context or _current_context(location), "context")


def _user(location: str, context: str | None) -> Mapping[str, Any]:
    return _entry(location, "users", _context(location, context).get("user"), "user")


def _entry(location: str, kind: str, name: Any, part: str) -> Mapping[str, Any]:
    """Return what an entry of that name holds; the first one of a name takes precedence."""
    found = next((each.get(part) for each in _entries(location, kind) if each.get("name") == name), None)
    return found if isinstance(found, Mapping) else {}


def _entries(location: str, kind: str) -> list[Mapping[str, Any]]:
    """Return the contexts or users of all files."""
    lists = [each.get(kind) for each in _files(location)]
    return [found for each in lists if isinstance(each, list) for found in each if isinstance(found, Mapping)]


def _exists(location: str) -> bool:
    return any(Path(part).expanduser().is_file() for part in location.split(":") if part)
