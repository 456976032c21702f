"""Diagnosis of roll-outs that make no progress: when, how often, and with which requests.

Pods are not watched: on a large cluster they would be most of what the operator knows. They are listed, for
one Deployment at a time, once its counts have not changed for a while, and then ever more rarely.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Unpack

import structlog

from model_operator.core.diagnosis.cause import Diagnosis
from model_operator.core.diagnosis.deployment_pods import (
    DeploymentPods,
    deployment_key,
    group_pods,
    replica_set_key,
)
from model_operator.core.diagnosis.evidence import Evidence
from model_operator.core.diagnosis.pod_events import (
    EVENT_REQUESTS,
    EVENTS_PER_PAGE,
    Event,
    events_of_claim,
    events_of_pod,
    kept_event,
)
from model_operator.core.objects.ownership import controller_key
from model_operator.core.reasons.reasons import POD_REASONS, Reason
from model_operator.kube.client import ApiClient, Selection
from model_operator.kube.clock import Clock, utc_now
from model_operator.kube.errors import ApiError, ForbiddenError
from model_operator.kube.object_cache import NamespacedName, Object
from model_operator.kube.resources import CLAIMS, POD_EVENTS, PODS, REPLICA_SETS, ResourceKind

log = structlog.get_logger(__name__)

GRACE_SECONDS = 5.0
"""Time without progress after which pods are looked at."""
_FIRST_PAUSE_SECONDS = 2.0
_PAUSE_GROWTH = 1.5
_LONGEST_PAUSE_SECONDS = 30.0
_READ_EVENTS_OF = 5
"""Maximum number of pods, and of claims, whose Events are read in one reconcile."""
_FOUND_FROM_PODS = frozenset(
    each.name for each in (*POD_REASONS, Reason.ProgressDeadlineExceeded, Reason.PodsRejected)
)


@dataclass(slots=True)
class _Watch:
    """The record of one Deployment that makes no progress."""

    progress: tuple[Any, ...]
    next_look: float
    looked_at: float = 0.0
    pause: float = _FIRST_PAUSE_SECONDS
    cause: Diagnosis | None = None


class PodDiagnostics:
    """Finds out why roll-outs make no progress.

    Parameters
    ----------
    client
        Requests.
    clock
        Seconds from any start, never going back.
    now
        The time of day, for how long a pod has been in a state.
    """

    def __init__(
        self, client: ApiClient, clock: Callable[[], float] = time.monotonic, now: Clock = utc_now
    ) -> None:
        self._client = client
        self._clock = clock
        self._now = now
        self._watches: dict[NamespacedName, dict[str, _Watch]] = {}
        self._denied: set[ResourceKind] = set()

    def forget(self, instance: NamespacedName) -> None:
        """Forget a deleted instance."""
        self._watches.pop(instance, None)

    async def find(
        self, instance: NamespacedName, stuck: Sequence[Mapping[str, Any]], reported: str
    ) -> tuple[Mapping[str, Diagnosis], float | None]:
        """Return what is known of an instance's Deployments, looking at their pods where it is time to.

        Parameters
        ----------
        instance
            Namespace and name of the instance.
        stuck
            Those of its Deployments that are not rolled out and do not say why.
        reported
            The reason in the instance's status. If it was found from pods, perhaps by an operator
            before us, they are looked at without delay, so that it does not come and go.

        Returns
        -------
        tuple
            The causes by the Deployment's name, and the seconds until the next look; None when there is to
            be none.
        """
        before = self._watches.get(instance, {})
        watches = {live["metadata"]["uid"]: self._watch(live, before, reported) for live in stuck}
        if watches:
            self._watches[instance] = watches
        else:
            self.forget(instance)
        causes = {}
        for live in stuck:
            watch = watches[live["metadata"]["uid"]]
            if self._clock() >= watch.next_look:
                await self._look(live, watch)
            if watch.cause is not None:
                causes[live["metadata"]["name"]] = watch.cause
        now = self._clock()
        return causes, min((watch.next_look - now for watch in watches.values()), default=None)

    def _watch(self, live: Mapping[str, Any], before: Mapping[str, _Watch], reported: str) -> _Watch:
        now, progress = self._clock(), _progress(live)
        watch = before.get(live["metadata"]["uid"])
        if watch is None:
            return _Watch(progress, now if reported in _FOUND_FROM_PODS else now + GRACE_SECONDS)
        if watch.progress != progress:
            # A known cause is checked again soon; without one the wait starts again.
            watch.progress, watch.pause = progress, _FIRST_PAUSE_SECONDS
            # A large roll-out makes progress many times per second.
            soon = max(now, watch.looked_at + _FIRST_PAUSE_SECONDS)
            watch.next_look = soon if watch.cause is not None else now + GRACE_SECONDS
        return watch

    async def _look(self, live: Mapping[str, Any], watch: _Watch) -> None:
        try:
            cause = await self._cause_of(live)
        except ForbiddenError:
            cause = None
        except ApiError as error:
            log.info("cannot list pods", deployment=live["metadata"]["name"], code=error.code)
            cause = watch.cause
        if cause != watch.cause:
            watch.cause, watch.pause = cause, _FIRST_PAUSE_SECONDS
        watch.looked_at = self._clock()
        watch.next_look = watch.looked_at + watch.pause
        watch.pause = min(watch.pause * _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS)

    async def _cause_of(self, live: Mapping[str, Any]) -> Diagnosis | None:
        namespace, selector = live["metadata"]["namespace"], live["spec"].get("selector") or {}
        if selector.keys() != {"matchLabels"}:
            # Not the selector that was applied: our labels do not select its pods.
            return None
        labels = ",".join(f"{key}={value}" for key, value in selector["matchLabels"].items())
        # Any object of the namespace can have these labels: those of other owners are dropped while listed.
        owner = deployment_key(live)
        sets = await self._list(
            REPLICA_SETS,
            namespace,
            lambda each: controller_key(each) == owner,
            labels=labels,
            metadata_only=True,
        )
        own = {replica_set_key(each) for each in sets}
        pods = await self._list(PODS, namespace, lambda pod: controller_key(pod) in own, labels=labels)
        workers = group_pods(live, sets, pods)
        return workers.cause(await self._evidence(workers, namespace))

    async def _evidence(self, workers: DeploymentPods, namespace: str) -> Evidence:
        """Read what the pods alone do not show, as far as it is permitted."""
        events: dict[str, list[Event]] = {}
        claims: dict[str, Mapping[str, Any]] = {}
        claim_events: dict[str, list[Event]] = {}
        # Without a permission, the cause in the status of the pods is reported anyway.
        with suppress(ForbiddenError):
            for uid in workers.unclear[:_READ_EVENTS_OF]:
                events[uid] = await self._events(namespace, events_of_pod(uid))
        with suppress(ForbiddenError):
            for name in workers.claims[:_READ_EVENTS_OF]:
                for claim in await self._list(CLAIMS, namespace, fields=f"metadata.name={name}"):
                    claims[name] = claim
                    claim_events[name] = await self._events(namespace, events_of_claim(name))
        return Evidence(self._now(), events, claims, claim_events)

    async def _events(self, namespace: str, fields: str) -> list[Event]:
        return await self._list(
            POD_EVENTS,
            namespace,
            keep=kept_event,
            fields=fields,
            page=EVENTS_PER_PAGE,
            requests=EVENT_REQUESTS,
        )

    async def _list(
        self,
        kind: ResourceKind,
        namespace: str,
        is_wanted: Callable[[Object], bool] = lambda _: True,
        keep: Callable[[Object], Mapping[str, Any]] = lambda item: item,
        **selection: Unpack[Selection],
    ) -> list[Mapping[str, Any]]:
        try:
            found = self._client.list(kind, namespace, **selection)
            return [keep(item) async for item in found if is_wanted(item)]
        except ForbiddenError as error:
            if kind not in self._denied:
                self._denied.add(kind)
                log.warning(
                    "failure reasons are incomplete",
                    missing=f"list {kind}",
                    answer=str(error),
                )
            raise


def _progress(live: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return values that change when a roll-out makes progress, or is replaced by another."""
    status = live.get("status") or {}
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    return (live["metadata"].get("generation"), *(status.get(count, 0) for count in counts))
