"""Metrics that are computed at each scrape: from the queue, the caches and the instances' statuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client import Metric as Samples
from prometheus_client.registry import Collector

from model_operator.api import RolloutState
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.metrics import catalog
from model_operator.controller.queue import WorkQueue
from model_operator.controller.scope import Key
from model_operator.core.reasons.reasons import Reason
from model_operator.kube.clock import Clock, utc_now
from model_operator.kube.object_cache import Object
from model_operator.kube.resources import ResourceKind
from model_operator.metrics.registration import family, single

_KNOWN = frozenset(reason.name for reason in Reason)
_ROLLOUT_COUNTS = ("arrived", "moving", "failed", "waiting", "pinned")
_UNKNOWN = "Unknown"
"""Label for every unknown reason, so that users cannot create series by writing statuses."""


class StateCollector(Collector):
    """Reports the current queue, caches, conditions of the instances and roll-outs of the templates.

    Parameters
    ----------
    state, queue
        The caches and the work queue.
    kinds
        The watched kinds.
    certificate_expires
        Returns the expiry of the webhooks' certificate; None while there is none.
    clock
        Returns the current time.
    """

    def __init__(
        self,
        state: ClusterState,
        queue: WorkQueue[Key],
        kinds: Iterable[ResourceKind],
        certificate_expires: Callable[[], datetime | None],
        clock: Clock = utc_now,
    ) -> None:
        self._state = state
        self._queue = queue
        self._kinds = tuple(kinds)
        self._certificate_expires = certificate_expires
        self._clock = clock

    def describe(self) -> Iterator[Samples]:
        """Yield the metrics of :meth:`collect` without values."""
        for metric in (*_OF_QUEUE, *_OF_CACHES, catalog.CERTIFICATE_EXPIRATION):
            yield family(metric)

    def collect(self) -> Iterator[Samples]:
        """Yield the values."""
        yield from self._of_queue()
        objects = family(catalog.CACHE_OBJECTS)
        for kind in self._kinds:
            objects.add_metric([kind.plural], len(self._state.cache_of(kind)))
        yield objects
        yield from self._of_instances()
        yield from self._of_rollouts()
        expires = self._certificate_expires()
        if expires is not None:
            yield single(catalog.CERTIFICATE_EXPIRATION, expires.timestamp())

    def _of_queue(self) -> Iterator[Samples]:
        load = self._queue.load()
        keys = family(catalog.QUEUE_KEYS)
        for state in ("waiting", "active", "delayed"):
            keys.add_metric([state], getattr(load, state))
        yield keys
        yield single(catalog.QUEUE_FAILING_KEYS, load.failing)
        yield single(catalog.QUEUE_OLDEST_AGE, load.oldest_age)
        yield single(catalog.LONGEST_RUNNING, load.longest_active)

    def _of_instances(self) -> Iterator[Samples]:
        ready, stalled = Counter[str](), Counter[str]()
        since: list[str] = []
        for instance in self._state.instances:
            conditions = _conditions(instance)
            ready[_reason(conditions.get("Ready"))] += 1
            stall = conditions.get("Stalled")
            if stall is not None and stall.get("status") == "True":
                stalled[_reason(stall)] += 1
                since.append(str(stall.get("lastTransitionTime", "")))
        for metric, counts in ((catalog.INSTANCES, ready), (catalog.INSTANCES_STALLED, stalled)):
            counts_by_reason = family(metric)
            # Reasons without instances, too: a missing series would be a gap instead of a zero.
            for reason in (*(reason.name for reason in Reason), _UNKNOWN):
                counts_by_reason.add_metric([reason], counts[reason])
            yield counts_by_reason
        yield single(catalog.STALLED_LONGEST, self._longest(since))

    def _of_rollouts(self) -> Iterator[Samples]:
        states, instances = Counter[str](), Counter[str]()
        for cache in self._state.templates.values():
            for template in cache:
                rollout = (template.get("status") or {}).get("rollout") or {}
                if rollout.get("instances"):
                    states[str(rollout.get("state"))] += 1
                for name in _ROLLOUT_COUNTS:
                    instances[name] += rollout.get(name) or 0
        for metric, counts, names in (
            (catalog.ROLLOUTS, states, RolloutState),
            (catalog.ROLLOUT_INSTANCES, instances, _ROLLOUT_COUNTS),
        ):
            by_state = family(metric)
            for name in names:
                by_state.add_metric([name], counts[name])
            yield by_state

    def _longest(self, since: list[str]) -> float:
        # RFC 3339 times in UTC with whole seconds sort as text.
        first = min(filter(None, since), default="")
        if not first:
            return 0
        return max((self._clock() - datetime.fromisoformat(first)).total_seconds(), 0)


_OF_QUEUE = (
    catalog.QUEUE_KEYS,
    catalog.QUEUE_FAILING_KEYS,
    catalog.QUEUE_OLDEST_AGE,
    catalog.LONGEST_RUNNING,
)
_OF_CACHES = (
    catalog.CACHE_OBJECTS,
    catalog.INSTANCES,
    catalog.INSTANCES_STALLED,
    catalog.STALLED_LONGEST,
    catalog.ROLLOUTS,
    catalog.ROLLOUT_INSTANCES,
)


def _conditions(instance: Object) -> dict[str, Object]:
    listed: list[Object] = (instance.get("status") or {}).get("conditions") or []
    return {each["type"]: each for each in listed}


def _reason(condition: Object | None) -> str:
    reason = str((condition or {}).get("reason"))
    return reason if reason in _KNOWN else _UNKNOWN
