"""Filling the caches, and comparing them with the API server periodically.

After a watch has expired (410 Gone), for example after a restart of the API server, kopf lists again, and no
event reports the objects that were deleted in between. Then, and every ten minutes, the resync lists the
metadata of all objects and treats cached objects that no longer exist as deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import structlog

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.scope import Scope
from model_operator.controller.watch.initial_list import Listed
from model_operator.controller.watch.triggers import Triggers
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiError
from model_operator.kube.object_cache import NamespacedName, Object, key_of, version_of
from model_operator.kube.resources import ResourceKind
from model_operator.process.garbage_collection import without_collection

log = structlog.get_logger(__name__)

_NEEDED_SECONDS = 2.0
"""Delay of a resync after a gap in a watch; it doubles with each failure."""


class Resync:
    """Compares the caches with the API server.

    Parameters
    ----------
    client, state, triggers, scope
        Requests, caches, handlers of changes, and the served namespaces.
    kinds
        The watched kinds.
    on_success
        Called after a resync of all kinds.

    Attributes
    ----------
    silent
        A kind whose watch does not report objects that the lists contain, if there is one.
    """

    def __init__(
        self,
        client: ApiClient,
        state: ClusterState,
        triggers: Triggers,
        scope: Scope,
        kinds: Sequence[ResourceKind],
        on_success: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._state = state
        self._triggers = triggers
        self._scope = scope
        self._kinds = kinds
        self._on_success = on_success
        self._unreported: dict[ResourceKind, dict[NamespacedName, int]] = {}
        self._needed: set[ResourceKind] = set()
        self._is_needed = asyncio.Event()
        self.silent: ResourceKind | None = None

    async def fill(self) -> dict[Listed, str]:
        """Fill the caches with exactly the existing objects; return the versions to watch from.

        Raises
        ------
        ApiError
            When a list cannot be read.
        """
        versions = {}
        with without_collection():
            for kind in self._kinds:
                exist: set[str] = set()
                for namespace in self._scope.namespaces_of(kind):
                    async for objects, version in self._client.pages(kind, namespace):
                        versions[Listed(kind, namespace)] = version
                        for obj in objects:
                            exist.add(obj["metadata"]["uid"])
                            self._triggers.observe(kind, None, obj)
                # A failed attempt may have cached objects that were deleted since.
                self._handle_deletions(kind, self._state.cache_of(kind), exist)
        return versions

    async def run(self, period: float) -> None:
        """Resync all kinds periodically, and single kinds after a gap in their watch; never returns.

        Parameters
        ----------
        period
            Seconds between two resyncs of all kinds.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._compare_regularly(period))
            group.create_task(self._compare_as_needed(period))

    def relisted(self, kind: ResourceKind) -> None:
        """Note that a watch has listed again, and so never reports objects that were deleted before."""
        self._need([kind])

    def _need(self, kinds: Iterable[ResourceKind]) -> None:
        self._needed.update(kinds)
        if self._needed:
            self._is_needed.set()

    async def _compare_regularly(self, period: float) -> None:
        while True:
            await asyncio.sleep(period)
            self._need(await self.prune())
            self._triggers.enqueue_all()

    async def _compare_as_needed(self, period: float) -> None:
        pause = _NEEDED_SECONDS
        while True:
            await self._is_needed.wait()
            # Wait, since one outage ends several watches.
            await asyncio.sleep(pause)
            kinds = [kind for kind in self._kinds if kind in self._needed]
            self._needed.clear()
            self._is_needed.clear()
            failed = await self.prune(kinds)
            pause = min(2 * pause, period) if failed else _NEEDED_SECONDS
            self._need(failed)

    async def prune(self, kinds: Sequence[ResourceKind] | None = None) -> list[ResourceKind]:
        """Treat cached objects that the API server does not have as deleted.

        Conversely, an object that the API server already had at the previous full resync and that is still
        not cached shows that its watch reports nothing.

        Parameters
        ----------
        kinds
            The kinds to compare; by default all.

        Returns
        -------
        list
            The kinds that could not be listed.
        """
        failed = []
        for kind in self._kinds if kinds is None else kinds:
            try:
                listed = await self._prune(kind)
            except ApiError as error:
                failed.append(kind)
                log.warning("resync failed", kind=kind.kind, error=str(error))
            else:
                if kinds is None:
                    self._check_watch(kind, listed)
        if kinds is None and not failed:
            self._on_success()
        return failed

    async def _prune(self, kind: ResourceKind) -> dict[NamespacedName, int]:
        """Compare one kind; return the versions of the API server's objects in served namespaces."""
        known = list(self._state.cache_of(kind))
        exist: set[str] = set()
        listed: dict[NamespacedName, int] = {}
        for namespace in self._scope.namespaces_of(kind):
            async for obj in self._client.list(kind, namespace, metadata_only=True):
                exist.add(obj["metadata"]["uid"])
                if self._scope.covers(key_of(obj)[0]):
                    listed[key_of(obj)] = version_of(obj)
        self._handle_deletions(kind, known, exist)
        return listed

    def _handle_deletions(self, kind: ResourceKind, known: Iterable[Object], exist: Container[str]) -> None:
        """Handle the deletion of objects that were cached before the list and whose uid it lacks."""
        for obj in known:
            if obj["metadata"]["uid"] not in exist and self._is_unchanged(kind, obj):
                log.info("object deleted while not watched", kind=kind.kind, key=key_of(obj))
                self._triggers.observe(kind, "DELETED", obj)

    def _check_watch(self, kind: ResourceKind, listed: Mapping[NamespacedName, int]) -> None:
        before = self._unreported.get(kind, {})
        unreported = {key: version for key, version in listed.items() if not self._knows(kind, key, version)}
        # Unreported at the previous resync, too: no working watch is that slow.
        if any(key in before and not self._knows(kind, key, before[key]) for key in unreported):
            self.silent = kind
        self._unreported[kind] = unreported

    def _knows(self, kind: ResourceKind, key: NamespacedName, version: int) -> bool:
        cached = self._state.cache_of(kind).get(*key)
        return cached is not None and version_of(cached) >= version

    def _is_unchanged(self, kind: ResourceKind, obj: Object) -> bool:
        now = self._state.cache_of(kind).get(*key_of(obj))
        return now is not None and version_of(now) == version_of(obj)
