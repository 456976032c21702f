"""Counts requests to the API server, both kopf's and the operator's own, which share the connections."""

from __future__ import annotations

import asyncio
import re
import time
from types import SimpleNamespace
from typing import NamedTuple

import aiohttp
from yarl import URL

from model_operator.controller.metrics.instruments import Metrics
from model_operator.kube.resources import KINDS

OTHER = "other"
"""The label of requests for any resource that the operator does not use."""
_SUBRESOURCES = frozenset({"", "status", "scale", "finalizers"})
_RESOURCES = frozenset(kind.plural for kind in KINDS) | {"customresourcedefinitions"}
"""The kinds that are read or written, and what kopf uses for discovery."""
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_PATH = re.compile(
    r"""(?:/api/v1|/apis/[^/]+/[^/]+)
        (?:/namespaces/[^/]+)?           # if nothing follows, the namespace itself is the resource
        /(?P<resource>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<subresource>[^/]+))?)?""",
    re.VERBOSE,
)


class Target(NamedTuple):
    """Verb and resource of a request, as in the API server's audit log.

    Attributes
    ----------
    verb
        ``get``, ``list``, ``watch``, ``create``, ``update``, ``patch``, ``delete``, or ``apply``, which the
        audit log calls a patch.
    resource
        Plural with subresource, such as ``modelinstances/status``; ``other`` for a resource that the operator
        does not use; empty for requests without a resource, such as discovery. So the label has few values.
    """

    verb: str
    resource: str


def target_of(method: str, url: URL, content_type: str = "") -> Target:
    """Return verb and resource of a request.

    Parameters
    ----------
    method, url
        The request.
    content_type
        ``Content-Type`` of its body.
    """
    # Not decoded: an encoded slash is no separator.
    match = _PATH.fullmatch(url.raw_path)
    if match is None:
        return Target(_VERBS.get(method, "get"), "")
    resource, name, subresource = match["resource"], match["name"], match["subresource"] or ""
    if method == "PATCH" and content_type.startswith("application/apply-patch"):
        verb = "apply"
    elif method == "GET" and name is None:
        verb = "watch" if url.query.get("watch") in ("true", "1") else "list"
    else:
        verb = _VERBS.get(method, "get")
    if resource not in _RESOURCES or subresource not in _SUBRESOURCES:
        return Target(verb, OTHER)
    return Target(verb, f"{resource}/{subresource}" if subresource else resource)


def request_trace(metrics: Metrics) -> aiohttp.TraceConfig:
    """Return a trace configuration that counts and times a session's requests.

    A client middleware could not distinguish a request that timed out from one that was cancelled.

    Parameters
    ----------
    metrics
        The metrics to update.
    """
    watched: set[str] = set()

    async def on_start(
        _: aiohttp.ClientSession, context: SimpleNamespace, request: aiohttp.TraceRequestStartParams
    ) -> None:
        context.started = time.perf_counter()
        context.target = target_of(request.method, request.url, request.headers.get("Content-Type", ""))
        if context.target.verb == "watch":
            is_again = request.url.path in watched
            metrics.watch_restarts.labels(context.target.resource).inc(is_again)
            watched.add(request.url.path)

    async def on_end(
        _: aiohttp.ClientSession, context: SimpleNamespace, request: aiohttp.TraceRequestEndParams
    ) -> None:
        metrics.api_requests.labels(*context.target, request.response.status).inc()
        metrics.api_request_duration.labels(context.target.verb).observe(
            time.perf_counter() - context.started
        )

    async def on_exception(
        _: aiohttp.ClientSession, context: SimpleNamespace, request: aiohttp.TraceRequestExceptionParams
    ) -> None:
        code = "cancelled" if isinstance(request.exception, asyncio.CancelledError) else "error"
        metrics.api_requests.labels(*context.target, code).inc()

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(on_start)
    trace.on_request_end.append(on_end)
    trace.on_request_exception.append(on_exception)
    return trace
