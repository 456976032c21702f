"""The namespace that this process runs in, when it runs in a pod."""

from __future__ import annotations

import os
from pathlib import Path

from model_operator.kube.errors import StartupError

_NAMESPACE_VARIABLE = "POD_NAMESPACE"
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a pod with a ServiceAccount finds its namespace."""


def own_namespace(configured: str | None = None) -> str:
    """Return the namespace that the operator runs in.

    Parameters
    ----------
    configured
        Namespace from the settings, if set.

    Raises
    ------
    StartupError
        When neither the settings nor the pod's environment name it.
    """
    namespace = configured or os.environ.get(_NAMESPACE_VARIABLE)
    if namespace:
        return namespace
    try:
        return NAMESPACE_FILE.read_text().strip()
    except OSError as error:
        raise StartupError(
            f"the operator's own namespace is unknown: set {_NAMESPACE_VARIABLE}, as this is no pod with a "
            "ServiceAccount"
        ) from error
