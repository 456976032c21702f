"""Letting go of a Deployment's number of workers, for the autoscaler to take over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.planning.replicas_handover import REPLICAS_MANAGER, handover
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ConflictError
from model_operator.kube.resources import DEPLOYMENTS

_ATTEMPTS = 5
"""The Deployment controller writes its status often, and then there is another version to be read."""


async def hand_over(client: ApiClient, metadata: Mapping[str, Any], min_workers: int) -> None:
    """See to it that ``replicas`` can be left out of what is applied next, and changes by that not at all.

    Parameters
    ----------
    client
        Requests. The Deployment is read anew: caches keep no field owners, and may be behind the autoscaler.
    metadata
        Of the Deployment, with ``uid``.
    least
        Workers that it is to have in any case.

    Raises
    ------
    ApiError
        When that is refused; a ConflictError when the Deployment is another one or never stands still.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        live = await client.get(DEPLOYMENTS, metadata["namespace"], metadata["name"])
        number = handover(live, metadata["uid"], min_workers)
        if number is None:
            return
        try:
            await client.apply(DEPLOYMENTS, number, force=True, manager=REPLICAS_MANAGER)
        except ConflictError:
            if attempt == _ATTEMPTS:
                raise
        else:
            return
