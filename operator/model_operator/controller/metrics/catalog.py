"""Every metric of the operator: name, labels, meaning, and what to do about its value.

The registry and the documentation's table are generated from this, and the alert rules and the dashboard are
checked against it. Labels have few values, fixed by the code: never the name of an object or a namespace,
never user input.
"""

from __future__ import annotations

from model_operator.metrics.declaration import Metric, MetricType

PREFIX = "model_operator_"


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
    "Always 1; the labels name the running version. Without this series, no operator is being scraped.",
    "version",
    "python_version",
)
LEADER = _gauge(
    "leader",
    "1 on the leader, 0 on a standby. If no replica has 1, nothing is reconciled: check their logs.",
)
QUEUE_KEYS = _gauge(
    "queue_keys",
    "Instances and templates to reconcile: waiting for a worker, active, or delayed. If the number of "
    "waiting keys does not fall, check the duration of API requests, then raise MODEL_OPERATOR_WORKERS.",
    "state",
)
QUEUE_FAILING_KEYS = _gauge(
    "queue_failing_keys",
    "Those of them whose last reconcile failed; they are retried with exponential backoff. "
    "model_operator_reconciles_total has the reasons.",
)
QUEUE_OLDEST_AGE = _gauge(
    "queue_oldest_age_seconds",
    "How long the oldest waiting key has waited for a worker; 0 when none waits. It grows without end on a "
    "standby.",
)
LONGEST_RUNNING = _gauge(
    "reconcile_longest_running_seconds",
    "How long the longest running reconcile has taken so far; 0 when none runs. After minutes it hangs: save "
    "the logs and restart the operator.",
)
RECONCILES = _counter(
    "reconciles",
    "Reconciles of instances and templates, by result: done; retry (a child was refused, see the instance's "
    "status); gone (deleted meanwhile); conflict (the cache was stale, harmless in small numbers); "
    "unavailable (the API server); refused (the status could not be written: compare the operator's "
    "permissions with manifests/base); defect (report it with the log).",
    "kind",
    "result",
)
RECONCILE_DURATION = _histogram(
    "reconcile_duration",
    "Duration of a reconcile. Most of it is waiting for the API server.",
    _WORK,
    "kind",
)
API_REQUESTS = _counter(
    "api_requests",
    "Requests to the API server by response: the HTTP status; error without a response; cancelled if the "
    "operator stopped waiting. The verbs are those of audit logs, except apply, which is a patch there. Many "
    "403: compare the permissions with manifests/base. 429, 5xx or error: the API server is overloaded or "
    "unavailable.",
    "verb",
    "resource",
    "code",
)
API_REQUEST_DURATION = _histogram(
    "api_request_duration",
    "Time until the first byte of a response. Every reconcile waits for it: if it grows, check the API "
    "server first.",
    _WORK,
    "verb",
)
UNREADABLE_OBJECTS = _counter(
    "unreadable_objects",
    "Versions of objects that were too large, too deeply nested or malformed to be read completely. Other "
    "objects are not affected. The object's Ready condition and an Event say what is wrong; for a kind "
    "without status, the log.",
    "resource",
)
WATCH_RESTARTS = _counter(
    "watch_restarts",
    "Restarted watches. Each ends regularly after 2 to 4 minutes. More restarts mean that something cuts "
    "connections; none in 10 minutes means that this watch is dead.",
    "resource",
)
WATCH_EVENTS = _counter(
    "watch_events",
    "Watch events received. It stays at zero only where nothing changes.",
    "resource",
    "type",
)
CACHE_OBJECTS = _gauge(
    "cache_objects",
    "Objects in the caches, which take most of the operator's memory.",
    "resource",
)
INSTANCES = _gauge(
    "instances",
    "ModelInstances by the reason of their condition Ready; Unknown without the condition, or for a reason "
    "that this version does not know. docs/troubleshooting.md says what to do about each.",
    "reason",
)
INSTANCES_STALLED = _gauge(
    "instances_stalled",
    "Those of them that require intervention (condition Stalled), by reason.",
    "reason",
)
STALLED_LONGEST = _gauge(
    "instances_stalled_longest_seconds",
    "For how long the longest stalled instance has been Stalled; 0 when none is. Find it with kubectl get "
    "modelinstances -A.",
)
ROLLOUTS = _gauge(
    "rollouts",
    "Templates with instances, by the state of the roll-out of their latest revision (status.rollout.state). "
    "HALTED and AWAITING_APPROVAL need an action, which condition RolledOut names. Find them with kubectl "
    "get modeltemplates,clustermodeltemplates -A.",
    "state",
)
ROLLOUT_INSTANCES = _gauge(
    "rollout_instances",
    "Instances of all templates, by what the roll-out of the latest revision means for them: arrived (Ready "
    "at it), moving, failed at it, waiting for their turn, or pinned to a revision.",
    "state",
)
WEBHOOK_REQUESTS = _counter(
    "webhook_requests",
    "Requests to the webhooks by HTTP status. 4xx: the caller is not an API server; 503: shed; any other 5xx "
    "is a defect.",
    "webhook",
    "code",
)
WEBHOOK_REQUEST_DURATION = _histogram(
    "webhook_request_duration",
    "Time from the request's headers to its response. The API server waits 5 seconds and then admits the "
    "write unchecked. A denial includes a read of the template.",
    _REVIEW,
    "webhook",
)
WEBHOOK_DECISIONS = _counter(
    "webhook_decisions",
    "Reviews by decision: allowed; warned (admitted with a warning); denied; failed (admitted unchecked, as "
    "the operator has a defect: report it with the log).",
    "webhook",
    "decision",
)
WEBHOOK_SHED = _counter(
    "webhook_reviews_shed",
    "Reviews that were refused without a decision, so that their writes were admitted, by the bound that was "
    "reached: reviews or bytes (concurrent), time, values (of one body). Either a client floods the "
    "webhooks, or there are more writes than the operator can review: compare with the API server's "
    "metrics, then raise MODEL_OPERATOR_ADMISSION__MAX_REVIEWS.",
    "reason",
)
CONNECTIONS_CLOSED = _counter(
    "connections_closed",
    "Connections that were refused (total, address, handshakes: the bound that was reached) or closed "
    "(evicted by a new one, deadline, size), by port. Except for idle ones (deadline), the API server, "
    "kubelets and Prometheus cause none: another client connects to the port.",
    "port",
    "reason",
)
CERTIFICATE_EXPIRATION = _gauge(
    "webhook_certificate_expiration_timestamp_seconds",
    "Expiry of the webhooks' certificate, in seconds since 1970. The operator renews its own 30 days before; "
    "if that fails, the log says why.",
)
EVENTS = _counter(
    "events",
    "Events about instances and templates: posted (updates of a series included), refused by the API server, "
    "or dropped by the rate limit. Events that are not posted are missing in kubectl describe, nothing else.",
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
    ROLLOUTS,
    ROLLOUT_INSTANCES,
    WEBHOOK_REQUESTS,
    WEBHOOK_REQUEST_DURATION,
    WEBHOOK_DECISIONS,
    WEBHOOK_SHED,
    CONNECTIONS_CLOSED,
    CERTIFICATE_EXPIRATION,
    EVENTS,
)
