"""Pages that need no credentials: a table of paths with bytes, which contain nothing of any caller."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPMethod, HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.helpers import ETag

from model_operator.core.gateway.failures import Failure, FailureReason

ROUTE: Final = "open-page"
"""Name of the route of all these pages, in metrics and logs."""

_METHODS: Final = (HTTPMethod.GET, HTTPMethod.HEAD)
_ETAG_CHARACTERS: Final = 32
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Of each page: nothing from another host, no inline script or style, no frame around it."""
_HEADERS: Final = {
    # Revalidated at each use, by an answer 304: an upgrade of the gateway shows at once.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class OpenPage:
    """What is at a path.

    Attributes
    ----------
    content_type
        Value of Content-Type, with the charset.
    body
        The bytes.
    headers
        Headers beside the usual ones, or in their place.
    """

    content_type: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def etag(self) -> str:
        """The entity tag, without quotes: a hash of the bytes."""
        return hashlib.sha256(self.body).hexdigest()[:_ETAG_CHARACTERS]


OpenPages = Mapping[str, OpenPage]
"""Pages by raw path."""


def page_response(request: web.Request, page: OpenPage) -> web.Response:
    """Return the answer to a request for a page: 304 if the client has it.

    Raises
    ------
    Failure
        If the method is neither GET nor HEAD.
    """
    if request.method not in _METHODS:
        allowed = ", ".join(_METHODS)
        raise Failure(
            FailureReason.METHOD_NOT_ALLOWED,
            f"this path accepts only {allowed}.",
            headers={"Allow": allowed},
        )
    headers = {**_HEADERS, **page.headers, "ETag": f'"{page.etag}"'}
    if any(_means(each, page) for each in request.if_none_match or ()):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return web.Response(body=page.body, headers={**headers, "Content-Type": page.content_type})


def _means(tag: ETag, page: OpenPage) -> bool:
    """Return whether an entity tag of If-None-Match is that of a page; a proxy may have weakened it."""
    return tag.value in ("*", page.etag)
