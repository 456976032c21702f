"""Clearing away what instances that are gone have left, where the garbage collector does not.

Its informers take an object that follows a namesake within a gap of their watch for an update of that one, so
after a restart of the API server it may never learn that the earlier one is gone (seen on 1.36.3). Its
children would run on, for nobody once the namesake is gone, too, and keep their names from the instance that
is there now.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from model_operator.api import ModelInstance
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.core.reasons.refusals import is_object_missing
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiError, ConflictError, NotFoundError
from model_operator.kube.object_cache import NamespacedName, Object
from model_operator.kube.resources import CHILD_KIND, MODEL_INSTANCES

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 30.0
"""The time that the garbage collector has; it takes about one second where nothing is wrong."""
GC_GRACE_WITHOUT_OWNER = 90.0
"""The same where no instance waits for the names, as when a thousand are deleted at once."""


class StaleChildCollector:
    """Knows since when there is something to be cleared away.

    Parameters
    ----------
    client, state
        Requests and caches.
    clock
        Seconds from any start, never going back.
    """

    def __init__(
        self, client: ApiClient, state: ClusterState, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._state = state
        self._clock = clock
        self._since: dict[NamespacedName, float] = {}

    async def clear(self, key: NamespacedName, instance: ModelInstance | None) -> float | None:
        """Delete what earlier instances of a name have left, if it has been there for too long.

        Parameters
        ----------
        key
            The name.
        instance
            The instance that has it now; None when none has.

        Returns
        -------
        float or None
            Seconds until the next look; None when nothing is left that could be deleted.
        """
        uid = instance.metadata.uid if instance else None
        left = [child for child in self._state.children_of_deleted_owners(*key, uid) if _may_go(child)]
        if not left:
            self._since.pop(key, None)
            return None
        patience = PATIENCE_SECONDS if instance else GC_GRACE_WITHOUT_OWNER
        wait = self._since.setdefault(key, self._clock()) + patience - self._clock()
        if wait > 0:
            return wait
        try:
            # A name has one instance at a time: while this one is there, or none, all others are gone.
            if await (exists(self._client, instance) if instance else is_free(self._client, key)):
                for child in left:
                    await self._delete(child)
        except ApiError as error:
            log.warning("whether an instance is there cannot be found out", name=key[1], code=error.code)
        self._since[key] = self._clock()
        return patience

    async def _delete(self, child: Object) -> None:
        """Delete a child as it was seen: whoever keeps one without its instance changes its owners."""
        kind, metadata = CHILD_KIND[child["kind"]], child["metadata"]
        name, uid, version = metadata["name"], metadata["uid"], metadata["resourceVersion"]
        log.info("clearing away what no instance has any more", kind=kind.kind, child=name)
        try:
            await self._client.delete(kind, metadata["namespace"], name, uid, version)
        except (NotFoundError, ConflictError):
            return
        except ApiError as error:
            log.warning("what no instance has cannot be cleared away", child=name, code=error.code)


def _may_go(child: Object) -> bool:
    """Tell whether a child is to be deleted, and nobody but the instance that is gone owns it."""
    metadata = child["metadata"]
    return not metadata.get("deletionTimestamp") and len(metadata["ownerReferences"]) == 1


async def exists(client: ApiClient, instance: ModelInstance) -> bool:
    """Ask the API server, not the cache, whether an instance exists and is to stay."""
    metadata = instance.metadata
    try:
        live = (await client.get(MODEL_INSTANCES, metadata.namespace, metadata.name))["metadata"]
    except NotFoundError:
        return False
    return bool(live["uid"] == metadata.uid and not live.get("deletionTimestamp"))


async def is_free(client: ApiClient, name: NamespacedName) -> bool:
    """Ask the API server, not the cache, whether no instance has a name."""
    try:
        await client.get(MODEL_INSTANCES, *name)
    except NotFoundError as error:
        return is_object_missing(error.status, name[1])
    return False
