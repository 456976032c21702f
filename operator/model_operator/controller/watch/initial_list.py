"""Where kopf's watches begin: at the version that the caches were filled from, without a second list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

import aiohttp
from yarl import URL

from model_operator.controller.scope import Scope
from model_operator.kube.resources import MODEL_INSTANCES, TEMPLATE_KINDS, ResourceKind

_NOTHING = "metadata.name=nothing,metadata.name!=nothing"
"""A field selector that selects no object."""
_NOT_AT_THAT_VERSION = (HTTPStatus.BAD_REQUEST, HTTPStatus.GONE, HTTPStatus.GATEWAY_TIMEOUT)
"""The version is gone, or has not come yet to the API server that is asked now."""


_OURS = (MODEL_INSTANCES, *TEMPLATE_KINDS)
_FEW = 20
"""Objects of ours that kopf may have in one page: it reads a page as a whole, and each may have 1.5 MB, which
takes some 20 MB as values of Python."""


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


class InitialListRewriter:
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
        Called with a kind that kopf has listed anew.
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

    def resume_from(self, versions: Mapping[Listed, str]) -> None:
        """Have the next list of each be that of no objects at the version given."""
        self._versions.update(versions)

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Pass a request on."""
        listed = self._listed.get(request.url.path)
        query = request.url.query
        if listed is not None and listed.kind in _OURS and "limit" in query:
            request.url = request.url.update_query(limit=str(_FEW))
        if listed is None or request.method != "GET" or "watch" in query or "continue" in query:
            return await handler(request)
        version = self._versions.get(listed)
        if version is not None:
            asked = request.url
            exactly = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
            request.url = asked.update_query({"fieldSelector": _NOTHING, **exactly})
            response = await handler(request)
            if response.status not in _NOT_AT_THAT_VERSION:
                if response.status == HTTPStatus.OK:
                    del self._versions[listed]
                return response  # kopf asks again after any other failure.
            del self._versions[listed]
            response.release()
            request.url = asked
        response = await handler(request)
        if response.status == HTTPStatus.OK:
            # Not before: a comparison finds all that is in the gap only once it has ended.
            self._on_gap(listed.kind)
        return response
