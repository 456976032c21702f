"""Deletion of stale children that the garbage collector missed.

If an object is deleted and recreated within a gap of a watch, the informers of the garbage collector take the
new object for an update of the old one. So after a restart of the API server it may never see the deletion
(seen on 1.36.3). The stale children would keep running, and keep their names from the current instance.

For the same reason it may never see that the new object waits for its children (foreground deletion): both
versions that it compares are terminating. Then the instance and its children would stay for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import structlog

from model_operator.api import ModelInstance
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.core.reasons.refusals import is_object_missing
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiError, ConflictError, NotFoundError
from model_operator.kube.object_cache import NamespacedName, Object
from model_operator.kube.resources import CHILD_KIND, MODEL_INSTANCES

log = structlog.get_logger(__name__)

GC_GRACE_SECONDS = 30.0
"""Time for the garbage collector; it normally takes about one second."""
_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"
"""Finalizers by which the garbage collector deletes the children first, or keeps them."""
GC_GRACE_WITHOUT_OWNER = 90.0
"""The same where no instance waits for the names, as when a thousand are deleted at once."""


class StaleChildCollector:
    """Deletes stale children after a grace period.

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
        """Delete the stale children of a name, and those that a deletion waits for, after the grace period.

        Parameters
        ----------
        key
            The namespace and name.
        instance
            The current instance of that name; None when there is none.

        Returns
        -------
        float or None
            Seconds until the next check; None when there are no stale children.
        """
        left = [child for child in self._left(key, instance) if _may_go(child)]
        if not left:
            self._since.pop(key, None)
            return None
        grace = GC_GRACE_SECONDS if instance else GC_GRACE_WITHOUT_OWNER
        wait = self._since.setdefault(key, self._clock()) + grace - self._clock()
        if wait > 0:
            return wait
        try:
            if await self._is_confirmed(key, instance):
                for child in left:
                    await self._delete(child)
        except ApiError as error:
            log.warning("cannot check whether the instance exists", name=key[1], code=error.code)
        self._since[key] = self._clock()
        return grace

    def _left(self, key: NamespacedName, instance: ModelInstance | None) -> list[Object]:
        if instance and _waits(instance.metadata.deletionTimestamp, instance.metadata.finalizers):
            return self._state.children_of(key[0], instance.metadata.uid)
        return self._state.children_of_deleted_owners(*key, instance.metadata.uid if instance else None)

    async def _is_confirmed(self, key: NamespacedName, instance: ModelInstance | None) -> bool:
        # A name has one instance at a time: while this one exists, or none, all others are deleted.
        if instance is None:
            return await is_free(self._client, key)
        if instance.metadata.deletionTimestamp is None:
            return await exists(self._client, instance)
        return await is_waiting(self._client, instance)

    async def _delete(self, child: Object) -> None:
        """Delete a child at the resource version seen: a user who keeps it changes its owners."""
        kind, metadata = CHILD_KIND[child["kind"]], child["metadata"]
        name, uid, version = metadata["name"], metadata["uid"], metadata["resourceVersion"]
        log.info("deleting stale child", kind=kind.kind, child=name)
        try:
            await self._client.delete(kind, metadata["namespace"], name, uid, version)
        except (NotFoundError, ConflictError):
            return
        except ApiError as error:
            log.warning("cannot delete stale child", child=name, code=error.code)


def _may_go(child: Object) -> bool:
    """Return whether a child can be deleted: only its deleted instance owns it."""
    metadata = child["metadata"]
    return not metadata.get("deletionTimestamp") and len(metadata["ownerReferences"]) == 1


async def exists(client: ApiClient, instance: ModelInstance) -> bool:
    """Ask the API server, not the cache, whether an instance exists and is not terminating."""
    live = await _live_metadata(client, instance)
    return live is not None and not live.get("deletionTimestamp")


async def is_waiting(client: ApiClient, instance: ModelInstance) -> bool:
    """Ask the API server, not the cache, whether the deletion of an instance waits for its children."""
    live = await _live_metadata(client, instance)
    return live is not None and _waits(live.get("deletionTimestamp"), live.get("finalizers") or ())


async def _live_metadata(client: ApiClient, instance: ModelInstance) -> Object | None:
    """Return the metadata of an instance; None when it does not exist, or a recreated one does."""
    metadata = instance.metadata
    try:
        live: Object = (await client.get(MODEL_INSTANCES, metadata.namespace, metadata.name))["metadata"]
    except NotFoundError:
        return None
    return live if live["uid"] == metadata.uid else None


def _waits(deletion: str | None, finalizers: Sequence[str]) -> bool:
    """Return whether the garbage collector deletes the children of a terminating instance first."""
    return deletion is not None and _FOREGROUND in finalizers and _ORPHAN not in finalizers


async def is_free(client: ApiClient, name: NamespacedName) -> bool:
    """Ask the API server, not the cache, whether no instance has a name."""
    try:
        await client.get(MODEL_INSTANCES, *name)
    except NotFoundError as error:
        return is_object_missing(error.status, name[1])
    return False
