"""Taking back a Deployment that was created together with a Service that turned out to be impossible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from model_operator.api import ModelInstance
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.core.planning.first_creation import is_untouched, was_in_vain
from model_operator.core.rendering.desired_child import DesiredChild
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiRefusedError, ConflictError, NotFoundError
from model_operator.kube.resources import DEPLOYMENTS, SERVICES

log = structlog.get_logger(__name__)

_ATTEMPTS = 5
"""The Deployment controller often writes the status of a new Deployment, which changes its version."""


async def find_in_vain(
    client: ApiClient, state: ClusterState, instance: ModelInstance, service: DesiredChild
) -> Mapping[str, Any] | None:
    """Return the Deployment that an earlier process created beside a Service whose name is taken, if any.

    Parameters
    ----------
    client, state, instance
        As for :func:`take_back`.
    service
        The Service that cannot be created.

    Raises
    ------
    ApiError
        When the foreign Service cannot be read.
    """
    deployment = state.children[DEPLOYMENTS.kind].get(service.namespace, service.name)
    if deployment is None:
        return None
    try:
        taken = await client.get(SERVICES, service.namespace, service.name)
    except NotFoundError:
        return None
    return deployment if was_in_vain(instance, deployment, taken) else None


async def take_back(
    client: ApiClient, state: ClusterState, instance: ModelInstance, deployment: Mapping[str, Any]
) -> bool:
    """Delete a Deployment that was created in vain, if it is unchanged; return whether it was deleted.

    Parameters
    ----------
    client, state
        Requests and caches.
    instance
        Its owner.
    deployment
        The Deployment as last seen. It is deleted in exactly that version.

    Raises
    ------
    ApiUnavailableError
        When the API server does not answer; the next reconcile tries again.
    ConflictError
        When the Deployment keeps changing.
    """
    cache, live, is_gone = state.children[DEPLOYMENTS.kind], deployment, True
    namespace, name, uid = (deployment["metadata"][key] for key in ("namespace", "name", "uid"))
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            version = live["metadata"]["resourceVersion"]
            is_gone = await client.delete(DEPLOYMENTS, namespace, name, uid, version)
            break
        except NotFoundError:
            break
        except ConflictError:
            if attempt == _ATTEMPTS:
                raise
        except ApiRefusedError as error:
            log.warning("cannot take back", child=name, code=error.code)
            return False
        try:
            live = await client.get(DEPLOYMENTS, namespace, name)
        except NotFoundError:
            break
        if live["metadata"]["uid"] != uid or not is_untouched(instance, live):
            return False
    cached = cache.get(namespace, name)
    if is_gone and cached is not None and cached["metadata"]["uid"] == uid:
        # The status must not count it until the watch reports the deletion.
        cache.remove(cached)
    return True
