"""Every metric of the gateway: name, labels, meaning, and what to do about its value.

The names that begin with ``gen_ai_`` are OpenTelemetry's semantic conventions for generative AI, written as
Prometheus writes them. Unlike the operator's, these metrics name models: requests, tokens and latency by
model are what the gateway is watched for. Only registered models have series.
"""

from __future__ import annotations

from typing import Final

from model_operator.metrics.declaration import Metric, MetricType

PREFIX: Final = "model_operator_gateway_"
CONVENTIONS: Final = "gen_ai_"
"""Prefix of OpenTelemetry's names."""
PROVIDER: Final = "model-operator"
"""Value of ``gen_ai_provider_name``."""
NO_MODEL: Final = "_unknown"
"""Label of requests that name no registered model, or that were refused before it was looked up."""

OPERATION: Final = "gen_ai_operation_name"
MODEL: Final = "gen_ai_request_model"
_OF_MODEL: Final = (OPERATION, MODEL, "gen_ai_provider_name")


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}_total", MetricType.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}", MetricType.GAUGE, text, labels)


# The buckets are those that the conventions advise.
REQUEST_DURATION = Metric(
    "gen_ai_server_request_duration_seconds",
    MetricType.HISTOGRAM,
    "Time from a request's headers to the last byte of its answer. error_type is empty for answered "
    "requests; else the code of the gateway's error, the worker's HTTP status from 400 on, or client_closed.",
    (*_OF_MODEL, "error_type"),
    (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)
FIRST_TOKEN = Metric(
    "gen_ai_server_time_to_first_token_seconds",
    MetricType.HISTOGRAM,
    "Time from a request's headers to the first byte of its stream. If it grows with the requests in flight, "
    "the model needs more workers.",
    _OF_MODEL,
    (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
OUTPUT_TOKEN = Metric(
    "gen_ai_server_time_per_output_token_seconds",
    MetricType.HISTOGRAM,
    "Time for each token after the first, of streams whose workers say how many tokens there were: a client "
    "of OpenAI's API requests it by stream_options.include_usage.",
    _OF_MODEL,
    (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)
TOKEN_USAGE = Metric(
    "gen_ai_client_token_usage",
    MetricType.HISTOGRAM,
    "Tokens of a request by gen_ai_token_type, input or output, as the worker's answer says; none where it "
    "does not. The sum is what a model was used for.",
    (*_OF_MODEL, "gen_ai_token_type"),
    tuple(float(4**exponent) for exponent in range(14)),
)

BUILD_INFO = _gauge(
    "build_info",
    "Always 1; the labels name the running version. Without this series, no gateway is being scraped.",
    "version",
    "python_version",
)
REQUESTS = _counter(
    "requests",
    "Requests by route and HTTP status; 499 if the client left first. model is _unknown where the request "
    "names no registered model or was refused before. Many 401: wrong or expired keys. 429 or 503: the model "
    "has too few workers, or none. 502 or 504: its workers fail.",
    "route",
    "model",
    "code",
)
IN_FLIGHT = _gauge(
    "requests_in_flight",
    "Requests that are being answered. It falls to 0 when no client waits.",
    "model",
)
ENDPOINTS = _gauge(
    "endpoints",
    "Workers by state: ready; set_aside, which did not accept a connection and is tried again within "
    "30 seconds. If it lasts, compare NetworkPolicies with the worker's log.",
    "model",
    "state",
)
MODELS = _gauge("models", "Registered models.")
RETRIES = _counter(
    "retries",
    "Further attempts of a request at another worker, or on a new connection, by cause. Nothing had been "
    "executed.",
    "cause",
)
CLIENT_ABORTS = _counter(
    "client_aborts",
    "Requests whose client left before the end of the answer. The worker's request was closed with it. Many: "
    "clients time out, so compare the time to the first token.",
    "model",
)
CONNECTIONS_CLOSED = _counter(
    "connections_closed",
    "Connections that the port refused or closed, by reason. Refusals: raise "
    "MODEL_OPERATOR_GATEWAY_MAX_CONNECTIONS, or find who opens so many.",
    "reason",
)
WORKER_ABORTS = _counter(
    "worker_aborts",
    "Answers that a worker broke off, or stopped sending, after their first byte. The client got an error "
    "event or a cut connection. Check the worker's log and restarts.",
    "model",
)
IDENTITY_EVENTS = _counter(
    "identity_events",
    "Questions who calls and what the caller may execute: kept (answered from memory); token_review or "
    "access_review (requests to the API server); failed (no response); grace (answered from memory since the "
    "API server does not respond); limited (an unknown key beyond the limit). In steady state, kept alone "
    "grows.",
    "event",
)
WATCH_AGE = _gauge(
    "watch_age_seconds",
    "Time since the last list, event or bookmark of a watch. Beyond 5 minutes the gateway serves the models "
    "and workers that it knew: check the API server.",
    "resource",
)

METRICS: Final = (
    REQUEST_DURATION,
    FIRST_TOKEN,
    OUTPUT_TOKEN,
    TOKEN_USAGE,
    BUILD_INFO,
    REQUESTS,
    IN_FLIGHT,
    ENDPOINTS,
    MODELS,
    RETRIES,
    CLIENT_ABORTS,
    CONNECTIONS_CLOSED,
    WORKER_ABORTS,
    IDENTITY_EVENTS,
    WATCH_AGE,
)
