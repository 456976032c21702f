"""Counts and times requests, by model; writes one access line for each."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client import Metric as Samples
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from model_operator import __version__
from model_operator.core.gateway.apis import ROUTES
from model_operator.gateway.calls import CLIENT_CLOSED_STATUS, Call, Outcome, RetryCause
from model_operator.gateway.metrics import declared
from model_operator.gateway.metrics.access_line import AccessLine
from model_operator.metrics.registration import counter, gauge, histogram
from model_operator.process.connection_slots import Closing

CLIENT_CLOSED: Final = "client_closed"
"""``error_type`` of a request whose client left."""
_STATUSES: Final = frozenset({CLIENT_CLOSED_STATUS, *map(int, HTTPStatus)})
_ROOM: Final = 256
"""Models beyond twice the registered ones that may have series until those of deleted ones are removed."""
_OPERATIONS: Final = {route.name: route.operation for route in ROUTES}


class _Series:
    """The series of one model.

    Attributes
    ----------
    is_gone
        Whether the model is no longer registered. What still runs changes no series then.
    """

    __slots__ = ("_children", "is_gone", "model")

    def __init__(self, model: str) -> None:
        self.model = model
        self.is_gone = False
        self._children: dict[tuple[MetricWrapperBase, tuple[str, ...]], Any] = {}

    def of(self, metric: MetricWrapperBase, *labels: str) -> Any:
        """Return the series of a metric with these labels."""
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def drop(self) -> None:
        """Remove all of them."""
        self.is_gone = True
        for metric, labels in self._children:
            metric.remove(*labels)
        self._children.clear()


class _BeforeEach(Collector):
    """Does something before a scrape, as the first collector of a registry."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action

    def describe(self) -> Iterable[Samples]:
        return ()

    def collect(self) -> Iterable[Samples]:
        self._action()
        return ()


class GatewayMetrics:
    """Metrics of one gateway; its :meth:`begin` is what the proxy reports to.

    Attributes
    ----------
    registry
        The exposed metrics, those of the process included.

    Parameters
    ----------
    registered
        Returns the ids of all registered models; others have no series.
    writes_lines
        Whether each request gets an access line.
    now
        Seconds from any start.
    """

    def __init__(
        self,
        registered: Callable[[], Collection[str]],
        *,
        writes_lines: bool = True,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_BeforeEach(self.forget_gone))
        ProcessCollector(registry=self.registry)
        gauge(declared.BUILD_INFO, self.registry).labels(__version__, platform.python_version()).set(1)
        self._registered = registered
        self._writes_lines = writes_lines
        self.now = now
        self.duration = histogram(declared.REQUEST_DURATION, self.registry)
        self.first_token = histogram(declared.FIRST_TOKEN, self.registry)
        self.output_token = histogram(declared.OUTPUT_TOKEN, self.registry)
        self.token_usage = histogram(declared.TOKEN_USAGE, self.registry)
        self.requests = counter(declared.REQUESTS, self.registry)
        self.in_flight = gauge(declared.IN_FLIGHT, self.registry)
        self.client_aborts = counter(declared.CLIENT_ABORTS, self.registry)
        self._connections = counter(declared.CONNECTIONS_CLOSED, self.registry)
        for reason in Closing:
            self._connections.labels(reason)
        self.worker_aborts = counter(declared.WORKER_ABORTS, self.registry)
        self.retries = counter(declared.RETRIES, self.registry)
        for cause in RetryCause:
            self.retries.labels(cause)
        self._identity = counter(declared.IDENTITY_EVENTS, self.registry)
        self._series: dict[str, _Series] = {}
        self._most_series = _ROOM
        self._unknown = _Series(declared.NO_MODEL)

    def begin(self, call: Call) -> CallObservation:
        """Count a request that has a model, from now on in flight."""
        return CallObservation(self, call, self._series_of(call.model.id))

    def connection_closed(self, reason: Closing) -> None:
        """Count a connection that the port has refused or closed."""
        self._connections.labels(reason).inc()

    def identity_event(self, event: str) -> None:
        """Count what happened to a question about a caller."""
        self._identity.labels(event).inc()

    def expect_identity_events(self, *events: str) -> None:
        """Expose their counts from the start: PromQL sees no increase in a series that starts at 1."""
        for event in events:
            self._identity.labels(event)

    def answered(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        *,
        error: str = "",
        caller: str = "",
        model: str = "",
    ) -> None:
        """Count a request that no worker got, such as a refused one or a list.

        Parameters
        ----------
        method
            HTTP method.
        route
            Name of the route; empty for a path that is none.
        status
            HTTP status of the answer.
        seconds
            Its duration.
        error
            Code of the error; empty without one.
        caller
            Username; empty if the caller is not known.
        model
            Id of the model that it means; empty if it means none that the caller may execute.
        """
        series = self._series_of(model) if model else self._unknown
        series.of(self.requests, route, series.model, _code(status)).inc()
        if operation := _OPERATIONS.get(route):
            labels = (operation, series.model, declared.PROVIDER, error)
            series.of(self.duration, *labels).observe(seconds)
        if status == CLIENT_CLOSED_STATUS:
            series.of(self.client_aborts, series.model).inc()
        if self._writes_lines:
            AccessLine(method, route, status, seconds, error, caller, model).write()

    def forget_gone(self) -> None:
        """Remove the series of models that are no longer registered."""
        registered = frozenset(self._registered())
        for model in [model for model in self._series if model not in registered]:
            self._series.pop(model).drop()
        self._most_series = 2 * len(self._series) + _ROOM

    def finished(self, call: Call, series: _Series, outcome: Outcome, line: AccessLine) -> None:
        """Count a request that has ended; to be called by its observation.

        Parameters
        ----------
        call, series
            The request, and the series of its model.
        outcome
            How it ended.
        line
            What else is known of it.
        """
        if self._writes_lines:
            line.write()
        if series.is_gone:
            return
        labels = (call.route.operation, series.model, declared.PROVIDER)
        series.of(self.requests, call.route.name, series.model, _code(line.status)).inc()
        series.of(self.duration, *labels, line.error).observe(line.seconds)
        if outcome.is_client_gone:
            series.of(self.client_aborts, series.model).inc()
        if outcome.is_cut:
            series.of(self.worker_aborts, series.model).inc()
        for kind, tokens in (("input", line.input_tokens), ("output", line.output_tokens)):
            if tokens is not None:
                series.of(self.token_usage, *labels, kind).observe(tokens)
        if outcome.is_stream and line.first_byte_seconds is not None:
            series.of(self.first_token, *labels).observe(line.first_byte_seconds)
            if not line.error and (further := (line.output_tokens or 0) - 1) > 0:
                rest = line.seconds - line.first_byte_seconds
                series.of(self.output_token, *labels).observe(rest / further)

    def _series_of(self, model: str) -> _Series:
        series = self._series.get(model)
        if series is None:
            # Scrapes remove the series of deleted models; without Prometheus this does.
            if len(self._series) >= self._most_series:
                self.forget_gone()
            series = self._series[model] = _Series(model)
        return series


