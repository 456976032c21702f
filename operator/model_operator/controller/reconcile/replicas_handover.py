"""The handover of a Deployment's number of workers to the autoscaler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.planning.replicas_handover import REPLICAS_MANAGER, handover
from model_operator.core.rendering.desired_child import DesiredChild
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ConflictError
from model_operator.kube.resources import DEPLOYMENTS

_ATTEMPTS = 5
"""The Deployment controller writes the status often, which changes the resource version."""


async def hand_over(client: ApiClient, metadata: Mapping[str, Any], desired: DesiredChild) -> None:
    """Make sure that the next apply can leave ``replicas`` out without changing it.

    Parameters
    ----------
    client
        Requests. The Deployment is read from the API server: the cache has no field owners and may be stale.
    metadata
        Of the Deployment, with ``uid``.
    desired
        The desired Deployment.

    Raises
    ------
    ApiError
        When the write is rejected; a ConflictError when the Deployment was recreated or keeps changing.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        live = await client.get(DEPLOYMENTS, metadata["namespace"], metadata["name"])
        number = handover(live, metadata["uid"], desired)
        if number is None:
            return
        try:
            await client.apply(DEPLOYMENTS, number, force=True, manager=REPLICAS_MANAGER)
        except ConflictError:
            if attempt == _ATTEMPTS:
                raise
        else:
            return
