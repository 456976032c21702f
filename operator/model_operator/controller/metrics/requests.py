"""Counts requests to the API server, both kopf's and the operator's own, which share the connections."""

from __future__ import annotations

import asyncio
import functools
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


class RequestCounter:
    """Counts and times requests; an :class:`~model_operator.kube.observation.Observer`.

    Parameters
    ----------
    metrics
        The metrics to update.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._watched: set[str] = set()
        # Few, as there are few targets and codes; prometheus_client takes a lock to find one.
        self._counted = functools.cache(metrics.api_requests.labels)
        self._timed = functools.cache(metrics.api_request_duration.labels)

    def started(self, method: str, url: URL, content_type: str) -> _Observed:
        """Begin to observe a request."""
        target = target_of(method, url, content_type)
        if target.verb == "watch":
            self._metrics.watch_restarts.labels(target.resource).inc(url.path in self._watched)
            self._watched.add(url.path)
        return _Observed(self, target)

    def count(self, target: Target, code: int | str, seconds: float | None = None) -> None:
        """Count one request.

        Parameters
        ----------
        target
            What was requested.
        code
            HTTP status of the response, or why there is none.
        seconds
            Time until the response; None without one.
        """
        self._counted(*target, code).inc()
        if seconds is not None:
            self._timed(target.verb).observe(seconds)

    def trace(self) -> aiohttp.TraceConfig:
        """Return a trace configuration that counts and times a session's requests.

        A client middleware could not distinguish a request that timed out from one that was cancelled.
        """

        async def on_start(
            _: aiohttp.ClientSession, context: SimpleNamespace, request: aiohttp.TraceRequestStartParams
        ) -> None:
            content_type = request.headers.get("Content-Type", "")
            context.observed = self.started(request.method, request.url, content_type)

        async def on_end(
            _: aiohttp.ClientSession, context: SimpleNamespace, request: aiohttp.TraceRequestEndParams
        ) -> None:
            context.observed.answered(request.response.status)

        async def on_exception(
            _: aiohttp.ClientSession, context: SimpleNamespace, request: aiohttp.TraceRequestExceptionParams
        ) -> None:
            context.observed.failed(request.exception)

        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(on_start)
        trace.on_request_end.append(on_end)
        trace.on_request_exception.append(on_exception)
        return trace


class _Observed:
    """One request: its target, and when it was started."""

    __slots__ = ("_counter", "_started", "_target")

    def __init__(self, counter: RequestCounter, target: Target) -> None:
        self._counter = counter
        self._target = target
        self._started = time.perf_counter()

    def answered(self, status: int) -> None:
        """Count the response by its status, and the time until its headers were read."""
        self._counter.count(self._target, status, time.perf_counter() - self._started)

    def failed(self, error: BaseException) -> None:
        """Count a request without a response."""
        code = "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
        self._counter.count(self._target, code)
