"""Filling the caches, and comparing them with the API server from time to time.

After its watch has expired (410 Gone) kopf lists anew, and what was deleted meanwhile is never
announced. So now and then the names of everything are listed, and what is no longer there is
forgotten and acted upon like a deletion.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

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
        """Compare once shortly after the start, then for ever.

        Parameters
        ----------
        period
            Seconds between two comparisons.
        """
        await asyncio.sleep(_SETTLING_SECONDS)
        while True:
            failed = await self.prune()
            self._triggers.enqueue_all()
            pause = _SETTLING_SECONDS
            # What could not be listed now need not stay unknown until the next time.
            while failed and pause < period:
                await asyncio.sleep(pause)
                failed = await self.prune(failed)
                pause *= 2
            await asyncio.sleep(period)

    async def prune(self, kinds: Sequence[ResourceKind] | None = None) -> list[ResourceKind]:
        """Forget, and act upon, what the caches have and the API server has not.

        The other way round, what the API server had at the last comparison, too, and the caches still have
        not, tells of a watch that has fallen silent.

        Parameters
        ----------
        kinds
            What to compare, by default everything; if less, all the rest has just been compared.

        Returns
        -------
        list
            The kinds that could not be listed.
        """
        failed = []
        for kind in self._kinds if kinds is None else kinds:
            try:
                await self._prune(kind)
            except ApiError as error:
                failed.append(kind)
                log.warning("resync failed", kind=kind.kind, error=str(error))
        if not failed:
            self._on_success()
        return failed

    async def _prune(self, kind: ResourceKind) -> None:
        known = list(self._state.cache_of(kind))
        exist: set[str] = set()
        unheard: dict[NamespacedName, int] = {}
        before = self._unheard.get(kind, {})
        for namespace in self._namespaces(kind):
            async for obj in self._client.list(kind, namespace, metadata_only=True):
                exist.add(obj["metadata"]["uid"])
                key = key_of(obj)
                if self._scope.covers(key[0]) and not self._knows(kind, key, version_of(obj)):
                    unheard[key] = version_of(obj)
                    # That was so at the last comparison: no watch is that slow.
                    if key in before and not self._knows(kind, key, before[key]):
                        self.silent = kind
        self._unheard[kind] = unheard
        for obj in known:
            if obj["metadata"]["uid"] not in exist and self._is_unchanged(kind, obj):
                log.info("found gone", kind=kind.kind, key=key_of(obj))
                self._triggers.observe(kind, "DELETED", obj)

    def _knows(self, kind: ResourceKind, key: NamespacedName, version: int) -> bool:
        cached = self._state.cache_of(kind).get(*key)
        return cached is not None and version_of(cached) >= version

    def _is_unchanged(self, kind: ResourceKind, obj: Object) -> bool:
        now = self._state.cache_of(kind).get(*key_of(obj))
        return now is not None and version_of(now) == version_of(obj)

    def _namespaces(self, kind: ResourceKind) -> list[str]:
        return self._scope.namespaces if kind.namespaced and self._scope.namespaces else [""]
