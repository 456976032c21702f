"""Every metric of the operator's own: name, labels, and what to do about its value.

The registry and the table of the documentation are made from here, and the alert rules and the dashboard are
checked against it. Labels have few values, fixed by the code: never the name of an object or of a namespace,
never a value that somebody gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "model_operator_"


class MetricType(StrEnum):
    """How a value moves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name
        As in PromQL; a counter's ends with ``_total``.
    type
        How its value moves.
    help
        What it counts or measures, and what to do with that.
    labels
        Names of its labels.
    buckets
        Upper bounds of a histogram's buckets, in seconds.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which PromQL finds it."""
        if self.type is not MetricType.HISTOGRAM:
            return (self.name,)
        return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}_total", MetricType.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}", MetricType.GAUGE, text, labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}_seconds", MetricType.HISTOGRAM, text, labels, buckets)


_WORK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
_REVIEW = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

BUILD_INFO = _gauge(
    "build_info",
    "Always 1. Tells which version runs; without it, no operator is being scraped.",
    "version",
    "python_version",
)
LEADER = _gauge(
    "leader",
    "1 where the work is done, 0 on a replica that stands by. With no 1 among the replicas nothing is "
    "reconciled: look at their logs.",
)
QUEUE_KEYS = _gauge(
    "queue_keys",
    "Instances and templates that need a look: waiting for a worker, active, or delayed until a time. "
    "Waiting ones that do not get fewer: look at the duration of API requests, then raise "
    "MODEL_OPERATOR_WORKERS.",
    "state",
)
QUEUE_FAILING_KEYS = _gauge(
    "queue_failing_keys",
    "Those of them whose last look failed, so that they are tried again with growing pauses. The results "
    "of reconciliations tell why.",
)
QUEUE_OLDEST_AGE = _gauge(
    "queue_oldest_age_seconds",
    "How long the key that has waited longest has waited for a worker; 0 when none waits. It grows "
    "without end on a replica that stands by.",
)
LONGEST_RUNNING = _gauge(
    "reconcile_longest_running_seconds",
    "How long the longest look that is under way has taken so far; 0 when there is none. Minutes mean "
    "that it hangs: keep the logs and restart the operator.",
)
RECONCILES = _counter(
    "reconciles",
    "Looks at an instance or a template, by result: done; retry (a child was refused, the instance's "
    "status says why); gone; conflict (its cache was behind, harmless in small numbers); unavailable (the"
    " API server); refused (the status could not be written: compare the operator's rights with "
    "manifests/base); defect (report it with the log).",
    "kind",
    "result",
)
RECONCILE_DURATION = _histogram(
    "reconcile_duration",
    "How long a look took. Most of it is waiting for the API server.",
    _WORK,
    "kind",
)
API_REQUESTS = _counter(
    "api_requests",
    "Requests to the API server by answer: the HTTP status; error where none came; cancelled where the "
    "operator has stopped waiting. The verbs are those of audit logs, but for apply, a patch there. Many "
    "403: compare the rights with manifests/base. 429, 5xx or error: the API server is overloaded or "
    "away.",
    "verb",
    "resource",
    "code",
)
API_REQUEST_DURATION = _histogram(
    "api_request_duration",
    "Time until an answer began. All reconciling waits for this: when it grows, look at the API server "
    "first.",
    _WORK,
    "verb",
)
UNREADABLE_OBJECTS = _counter(
    "unreadable_objects",
    "Versions of objects that were too large, too deep or malformed to be read whole. They hold up nobody "
    "else: the object's Ready condition, and an Event, say what is wrong, or the log where it has no status.",
    "resource",
)
WATCH_RESTARTS = _counter(
    "watch_restarts",
    "Watches that were begun again. Each ends by itself after 2 to 4 minutes; more often means that "
    "something cuts connections, none in 10 minutes that this watch is dead.",
    "resource",
)
WATCH_EVENTS = _counter(
    "watch_events",
    "What the watches have told. It is zero for long only where nothing changes.",
    "resource",
    "type",
)
CACHE_OBJECTS = _gauge(
    "cache_objects",
    "Objects that are held in memory, which is what the operator's memory is made of.",
    "resource",
)
INSTANCES = _gauge(
    "instances",
    "ModelInstances by the reason of their condition Ready, as the README lists them; Unknown where there"
    " is none yet, or one that this version does not know. docs/troubleshooting.md says what to do about "
    "each.",
    "reason",
)
INSTANCES_STALLED = _gauge(
    "instances_stalled",
    "Those of them that need a human (condition Stalled), by reason.",
    "reason",
)
STALLED_LONGEST = _gauge(
    "instances_stalled_longest_seconds",
    "How long the one that has been Stalled longest has been; 0 when none is. Find it with kubectl get "
    "modelinstances -A.",
)
WEBHOOK_REQUESTS = _counter(
    "webhook_requests",
    "Requests to the webhooks by HTTP status. 400 and 4xx come from somebody other than an API server; "
    "503 was shed; any other 5xx is a defect.",
    "webhook",
    "code",
)
WEBHOOK_REQUEST_DURATION = _histogram(
    "webhook_request_duration",
    "Time from a request's head to its answer. The API server waits 5 seconds and then lets the write in "
    "unchecked; a denial includes reading the template again.",
    _REVIEW,
    "webhook",
)
WEBHOOK_DECISIONS = _counter(
    "webhook_decisions",
    "Reviews by decision: allowed; warned (let in, with a warning); denied; failed (let in unchecked, as "
    "the operator has a defect: report it with the log).",
    "webhook",
    "decision",
)
WEBHOOK_SHED = _counter(
    "webhook_reviews_shed",
    "Reviews that were refused unjudged, so that their writes were let in, by the bound that was reached: "
    "reviews or bytes (under way), time, values (of one body). Somebody floods the webhooks, or there are "
    "more writes than the operator can judge: compare with the API server's, then raise "
    "MODEL_OPERATOR_ADMISSION__MAX_REVIEWS.",
    "reason",
)
CONNECTIONS_CLOSED = _counter(
    "connections_closed",
    "Connections that were refused (total, address, handshakes: the bound that was reached) or closed "
    "(evicted in favour of a new one, deadline, size), by port. Apart from idle ones (deadline), the API "
    "server, kubelets and Prometheus cause none: somebody else calls the port.",
    "port",
    "reason",
)
CERTIFICATE_EXPIRATION = _gauge(
    "webhook_certificate_expiration_timestamp_seconds",
    "When the certificate of the webhooks ends, in seconds since 1970. The operator's own is renewed 30 "
    "days before; later than that, the log says what is in the way.",
)
EVENTS = _counter(
    "events",
    "Events about instances and templates: posted (a repeat that was counted up, too), refused by the API"
    " server, or dropped, as there were too many of one object or at once. Only kubectl describe misses "
    "what is not posted.",
    "result",
)

METRICS = (
    BUILD_INFO,
    LEADER,
    QUEUE_KEYS,
    QUEUE_FAILING_KEYS,
    QUEUE_OLDEST_AGE,
    LONGEST_RUNNING,
    RECONCILES,
    RECONCILE_DURATION,
    API_REQUESTS,
    API_REQUEST_DURATION,
    UNREADABLE_OBJECTS,
    WATCH_RESTARTS,
    WATCH_EVENTS,
    CACHE_OBJECTS,
    INSTANCES,
    INSTANCES_STALLED,
    STALLED_LONGEST,
    WEBHOOK_REQUESTS,
    WEBHOOK_REQUEST_DURATION,
    WEBHOOK_DECISIONS,
    WEBHOOK_SHED,
    CONNECTIONS_CLOSED,
    CERTIFICATE_EXPIRATION,
    EVENTS,
)


def metrics_table() -> str:
    """Return the documentation's table, as Markdown."""
    rows = ["| metric | type | labels | meaning, and what to do |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.name}` | {metric.type} | {labels} | {metric.help} |")
    return "\n".join(rows)
