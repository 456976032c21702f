"""The page of models at ``/``: what its caller may execute, in HTML made on the server.

The key comes in a field of a form or in the headers of a request, never in an address; it is in no answer,
cookie or log. Nothing is kept between two requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPMethod, HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from multidict import CIMultiDict, CIMultiDictProxy

from model_operator.core.gateway.access import Caller
from model_operator.core.gateway.apis import Family
from model_operator.core.gateway.failures import Failure, FailureReason, response_of
from model_operator.core.gateway.models import Deployment, Model
from model_operator.core.gateway.page_entries import (
    SIZES,
    Page,
    PageQuery,
    base_url_of,
    page_of,
    read_query,
)
from model_operator.core.values.words import plural
from model_operator.gateway.pages.page_assets import PageAssets

PATH: Final = "/"
ROUTE: Final = "model-page"
"""Name of the page's route, in metrics and logs."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Authorization, x-api-key",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_METHODS: Final = (HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.POST)
_KEY_HEADERS: Final = ("Authorization", "x-api-key")
_FORM: Final = "application/x-www-form-urlencoded"
_MAX_FORM_BYTES: Final = 64 * 1024
_MAX_FIELDS: Final = 16


class Callers(Protocol):
    """Who calls, and what they may execute."""

    async def authenticate(self, headers: CIMultiDictProxy[str] | CIMultiDict[str]) -> Caller:
        """Return the caller of a request; raise a Failure when there is none."""
        ...

    async def filter(self, caller: Caller, models: Sequence[Model]) -> list[Model]:
        """Return the models that the caller may execute."""
        ...


@dataclass
class Shown:
    """What a request for the page came to.

    Attributes
    ----------
    response
        The answer.
    error
        Code of the failure that it reports; empty without one.
    caller
        Name of the caller; empty without one.
    """

    response: web.Response
    error: str = ""
    caller: str = ""


@dataclass
class _Asked:
    """A request for the page, as far as it is read."""

    query: PageQuery = field(default_factory=PageQuery)
    base_url: str = ""
    caller: str = ""


class ModelPage:
    """Answers requests for the page.

    Parameters
    ----------
    models
        The registered models.
    callers
        Who calls, and what they may execute.
    is_ready
        Whether a deployment has a ready worker.
    assets
        Style, script and icon.
    links
        Address by text, of further pages of the gateway.
    """

    def __init__(
        self,
        models: Iterable[Model],
        callers: Callers,
        is_ready: Callable[[Deployment], bool],
        assets: PageAssets,
        links: Mapping[str, str],
    ) -> None:
        self._models = models
        self._callers = callers
        self._is_ready = is_ready
        self._assets = assets
        self._links = links
        environment = Environment(
            loader=PackageLoader(__package__),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["plural"] = plural
        self._template = environment.get_template("models.html")

    async def answer(self, request: web.Request, read: Callable[[], Any]) -> Shown:
        """Return the page for a request.

        Parameters
        ----------
        request
            The request.
        read
            Returns an awaitable of its body.
        """
        asked = _Asked()
        try:
            page = await self._page(request, read, asked)
        except Failure as failure:
            response = self._response(asked, failure=failure)
            return Shown(response, failure.reason, asked.caller)
        return Shown(self._response(asked, page=page), caller=asked.caller)

    async def _page(self, request: web.Request, read: Callable[[], Any], asked: _Asked) -> Page | None:
        """Return what to show; None for the form alone."""
        _require_method(request)
        forwarded = request.headers.get("X-Forwarded-Proto", "")
        asked.base_url = base_url_of(request.scheme, request.host, forwarded)
        headers: CIMultiDictProxy[str] | CIMultiDict[str] = request.headers
        fields: Mapping[str, str] = request.query
        if request.method == HTTPMethod.POST:
            fields = await _read_form(request, read)
            headers = CIMultiDict(Authorization=f"Bearer {fields.get('token', '')}")
        asked.query = read_query(fields)
        if not any(name in headers for name in _KEY_HEADERS):
            return None
        caller = await self._callers.authenticate(headers)
        asked.caller = caller.username
        # All of them before the search: how long an answer takes says nothing of models of other callers.
        models = await self._callers.filter(caller, list(self._models))
        return page_of(asked.query, models, self._is_ready, asked.base_url)

    def _response(
        self, asked: _Asked, *, page: Page | None = None, failure: Failure | None = None
    ) -> web.Response:
        text = self._template.render(
            asset=self._assets.paths,
            base_url=asked.base_url,
            caller=asked.caller,
            failure=failure,
            links=self._links,
            page=page,
            query=asked.query,
            sizes=SIZES,
        )
        status: int = HTTPStatus.OK
        headers = dict(_HEADERS)
        if failure is not None:
            shaped = response_of(failure, Family.OPENAI)
            status = shaped.status
            headers = {**shaped.headers, **_HEADERS}
        return web.Response(status=status, headers=headers, body=text.encode(errors="replace"))


def _require_method(request: web.Request) -> None:
    if request.method not in _METHODS:
        allowed = ", ".join(_METHODS)
        message = f"this path accepts only {allowed}."
        raise Failure(FailureReason.METHOD_NOT_ALLOWED, message, headers={"Allow": allowed})


async def _read_form(request: web.Request, read: Callable[[], Any]) -> Mapping[str, str]:
    """Return the fields of a form, the first of each name."""
    if request.content_type != _FORM:
        raise Failure(
            FailureReason.INVALID_REQUEST,
            f"expected a form as {_FORM}. Action (user): use the form of this page.",
        )
    if (request.content_length or 0) > _MAX_FORM_BYTES:
        raise _too_large()
    body = await read()
    if len(body) > _MAX_FORM_BYTES:
        raise _too_large()
    try:
        # A line break at the end of a key is the terminal's that it was copied from.
        pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Failure(
            FailureReason.INVALID_REQUEST,
            f"the form has more than {_MAX_FIELDS} fields. Action (user): use the form of this page.",
        ) from None
    return {name: value.strip() for name, value in reversed(pairs)}


def _too_large() -> Failure:
    return Failure(
        FailureReason.BODY_TOO_LARGE,
        f"the form has more than {_MAX_FORM_BYTES} bytes. Action (user): enter one key alone.",
    )
