"""Filling the caches, and comparing them with the API server from time to time.

After its watch has expired (410 Gone), as after a restart of the API server, kopf lists anew, and what was
deleted meanwhile is never announced. So then, and now and then, the names of everything are listed, and what
is no longer there is forgotten and acted upon like a deletion.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from model_operator.controller.cache import NamespacedName, Object, key_of, version_of
from model_operator.controller.client import ApiClient
from model_operator.controller.errors import ApiError
from model_operator.controller.resources import ResourceKind
from model_operator.controller.state import ClusterState
from model_operator.controller.triggers import Scope, Triggers

log = structlog.get_logger(__name__)

_SETTLING_SECONDS = 10.0
"""Time after the first list by which the watches have started; what was deleted between is found then."""

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
        self._has_begun = False
        self._needed: set[ResourceKind] = set()
        self._is_needed = asyncio.Event()
        self.silent: ResourceKind | None = None

    async def fill(self) -> None:
        """Put everything that exists into the caches.

        Raises
        ------
        ApiError
            When a list cannot be read.
        """
        for kind in self._kinds:
            for namespace in self._namespaces(kind):
                async for obj in self._client.list(kind, namespace):
                    self._triggers.observe(kind, None, obj)

    async def run(self, period: float) -> None:
        """Compare everything shortly after the start, then for ever, and what needs it in between.

        Parameters
        ----------
        period
            Seconds between two comparisons.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._compare_regularly(period))
            group.create_task(self._compare_as_needed(period))

    def relisted(self, kind: ResourceKind) -> None:
        """Note that a watch lists anew, and so will never tell what was deleted before that.

        Until the first comparison that is so for all of them, and what it is there for.
        """
        if self._has_begun:
            self._need([kind])

    def _need(self, kinds: Iterable[ResourceKind]) -> None:
        self._needed.update(kinds)
        if self._needed:
            self._is_needed.set()

    async def _compare_regularly(self, period: float) -> None:
        await asyncio.sleep(_SETTLING_SECONDS)
        while True:
            self._has_begun = True
            self._need(await self.prune())
            self._triggers.enqueue_all()
            await asyncio.sleep(period)

    async def _compare_as_needed(self, period: float) -> None:
        pause = _NEEDED_SECONDS
        while True:
            await self._is_needed.wait()
            # A list comes as many events.
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
        for namespace in self._namespaces(kind):
            async for obj in self._client.list(kind, namespace, metadata_only=True):
                exist.add(obj["metadata"]["uid"])
                if self._scope.covers(key_of(obj)[0]):
                    listed[key_of(obj)] = version_of(obj)
        for obj in known:
            if obj["metadata"]["uid"] not in exist and self._is_unchanged(kind, obj):
                log.info("found gone", kind=kind.kind, key=key_of(obj))
                self._triggers.observe(kind, "DELETED", obj)
        return listed

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

    def _namespaces(self, kind: ResourceKind) -> list[str]:
        return self._scope.namespaces if kind.namespaced and self._scope.namespaces else [""]
