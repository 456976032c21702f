"""Watches the labels of namespaces, while a template shares by them.

Without the permission to list and watch namespaces such templates are shared with the namespaces that they
name, and their status says that the labels are not known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from model_operator.controller.cache.namespace_labels import Knowledge
from model_operator.controller.watch.triggers import Triggers
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiError
from model_operator.kube.informer import Informer
from model_operator.kube.resources import NAMESPACES

log = structlog.get_logger(__name__)

_CHECK_SECONDS = 60.0
"""Time between two looks at the permission, and at whether a template still selects by labels."""
_RETRY_SECONDS = 2.0


class NamespaceWatch:
    """Keeps the labels of namespaces, for as long as a template selects by them.

    Parameters
    ----------
    client
        Requests.
    triggers
        Has the labels, and enqueues what a change of them concerns.
    renew
        Reads the credentials again, after the API server has refused them.
    check_seconds
        Time between two looks at the permission.
    """

    def __init__(
        self,
        client: ApiClient,
        triggers: Triggers,
        renew: Callable[[], Awaitable[None]],
        check_seconds: float = _CHECK_SECONDS,
    ) -> None:
        self._client = client
        self._triggers = triggers
        self._renew = renew
        self._check_seconds = check_seconds

    async def run(self) -> None:
        """Watch while it is needed; never returns."""
        labels = self._triggers.namespaces
        while True:
            await self._triggers.until_selected()
            try:
                is_allowed = await self._is_allowed()
            except ApiError as error:
                log.warning("cannot look for the permission to watch namespaces", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if is_allowed:
                await self._watch()
            else:
                if labels.knowledge is not Knowledge.FORBIDDEN:
                    log.warning("namespaces are not known by their labels: list or watch is not permitted")
                self._triggers.forget_labels(Knowledge.FORBIDDEN)
                await asyncio.sleep(self._check_seconds)
            if not labels.selecting:
                self._triggers.forget_labels(Knowledge.UNUSED)

    async def _watch(self) -> None:
        """Watch until the permission is taken away, or no template selects by labels."""
        informer = Informer(
            self._client,
            NAMESPACES,
            put=self._put,
            remove=lambda _, name, _version: self._triggers.on_namespace(name, None),
            renew=self._renew,
            now=time.monotonic,
            selection={"metadata_only": True},
        )
        watching = asyncio.create_task(informer.run(), name="namespaces")
        listing = asyncio.create_task(self._announce(informer), name="list of namespaces")
        try:
            while self._triggers.namespaces.selecting:
                await asyncio.wait([watching], timeout=self._check_seconds)
                if watching.done():
                    watching.result()
                try:
                    if not await self._is_allowed():
                        return
                except ApiError as error:
                    log.warning("cannot look for the permission to watch namespaces", error=str(error))
        finally:
            for task in (watching, listing):
                task.cancel()
            await asyncio.gather(watching, listing, return_exceptions=True)

    async def _announce(self, informer: Informer) -> None:
        await informer.until_listed()
        self._triggers.on_all_namespaces()

    def _put(self, namespace: Mapping[str, Any]) -> None:
        metadata = namespace["metadata"]
        self._triggers.on_namespace(metadata["name"], metadata.get("labels") or {})

    async def _is_allowed(self) -> bool:
        answers = [await self._client.is_allowed(verb, NAMESPACES, "") for verb in ("list", "watch")]
        return all(answers)
