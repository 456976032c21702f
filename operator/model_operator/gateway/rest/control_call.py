"""One request of the REST API, with everything that an operation reads of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from multidict import CIMultiDictProxy, MultiMapping

from model_operator.core.gateway.access import Caller
from model_operator.core.gateway.failures import Failure, FailureReason, invalid
from model_operator.core.gateway.headers import ACCOUNT_HEADER
from model_operator.core.gateway.rest.api_refusals import LocOf, body_loc, refusal
from model_operator.core.gateway.rest.control_routes import Operation
from model_operator.core.gateway.rest.entries import QUERY, Entry
from model_operator.core.gateway.rest.manifest_export import exported
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.values.json_values import wire_json
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiError

_SLICE_SECONDS: Final = 0.005
"""Time for which a long list keeps the event loop before other requests have their turn."""

Later = Callable[[], Awaitable[web.Response]]
"""Waits for what an answer shall have, after the change is made; it ends when the client leaves."""

_FORCE: Final = "force"
_TRUE: Final = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE: Final = frozenset({"", "false", "0", "no", "off", "f", "n"})
"""What FastAPI reads as a boolean, and a parameter without a value."""


@dataclass(frozen=True, slots=True)
class ControlCall:
    """A request, authenticated and read.

    Attributes
    ----------
    operation
        The operation that method and path name.
    variables
        Variables of its path, decoded.
    query, headers
        As sent.
    body
        As sent.
    caller
        Who sends it.
    client
        The API server, with the caller's own token.
    """

    operation: Operation
    variables: Mapping[str, str]
    query: MultiMapping[str]
    headers: CIMultiDictProxy[str]
    body: bytes
    caller: Caller
    client: ApiClient

    @property
    def account(self) -> str:
        """The account that the client has selected; empty for none."""
        return self.headers.get(ACCOUNT_HEADER, "")

    @property
    def is_forced(self) -> bool:
        """Whether the caller changes what a GitOps controller owns all the same.

        Raises
        ------
        Failure
            ``INVALID`` for a value that is no boolean.
        """
        value = self.query.get(_FORCE, "")
        if value.lower() in _TRUE | _FALSE:
            return value.lower() in _TRUE
        message = "Input should be a valid boolean: true or false"
        raise invalid(Entry((QUERY, _FORCE), message, "bool_parsing", value))


def json_answer(answer: Any) -> web.Response:
    """Return an answer with status 200, as the platform gives to every success."""
    return web.Response(body=wire_json(answer), content_type="application/json", status=HTTPStatus.OK)


async def page_answer(page: Mapping[str, Any], answer: Callable[[Any], Any]) -> web.Response:
    """Return a page of a list; while a long one is made, calls to models go on.

    Parameters
    ----------
    page
        The envelope, whose ``items`` are not answers yet.
    answer
        Returns the answer for an item.
    """
    items: list[bytes] = []
    since = time.monotonic()
    for item in page["items"]:
        items.append(wire_json(answer(item)))
        if time.monotonic() - since > _SLICE_SECONDS:
            await asyncio.sleep(0)
            since = time.monotonic()
    rest = wire_json({name: value for name, value in page.items() if name != "items"})
    body = b'{"items":[' + b",".join(items) + b"]," + rest.removeprefix(b"{")
    return web.Response(body=body, content_type="application/json", status=HTTPStatus.OK)


def manifest_answer(obj: Mapping[str, Any], template: CompiledTemplate | None = None) -> web.Response:
    """Return an object, and the template of a model if it is known, as the YAML that people commit."""
    return web.Response(text=exported(dict(obj), template), content_type="application/yaml", charset="utf-8")


def api_failure(error: ApiError, body: Mapping[str, Any] | None = None, loc_of: LocOf = body_loc) -> Failure:
    """Return what a failed request to the API server means to the caller.

    Parameters
    ----------
    error
        The error.
    body
        The body of the caller's request, whose values the entries show.
    loc_of
        Returns the place in the body of a field of the object.
    """
    if not error.code:
        return Failure(
            FailureReason.API_SERVER_UNAVAILABLE,
            "the API server of the cluster does not respond. Action (cluster administrator): check it; the "
            "client may retry.",
        )
    return refusal(error.code, error.status, body, loc_of, error.retry_after)
