"""Starts kopf's watches at the version from which the caches were filled, without a second list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

import aiohttp
from yarl import URL

from model_operator.controller.scope import Scope
from model_operator.controller.watch.kopf_reading import BoundedResponse
from model_operator.kube.paging import PageSize, TooLargeError, read_bounded
from model_operator.kube.resources import ResourceKind

_NOTHING = "metadata.name=nothing,metadata.name!=nothing"
"""A field selector that selects no object."""
_NOT_AT_THAT_VERSION = (HTTPStatus.BAD_REQUEST, HTTPStatus.GONE, HTTPStatus.GATEWAY_TIMEOUT)
"""The version has expired, or the API server that receives the request does not have it yet."""


class Listed(NamedTuple):
    """Identifies one list.

    Attributes
    ----------
    kind
        Kind of the objects.
    namespace
        Their namespace; empty for all.
    """

    kind: ResourceKind
    namespace: str


class InitialListRewriter:
    """A middleware for the HTTP session of kopf's watches.

    kopf lists all objects before it watches, and passes each one to a handler. The caches already have them,
    so this rewrites kopf's first list of a kind to an empty list at the version that filled the cache; the
    watch continues from there without a gap. Any later list follows an expired watch (410 Gone, for example
    after a restart of the API server); no watch ever reports the objects that were deleted in such a gap.

    kopf reads a page as a whole before the caches reduce its objects. So pages are bounded in bytes here: one
    that is too large is requested again with fewer objects.

    Parameters
    ----------
    server
        Base URL of the API server.
    kinds, scope
        The watched kinds and namespaces.
    on_gap
        Called with a kind that kopf has listed again.
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
        self._sizes = {listed: PageSize() for listed in self._listed.values()}
        self._on_gap = on_gap

    def resume_from(self, versions: Mapping[Listed, str]) -> None:
        """Make the next list of each an empty list at the given version."""
        self._versions.update(versions)

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send a request, rewritten if it is an initial list."""
        listed = self._listed.get(request.url.path)
        query = request.url.query
        if listed is None or request.method != "GET" or "watch" in query:
            return await handler(request)
        size = self._sizes[listed]
        if "continue" in query:
            return await _in_bounds(request, handler, size)
        version = self._versions.get(listed)
        if version is not None:
            asked = request.url
            exactly = {"resourceVersion": version, "resourceVersionMatch": "Exact"}
            request.url = asked.update_query({"fieldSelector": _NOTHING, **exactly})
            response = await handler(request)
            if response.status not in _NOT_AT_THAT_VERSION:
                if response.status == HTTPStatus.OK:
                    del self._versions[listed]
                return response  # kopf retries after any other failure.
            del self._versions[listed]
            response.release()
            request.url = asked
        response = await _in_bounds(request, handler, size)
        if response.status == HTTPStatus.OK:
            # Only now: a resync before the end of the gap would miss deletions.
            self._on_gap(listed.kind)
        return response


async def _in_bounds(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType, size: PageSize
) -> aiohttp.ClientResponse:
    """Return the response to a page's request, read up to its bound; of fewer objects if it has more."""
    while True:
        request.url = request.url.update_query(limit=str(size.limit))
        response = await handler(request)
        if response.status != HTTPStatus.OK or not isinstance(response, BoundedResponse):
            return response
        try:
            response.keep(await read_bounded(response, size.max_bytes))
        except TooLargeError:
            size.shrink()
            continue
        size.grow()
        return response
