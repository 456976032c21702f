"""Reconciling one template: its validity, its revisions, its roll-out and the progress of its instances.

An edit reaches the instances once its revision is stored, by controller/watch/triggers.py, which enqueues
them; in steps, where the template has any, by the decisions of rollout_courses.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from model_operator.api import TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.cache.namespace_labels import Knowledge
from model_operator.controller.reconcile.grace import GracePeriods
from model_operator.controller.reconcile.revision_keeper import RevisionKeeper
from model_operator.controller.reconcile.rollout_courses import Decision, RolloutCourses
from model_operator.controller.reconcile.status_pace import StatusPace
from model_operator.controller.reconcile.template_dry_run import TemplateDryRunner
from model_operator.controller.scheduler import Scheduler
from model_operator.core.status.events import Event, own_ref, template_events
from model_operator.core.status.template import template_standing, template_status
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.values.merge_patch import merge_patch
from model_operator.kube.client import ApiClient
from model_operator.kube.clock import Clock, rfc3339, utc_now
from model_operator.kube.object_cache import Object, key_of
from model_operator.kube.resources import CLUSTER_MODEL_TEMPLATES, MODEL_TEMPLATES

_TRIAL_LIMIT = 300.0
"""Longest time in seconds until the next dry run after a result that depends on the cluster."""
_KINDS = {kind.kind: kind for kind in (MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES)}


class TemplateReconciler:
    """Keeps the revisions and the status of templates.

    Parameters
    ----------
    client, state
        Requests and caches.
    dry_runs
        The dry runs of templates.
    scheduler
        Schedules the reconciles of instances when a revision is stored.
    record
        Called with the Events of a template.
    clock
        Where times of transition come from.
    grace
        The grace periods of templates; by default of the default length.
    courses
        The roll-outs of templates, shared with the reconciler of instances.
    """

    def __init__(
        self,
        client: ApiClient,
        state: ClusterState,
        dry_runs: TemplateDryRunner,
        scheduler: Scheduler,
        record: Callable[[Iterable[Event]], None],
        clock: Clock = utc_now,
        grace: GracePeriods | None = None,
        courses: RolloutCourses | None = None,
    ) -> None:
        self._client = client
        self._state = state
        self._dry_runs = dry_runs
        self._scheduler = scheduler
        self._revisions = RevisionKeeper(client, state)
        self._record = record
        self._clock = clock
        self._grace = GracePeriods() if grace is None else grace
        self._courses = RolloutCourses(state, scheduler, clock) if courses is None else courses
        self._pace = StatusPace()
        state.on_forgotten(self._pace.forget)

    async def reconcile(self, kind: TemplateKind, namespace: str, name: str) -> float | None:
        """Store the revision of an edit, write a template's status if it changes, and collect old revisions.

        Returns
        -------
        float or None
            Longest time in seconds until the template is requeued; None to wait for a watch event.

        Raises
        ------
        ApiError
            When the dry run, the creation of the revision or the write of the status failed.
        """
        cache = self._state.templates[kind]
        obj = cache.get(namespace, name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            self._grace.forget((kind, namespace, name))
            return None
        template = self._state.compiled(obj)
        if self._state.awaits_labels(template.grant):
            return None  # Its instances are not known before the labels of namespaces are: that requeues it.
        result = await self._dry_runs.outcome(template)
        failure = await self._revisions.store(obj, template, result)
        decision = await self._decide(template)
        obj = cache.get(namespace, name)
        if obj is None or self._state.compiled(obj) is not template:
            return None  # It changed meanwhile, and its watch event has requeued it.
        self._scheduler.announce(obj)
        latest = self._state.revisions.latest(template)
        current = obj.get("status") or {}
        standing = template_standing(template, result)
        grace = self._grace.remaining((kind, namespace, name), standing, current)
        wanted = template_status(
            template,
            current,
            self._state.count_instances(obj),
            rfc3339(self._clock()),
            result,
            latest="" if latest is None else latest.revision,
            unstored=failure,
            in_grace=grace > 0,
            knows_labels=self._state.namespaces.knowledge is Knowledge.KNOWN,
            **_reported(template, decision),
        )
        if not standing.problem:
            self._grace.forget((kind, namespace, name))
        await self._write(kind, obj, current, wanted, decision)
        if decision is not None and decision.progress.look_again_in is not None:
            self._scheduler.requeue_template_after(obj, decision.progress.look_again_in)
        await self._revisions.collect(obj, template)
        if failure is not None:
            return failure.retry_limit
        if result.is_final:
            return None
        return grace if grace > 0 and standing.problem else _TRIAL_LIMIT

    async def _decide(self, template: CompiledTemplate) -> Decision | None:
        """Decide on the roll-out; before a pause or halt is reported, wait until nothing moves any more."""
        uid, decision = template.resource.metadata.uid, self._courses.decide(template)
        if decision is None or decision.course.admits_new or not self._courses.is_moving(uid):
            return decision
        await self._courses.settle(uid)
        return self._courses.decide(template)

    async def _write(
        self,
        kind: TemplateKind,
        obj: Object,
        current: Mapping[str, Any],
        wanted: Mapping[str, Any],
        decision: Decision | None,
    ) -> None:
        """Write the status if it changes, or soon, if it was written a moment ago."""
        patch, metadata = merge_patch(current, wanted), obj["metadata"]
        wait = self._pace.wait(metadata["uid"], patch, decision)
        if wait > 0:
            self._scheduler.requeue_template_after(obj, wait)
            return
        if not patch:
            return
        namespace, name = key_of(obj)
        patched = await self._client.patch_status(
            _KINDS[kind], namespace, name, patch, metadata["resourceVersion"]
        )
        self._state.templates[kind].put(patched)
        self._record(template_events(own_ref(kind.value, metadata), current, wanted))
        if self._state.by_uid(metadata["uid"]) is not None:
            self._pace.was_written(metadata["uid"])
        if _remembered(patched.get("status") or {}) != _remembered(current):
            # Those that have waited for it may follow. A CRD of before has no fields for it: not even then
            # is it written again and again.
            self._scheduler.requeue_template_after(obj, 0)


def _remembered(status: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what of a status the next decision of a roll-out depends on."""
    return status.get("stable_revision"), (status.get("rollout") or {}).get("state")


def _reported(template: CompiledTemplate, decision: Decision | None) -> dict[str, Any]:
    """Return what the status reports of a roll-out; of a template that cannot be read it stays as it is."""
    if decision is None or template.resource.spec is None:
        return {}
    return {
        "progress": decision.progress,
        "pinned": decision.pinned,
        "started_at": decision.started_at,
    }
