"""Reconciling one ModelInstance: resolve, plan, apply, report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog

from model_operator.api import ModelInstance
from model_operator.controller.cache.cluster_state import ClusterState, bound_template
from model_operator.controller.reconcile.children import ChildSync, NamespaceTerminatingError
from model_operator.controller.reconcile.contention import Contests
from model_operator.controller.reconcile.diagnosis import PodDiagnostics
from model_operator.controller.reconcile.grace import GracePeriods
from model_operator.controller.reconcile.pinned_pods import PodTemplatePinner
from model_operator.controller.reconcile.rollout_courses import RolloutCourses
from model_operator.controller.reconcile.stale_children import StaleChildCollector
from model_operator.controller.scheduler import Scheduler
from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.planning.contested_fields import ContestedField
from model_operator.core.planning.moving import plan_assigned
from model_operator.core.planning.plan import Plan, make_plan, malformed, withdrawn
from model_operator.core.reasons.reasons import Reason
from model_operator.core.reasons.refusals import Failure, is_object_missing
from model_operator.core.rollouts.course import assign_in_course
from model_operator.core.status.assessment import Assessment, Observation, assess
from model_operator.core.status.child_events import ChildAction, child_events
from model_operator.core.status.events import Event, instance_events, own_ref
from model_operator.core.status.grace import instance_standing, may_stall
from model_operator.core.status.instance import instance_status
from model_operator.core.status.rollout_counts import rollout_share
from model_operator.core.templates.parsing import read_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.resolution import resolve_template
from model_operator.core.values.merge_patch import merge_patch
from model_operator.kube.client import ApiClient
from model_operator.kube.clock import Clock, rfc3339, utc_now
from model_operator.kube.errors import NotFoundError
from model_operator.kube.object_cache import NamespacedName, key_of
from model_operator.kube.resources import AUTOSCALERS, DEPLOYMENTS, MODEL_INSTANCES, SERVICES

log = structlog.get_logger(__name__)


class InstanceReconciler:
    """Brings instances to what they ask for.

    Parameters
    ----------
    client, state
        Requests and caches.
    settings
        The cluster's conventions for rendering.
    scheduler
        Schedules further reconciles, and new counts of templates.
    record
        Called with the Events of an instance.
    causes
        The diagnosis of roll-outs that make no progress; a new one by default.
    clock
        Where times of transition come from.
    grace
        The grace periods of instances; by default of the default length.
    courses
        The roll-outs of templates, shared with the reconciler of templates.
    """

    def __init__(
        self,
        client: ApiClient,
        state: ClusterState,
        settings: RenderSettings,
        scheduler: Scheduler,
        record: Callable[[Iterable[Event]], None],
        causes: PodDiagnostics | None = None,
        clock: Clock = utc_now,
        grace: GracePeriods | None = None,
        courses: RolloutCourses | None = None,
    ) -> None:
        self._client = client
        self._state = state
        self._settings = settings
        self._scheduler = scheduler
        self._record = record
        self._deferred: set[NamespacedName] = set()
        self._causes = PodDiagnostics(client) if causes is None else causes
        self._clock = clock
        self._pods = PodTemplatePinner(client, state)
        self._stale_children = StaleChildCollector(client, state)
        self._contests = Contests(client)
        self._grace = GracePeriods() if grace is None else grace
        self._courses = RolloutCourses(state, scheduler, clock) if courses is None else courses

    async def reconcile(self, namespace: str, name: str) -> float | None:
        """Look at an instance once and do all that can be done now.

        Returns
        -------
        float or None
            Longest time in seconds until the instance is requeued; None to wait for a watch event.

        Raises
        ------
        ApiError
            When a Deployment could not be read or the status not be written.
        """
        obj = self._state.instances.get(namespace, name)
        if obj is None:
            self._causes.forget((namespace, name))
            self._pods.forget((namespace, name))
            self._contests.forget((namespace, name))
            self._grace.forget((namespace, name))
            self._deferred.discard((namespace, name))
            await self._collect_stale_children((namespace, name), None)
            return None
        instance = read_instance(obj)
        await self._collect_stale_children((namespace, name), instance.resource)
        if instance.metadata.deletionTimestamp is not None:
            return await self._act(instance, None)
        plan = self._plan(instance)
        if plan is None:
            return None
        with self._state.revisions.held(plan.templates), self._courses.moving(obj, plan.template):
            return await self._act(instance, plan)

    async def _act(self, instance: LiveInstance, plan: Plan | None) -> float | None:
        """Carry out a plan and report; None for an instance that is being deleted."""
        key = (instance.metadata.namespace, instance.metadata.name)
        failures: dict[str, Failure] = {}
        actions: list[ChildAction] = []
        contested: Mapping[str, Sequence[ContestedField]] = {}
        if plan is not None:
            plan = await self._pods.keep(instance, plan)
        if plan is not None and plan.rendering is not None:
            children = ChildSync(self._client, self._state, actions.append, self._contests)
            try:
                failures = await children.sync(instance.resource, plan.rendering)
            except NamespaceTerminatingError:
                log.info("namespace is being deleted")
                return None
            finally:
                self._record_actions(instance, plan, actions)
            contested = children.contested
            if children.next_look is not None:
                self._scheduler.requeue_after(*key, children.next_look)
        if actions and not failures and not contested and self._defers_status(key):
            return None
        await self._update_status(instance, plan, failures, contested)
        return min((failure.retry_limit for failure in failures.values()), default=None)

    def _plan(self, instance: LiveInstance) -> Plan | None:
        """Return the plan; None while its revision is about to be stored, which requeues the instance."""
        if instance.violations:
            return malformed(instance.violations)
        found = resolve_template(instance.resource, self._state)
        template = found.template
        is_awaited = self._state.namespaces.is_awaited
        if is_awaited and (found.is_unknown or (template and self._state.awaits_labels(template.grant))):
            return None  # Soon the labels of namespaces are known, and this instance is requeued.
        if template is None:
            return make_plan(instance.resource, None, self._settings)
        if found.is_withdrawn:
            return withdrawn(template, is_unknown=found.is_unknown)
        revisions = self._state.revisions
        course = self._courses.course_of(instance.resource, template)
        current = "" if course is None else self._courses.running(instance.raw, template)
        assigned = assign_in_course(instance.resource, template, revisions, course, current)
        runs = [assigned.template, *assigned.pinned.values()]
        if any(each is template for each in runs) and revisions.is_awaited(template):
            # Nothing is rendered from what is not stored.
            failure = revisions.failure(template.resource.metadata.uid)
            return None if failure is None else Plan(None, None, failure)
        return plan_assigned(instance, assigned, self._settings)

    async def _collect_stale_children(self, key: NamespacedName, instance: ModelInstance | None) -> None:
        delay = await self._stale_children.clear(key, instance)
        if delay is not None:
            self._scheduler.requeue_after(*key, delay)

    def _defers_status(self, key: NamespacedName) -> bool:
        """Defer a status to the next reconcile, once, while other instances wait for their children.

        With many at a time the children come first, and by the next reconcile the roll-out is often complete:
        one write instead of two.
        """
        if key in self._deferred or not self._scheduler.requeue_behind_waiting(*key):
            return False
        self._deferred.add(key)
        return True

    def _record_actions(self, instance: LiveInstance, plan: Plan, actions: Sequence[ChildAction]) -> None:
        if actions:
            regarding = own_ref(MODEL_INSTANCES.kind, instance.raw["metadata"])
            resource, template = instance.resource, plan.template
            self._record(child_events(regarding, actions, resource, template, plan.own_revisions))

    async def _update_status(
        self,
        instance: LiveInstance,
        plan: Plan | None,
        failures: Mapping[str, Failure],
        contested: Mapping[str, Sequence[ContestedField]],
    ) -> None:
        """Write the status if it changes."""
        key, metadata, current = key_of(instance.raw), instance.raw["metadata"], instance.status
        self._deferred.discard(key)
        deployments, services, autoscalers = (
            {
                child["metadata"]["name"]: child
                for child in self._state.children_of_kind(kind.kind, metadata["namespace"], metadata["uid"])
            }
            for kind in (DEPLOYMENTS, SERVICES, AUTOSCALERS)
        )
        grace = self._grace.remaining(key, instance_standing(instance, plan, failures.values()), current)
        seen = Observation(
            instance, plan, deployments, services.keys(), failures, contested, autoscalers, grace > 0
        )
        wanted = instance_status(await self._diagnosed(assess(seen)), rfc3339(self._clock()))
        if seen.in_grace and may_stall(wanted):
            self._scheduler.requeue_after(*key, grace)
        if Reason[ready_reason(wanted)].ready:
            self._grace.forget(key)
        patch = merge_patch(current, wanted)
        if not patch:
            return
        try:
            patched = await self._client.patch_status(
                MODEL_INSTANCES,
                metadata["namespace"],
                metadata["name"],
                patch,
                metadata["resourceVersion"],
            )
        except NotFoundError as error:
            if is_object_missing(error.status, metadata["name"]) and self._state.instances.remove(
                instance.raw
            ):
                # Deleted within a gap of the watch: its children would be created and collected in a loop.
                self._scheduler.update_template_counts(bound_template(current))
                # No watch event reported its deletion, so its children need a reconcile, too.
                self._scheduler.requeue_after(*key, 0)
            raise
        self._state.instances.put(patched)
        self._record(instance_events(own_ref(MODEL_INSTANCES.kind, metadata), current, wanted))
        if rollout_share(current) != rollout_share(wanted):
            for uid in {bound_template(current), bound_template(wanted)}:
                self._scheduler.update_template_counts(uid)

    async def _diagnosed(self, assessment: Assessment) -> Assessment:
        """Add why roll-outs make no progress, and requeue the instance for the next diagnosis."""
        instance = assessment.observation.instance
        key, reported = key_of(instance.raw), ready_reason(instance.status)
        causes, delay = await self._causes.find(key, assessment.undiagnosed, reported)
        if delay is not None:
            self._scheduler.requeue_after(*key, delay)
        return assessment.with_causes(causes)


def ready_reason(status: Mapping[str, Any]) -> str:
    """Return the reason of the Ready condition of a status, empty when it has none."""
    conditions: list[dict[str, Any]] = status.get("conditions") or []
    return next((str(each.get("reason")) for each in conditions if each.get("type") == "Ready"), "")
