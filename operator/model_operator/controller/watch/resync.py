"""Filling the caches, and comparing them with the API server from time to time.

After its watch has expired (410 Gone), as after a restart of the API server, kopf lists anew, and what was
deleted meanwhile is never announced. So then, and every ten minutes, the names of everything are listed, and
what is no longer there is forgotten and acted upon like a deletion.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.scope import Scope
from model_operator.controller.watch.initial_list import Listed
from model_operator.controller.watch.triggers import Triggers
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiError
from model_operator.kube.object_cache import NamespacedName, Object, key_of, version_of
from model_operator.kube.resources import ResourceKind

log = structlog.get_logger(__name__)

_NEEDED_SECONDS = 2.0
"""Time until what needs it is compared; after failures ever longer."""


class Resync:
    """Lists what is watched.

    Parameters
    ----------
    client, state, triggers, scope
        Requests, caches, what to do with what is found, and where to look.
    kinds
        The kinds that are watched.
    on_success
        Called when everything could be compared.

    Attributes
    ----------
    silent
        A kind whose watch does not tell what the lists do, if there is one.
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
        self._unheard: dict[ResourceKind, dict[NamespacedName, int]] = {}
        self._needed: set[ResourceKind] = set()
        self._is_needed = asyncio.Event()
        self.silent: ResourceKind | None = None

    async def fill(self) -> dict[Listed, str]:
        """Put everything that exists, and nothing else, into the caches; return the versions to watch from.

        Raises
        ------
        ApiError
            When a list cannot be read.
        """
        versions = {}
        with _keeping_all():
            for kind in self._kinds:
                exist: set[str] = set()
                for namespace in self._scope.namespaces_of(kind):
                    async for objects, version in self._client.pages(kind, namespace):
                        versions[Listed(kind, namespace)] = version
                        for obj in objects:
                            exist.add(obj["metadata"]["uid"])
                            self._triggers.observe(kind, None, obj)
                # An attempt that failed half-way may have left what has gone since.
                self._forget_gone(kind, self._state.cache_of(kind), exist)
        return versions

    async def run(self, period: float) -> None:
        """Compare everything now and then, for ever, and what needs it in between.

        Parameters
        ----------
        period
            Seconds between two comparisons.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._compare_regularly(period))
            group.create_task(self._compare_as_needed(period))

    def relisted(self, kind: ResourceKind) -> None:
        """Note that a watch lists anew, and so will never tell what was deleted before that."""
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
            # One outage ends several watches.
            await asyncio.sleep(pause)
            kinds = [kind for kind in self._kinds if kind in self._needed]
            self._needed.clear()
            self._is_needed.clear()
            failed = await self.prune(kinds)
            pause = min(2 * pause, period) if failed else _NEEDED_SECONDS
            self._need(failed)

    async def prune(self, kinds: Sequence[ResourceKind] | None = None) -> list[ResourceKind]:
        """Forget, and act upon, what the caches have and the API server has not.

        The other way round, what the API server had at the last comparison of everything, too, and the caches
        still have not, tells of a watch that has fallen silent.

        Parameters
        ----------
        kinds
            What to compare; by default everything.

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
                    self._judge(kind, listed)
        if kinds is None and not failed:
            self._on_success()
        return failed

    async def _prune(self, kind: ResourceKind) -> dict[NamespacedName, int]:
        """Compare one kind; return the versions that the API server has of what is ours."""
        known = list(self._state.cache_of(kind))
        exist: set[str] = set()
        listed: dict[NamespacedName, int] = {}
        for namespace in self._scope.namespaces_of(kind):
            async for obj in self._client.list(kind, namespace, metadata_only=True):
                exist.add(obj["metadata"]["uid"])
                if self._scope.covers(key_of(obj)[0]):
                    listed[key_of(obj)] = version_of(obj)
        self._forget_gone(kind, known, exist)
        return listed

    def _forget_gone(self, kind: ResourceKind, known: Iterable[Object], exist: Container[str]) -> None:
        """Forget, and act upon, what was known before everything that exists was listed, by its uid."""
        for obj in known:
            if obj["metadata"]["uid"] not in exist and self._is_unchanged(kind, obj):
                log.info("found gone", kind=kind.kind, key=key_of(obj))
                self._triggers.observe(kind, "DELETED", obj)

    def _judge(self, kind: ResourceKind, listed: Mapping[NamespacedName, int]) -> None:
        before = self._unheard.get(kind, {})
        unheard = {key: version for key, version in listed.items() if not self._knows(kind, key, version)}
        # What was so at the last comparison, too: no watch is that slow.
        if any(key in before and not self._knows(kind, key, before[key]) for key in unheard):
            self.silent = kind
        self._unheard[kind] = unheard

    def _knows(self, kind: ResourceKind, key: NamespacedName, version: int) -> bool:
        cached = self._state.cache_of(kind).get(*key)
        return cached is not None and version_of(cached) >= version

    def _is_unchanged(self, kind: ResourceKind, obj: Object) -> bool:
        now = self._state.cache_of(kind).get(*key_of(obj))
        return now is not None and version_of(now) == version_of(obj)


@contextmanager
def _keeping_all() -> Iterator[None]:
    """Look for no garbage meanwhile, and later not in what has come: it is here to stay.

    Python would go through everything time and again while it grows: for 10,000 instances with their children
    that took three quarters of the CPU time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