class CallObservation:
    """What the metrics see of one request; all times are since its headers were there."""

    __slots__ = (
        "_call",
        "_first_byte",
        "_in_flight",
        "_metrics",
        "_retries",
        "_series",
        "_started",
        "_usage",
    )

    def __init__(self, metrics: GatewayMetrics, call: Call, series: _Series) -> None:
        self._metrics = metrics
        self._call = call
        self._series = series
        self._started = metrics.now() if call.begun is None else call.begun
        self._first_byte: float | None = None
        self._usage: tuple[int | None, int | None] = (None, None)
        self._retries = 0
        # Kept: when the model is deleted meanwhile, this series is not created again.
        self._in_flight = series.of(metrics.in_flight, series.model)
        self._in_flight.inc()

    def retry(self, cause: RetryCause) -> None:
        """Count another attempt, by its cause."""
        self._retries += 1
        self._metrics.retries.labels(cause).inc()

    def first_byte(self) -> None:
        """Note the time of the answer's first byte."""
        if self._first_byte is None:
            self._first_byte = self._metrics.now() - self._started

    def usage(self, input_tokens: int | None, output_tokens: int | None, /) -> None:
        """Note the numbers of tokens."""
        self._usage = (input_tokens, output_tokens)

    def end(self, outcome: Outcome) -> None:
        """Count the request; exactly once."""
        metrics, call, series = self._metrics, self._call, self._series
        self._in_flight.dec()
        metrics.finished(
            call,
            series,
            outcome,
            AccessLine(
                "POST",
                call.route.name,
                outcome.status,
                metrics.now() - self._started,
                _error(outcome),
                call.caller,
                series.model,
                call.deployment.name,
                self._retries + 1,
                self._first_byte,
                *self._usage,
            ),
        )


def _error(outcome: Outcome) -> str:
    """Return the value of ``error_type``."""
    if outcome.is_client_gone:
        return CLIENT_CLOSED
    if outcome.reason is not None:
        return outcome.reason
    return _code(outcome.status) if outcome.status >= HTTPStatus.BAD_REQUEST else ""


def _code(status: int) -> str:
    # The status is the worker's, and labels have few values.
    return str(status) if status in _STATUSES else "other"
