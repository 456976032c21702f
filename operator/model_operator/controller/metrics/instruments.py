"""The registry, and the metrics that are updated when something happens."""

from __future__ import annotations

import platform
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector

from model_operator import __version__
from model_operator.controller.metrics import catalog
from model_operator.controller.serving.admission_gate import Shed
from model_operator.kube.resources import MODEL_INSTANCES, TEMPLATE_KINDS, ResourceKind
from model_operator.metrics.registration import counter, gauge, histogram
from model_operator.process.connection_slots import Closing

Handler = Callable[[Any], Awaitable[web.StreamResponse]]

WEBHOOK_KEY = web.RequestKey("webhook", str)
"""Key of a request under which it keeps the label of its webhook: the path without its token."""
_UNKNOWN_PATH = "unknown"


class Result(StrEnum):
    """Result of a reconcile."""

    DONE = "done"
    RETRY = "retry"
    GONE = "gone"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    DEFECT = "defect"


class Decision(StrEnum):
    """Decision of a review."""

    ALLOWED = "allowed"
    WARNED = "warned"
    DENIED = "denied"
    FAILED = "failed"


class Port(StrEnum):
    """A port that the operator listens on."""

    HEALTH = "health"
    WEBHOOKS = "webhooks"


class Posting(StrEnum):
    """Result of posting an Event."""

    POSTED = "posted"
    REFUSED = "refused"
    DROPPED = "dropped"


class Metrics:
    """Metrics of one operator; there may be several in a process.

    Attributes
    ----------
    registry
        The exposed metrics, those of the process included.
    leader
        1 on the leader, else 0; set by leader election.
    events
        Events by :class:`Posting`.
    watch_events
        Watch events by resource and type.
    api_requests, api_request_duration, watch_restarts
        Requests to the API server, by verb, resource and code; by verb; by resource.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        gauge(catalog.BUILD_INFO, self.registry).labels(__version__, platform.python_version()).set(1)
        self.leader = gauge(catalog.LEADER, self.registry)
        self.leader.set(1)
        self.events = counter(catalog.EVENTS, self.registry)
        # Here and below: PromQL sees no increase in a series that starts with its first event.
        for posting in Posting:
            self.events.labels(posting)
        self._decisions = counter(catalog.WEBHOOK_DECISIONS, self.registry)
        self.watch_events = counter(catalog.WATCH_EVENTS, self.registry)
        self.api_requests = counter(catalog.API_REQUESTS, self.registry)
        self.api_request_duration = histogram(catalog.API_REQUEST_DURATION, self.registry)
        self.watch_restarts = counter(catalog.WATCH_RESTARTS, self.registry)
        self._reconciles = counter(catalog.RECONCILES, self.registry)
        for kind in (MODEL_INSTANCES, *TEMPLATE_KINDS):
            for result in Result:
                self._reconciles.labels(kind.kind, result)
        self._unreadable = counter(catalog.UNREADABLE_OBJECTS, self.registry)
        for kind in (MODEL_INSTANCES, *TEMPLATE_KINDS):
            self._unreadable.labels(kind.plural)
        self._reconcile_duration = histogram(catalog.RECONCILE_DURATION, self.registry)
        self._shed = counter(catalog.WEBHOOK_SHED, self.registry)
        self._connections_closed = counter(catalog.CONNECTIONS_CLOSED, self.registry)
        self._webhook_requests = counter(catalog.WEBHOOK_REQUESTS, self.registry)
        self._webhook_duration = histogram(catalog.WEBHOOK_REQUEST_DURATION, self.registry)

    def reconciled(self, kind: str, result: Result, seconds: float) -> None:
        """Count a reconcile.

        Parameters
        ----------
        kind
            Kind of the object.
        result
            Its result.
        seconds
            Its duration.
        """
        self._reconciles.labels(kind, result).inc()
        self._reconcile_duration.labels(kind).observe(seconds)

    def unreadable(self, kind: ResourceKind) -> None:
        """Count a version of an object that could not be read completely."""
        self._unreadable.labels(kind.plural).inc()

    def decided(self, path: str, decision: Decision) -> None:
        """Count a decision of the webhook at a path."""
        self._decisions.labels(path, decision).inc()

    def shed(self, reason: Shed) -> None:
        """Count a review that was refused without a decision."""
        self._shed.labels(reason).inc()

    def connection_closed(self, port: Port, reason: Closing) -> None:
        """Count a connection that was refused or closed."""
        self._connections_closed.labels(port, reason).inc()

    def expect_connections(self, port: Port) -> None:
        """Expose the counts of a port from the start."""
        for reason in Closing:
            self._connections_closed.labels(port, reason)

    def expect_webhooks(self, *paths: str) -> None:
        """Expose the decisions of these webhooks from the start."""
        self.expect_connections(Port.WEBHOOKS)
        for reason in Shed:
            self._shed.labels(reason)
        for path in paths:
            for decision in Decision:
                self._decisions.labels(path, decision)

    @web.middleware
    async def webhook_middleware(self, request: web.BaseRequest, handler: Handler) -> web.StreamResponse:
        """Count and time the requests to the webhooks; requests to other paths create no new series."""
        started = time.perf_counter()
        code: int = HTTPStatus.INTERNAL_SERVER_ERROR
        try:
            response = await handler(request)
            code = response.status
        except web.HTTPException as error:
            code = error.status
            raise
        finally:
            path = request.get(WEBHOOK_KEY, _UNKNOWN_PATH)
            self._webhook_requests.labels(path, code).inc()
            self._webhook_duration.labels(path).observe(time.perf_counter() - started)
        return response
