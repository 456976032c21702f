"""List and watch: keeps the tables of a process in step with the API server, and only ever reads."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog

from model_operator.kube.client import ApiClient, Selection
from model_operator.kube.errors import ApiError, StartupError
from model_operator.kube.object_cache import NamespacedName, key_of, version_of
from model_operator.kube.resources import ResourceKind

log = structlog.get_logger(__name__)

_FIRST_DELAY = 0.25
_LONGEST_DELAY = 10.0
_JITTER = 0.3
_ANY_VERSION = 2**63

Object = Mapping[str, Any]


class Informer:
    """Passes on every object of a kind, and what changes.

    While the API server cannot be reached the tables keep what they have: work goes on with that.

    Parameters
    ----------
    client
        Requests.
    kind
        The kind.
    selection
        Which objects; see :class:`~model_operator.kube.client.Selection`.
    namespaces
        Namespaces to watch one by one; all of the cluster when empty.
    put
        Called with each object that is new or changed.
    remove
        Called with namespace and name of each object that was deleted, and the version of the deletion, or
        that of a list that does not have it: a newer object of that name, which the process may have seen
        elsewhere, is there.
    renew
        Reads the credentials again, after the API server has refused them.
    now
        Seconds from any start.
    """

    def __init__(
        self,
        client: ApiClient,
        kind: ResourceKind,
        *,
        put: Callable[[Object], None],
        remove: Callable[[str, str, int], None],
        renew: Callable[[], Awaitable[None]],
        now: Callable[[], float],
        selection: Selection | None = None,
        namespaces: tuple[str, ...] = (),
    ) -> None:
        self._client = client
        self._kind = kind
        self._selection: Selection = selection or {}
        self._namespaces = namespaces or ("",)
        self._put = put
        self._remove = remove
        self._renew = renew
        self._now = now
        self._known: dict[str, set[NamespacedName]] = {}
        self._heard: dict[str, float] = {}
        self._listed = asyncio.Event()

    @property
    def kind(self) -> ResourceKind:
        """The kind."""
        return self._kind

    @property
    def name(self) -> str:
        """Plural of the kind."""
        return self._kind.plural

    @property
    def has_listed(self) -> bool:
        """Whether all objects have been listed once."""
        return self._listed.is_set()

    async def until_listed(self) -> None:
        """Wait until all objects have been listed once."""
        await self._listed.wait()

    def age(self) -> float:
        """Return the seconds since the API server last answered, of the namespace that it is longest for."""
        if not self.has_listed:
            return 0.0
        return self._now() - min(self._heard.values())

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces:
                group.create_task(self._follow(namespace), name=f"watch {self._kind.plural} {namespace}")

    async def _follow(self, namespace: str) -> None:
        version, delay = "", _FIRST_DELAY
        while True:
            try:
                if not version:
                    version = await self._list(namespace)
                    delay = _FIRST_DELAY
                async for seen in self._watch(namespace, version):
                    version, delay = seen, _FIRST_DELAY
                self._heard[namespace] = self._now()
                continue
            except ApiError as error:
                if error.code == HTTPStatus.GONE:
                    version = ""
                    continue
                log.warning("cannot watch; trying again", kind=self._kind.plural, error=str(error))
                if error.code == HTTPStatus.UNAUTHORIZED:
                    await self._read_credentials_again()
                # A refused request may mean that the version is of another time of the server's storage.
                version = version if error.code == 0 else ""
            # Not for secrets: jitter only spreads the attempts.
            await asyncio.sleep(delay * random.uniform(1 - _JITTER, 1))  # noqa: S311
            delay = min(delay * 2, _LONGEST_DELAY)

    async def _list(self, namespace: str) -> str:
        version, found = "", set()
        async for items, listed in self._client.pages(self._kind, namespace, **self._selection):
            version = listed
            for item in items:
                found.add(key_of(dict(item)))
                self._take(item)
        for key in self._known.get(namespace, set()) - found:
            self._remove(*key, int(version))
        self._known[namespace] = found
        self._heard[namespace] = self._now()
        if len(self._heard) == len(self._namespaces):
            self._listed.set()
        return version

    async def _watch(self, namespace: str, version: str) -> Any:
        """Yield the version after each change."""
        known = self._known[namespace]
        changes = self._client.watch(self._kind, namespace, version, **self._selection)
        async with contextlib.aclosing(changes):
            async for event, changed in changes:
                self._heard[namespace] = self._now()
                key = key_of(changed)
                if event == "DELETED":
                    known.discard(key)
                    self._remove(*key, version_of(changed))
                else:
                    known.add(key)
                    self._take(changed)
                yield changed["metadata"]["resourceVersion"]

    def _take(self, changed: Object) -> None:
        """Pass on an object; one that cannot be read must not end the process, which has all the others."""
        try:
            self._put(changed)
        except Exception:
            namespace, name = key_of(dict(changed))
            log.exception("cannot read an object", kind=self._kind.plural, namespace=namespace, name=name)
            self._remove(namespace, name, _ANY_VERSION)

    async def _read_credentials_again(self) -> None:
        try:
            await self._renew()
        except StartupError as error:
            log.warning("cannot read the credentials", error=str(error))
