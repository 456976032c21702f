"""Where kopf's watches begin: at the version that the caches were filled from, without a second list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

import aiohttp
from yarl import URL

from model_operator.controller.resources import ResourceKind
from model_operator.controller.triggers import Scope

_NOTHING = "metadata.name=nothing,metadata.name!=nothing"
"""A field selector that selects no object."""


class Listed(NamedTuple):
    """What one list is of.

    Attributes
    ----------
    kind
        Kind of the objects.
    namespace
        Where; empty for everywhere.
    """

    kind: ResourceKind
    namespace: str


class WatchStart:
    """A middleware for the session that kopf watches with.

    kopf lists everything before it watches, and hands each object to a handler. The caches have all of that
    already, so its first list of a kind is made one of no objects at the very version that was read: from
    there it watches, and between there is no gap. Any other list follows upon one (410 Gone, as after a
    restart of the API server), and what was deleted in it no watch will ever tell.

    Parameters
    ----------
    server
        Base URL of the API server.
    kinds, scope
        What is watched, and where.
    on_gap
        Called with a kind that kopf lists anew.
    """

    def __init__(
        self,
        server: str,
        kinds: Sequence[ResourceKind],
        scope: Scope,
        on_gap: Callable[[ResourceKind], None],
    ) -> None:
        self._listed = {
            URL(server + kind.path(namespace)).path: Listed(kind, namespace)
            for kind in kinds
            for namespace in scope.namespaces_of(kind)
        }
        self._versions: dict[Listed, str] = {}
        self._on_gap = on_gap

    def begin_at(self, versions: Mapping[Listed, str]) -> None:
        """Have the next list of each be that of no objects at the version given."""
        self._versions.update(versions)

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Pass a request on."""
        listed = self._listed.get(request.url.path)
        query = request.url.query
        if listed is None or request.method != "GET" or "watch" in query or "continue" in query:
            return await handler(request)
        version = self._versions.pop(listed, None)
        if version is not None:
            asked = request.url
            exactly = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
            request.url = asked.update_query({"fieldSelector": _NOTHING, **exactly})
            response = await handler(request)
            if response.status == HTTPStatus.OK:
                return response
            # The version may be gone (410), or not have come yet to the API server that was asked now (504).
            response.release()
            request.url = asked
        self._on_gap(listed.kind)
        return await handler(request)
