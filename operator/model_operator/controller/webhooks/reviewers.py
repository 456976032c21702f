"""One reviewer per webhook: looks up what the decision needs, calls core to decide, and never fails.

The data that a decision may use depends on the caller. For unauthenticated callers it is the review alone:
their decisions are functions of it, with neither caches nor a client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from model_operator.api import ModelInstance, TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.defects import DefectLog
from model_operator.controller.metrics.instruments import Decision, Metrics
from model_operator.controller.scope import Scope
from model_operator.controller.webhooks.review import Review, answer, parse_review
from model_operator.controller.webhooks.template_reader import TemplateReader, UnconfirmedError
from model_operator.core.admission.change import Change
from model_operator.core.admission.identity import review_creator
from model_operator.core.admission.instance import (
    ADMISSION_LABEL,
    LABEL_RULE,
    Enforcement,
    enforcement_for,
    examine_alone,
    examine_instance,
    label_warnings,
    review_instance,
)
from model_operator.core.admission.template import Impact, deletion_warnings, review_template
from model_operator.core.admission.verdict import ALLOWED, Verdict
from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.resolution import resolve_template
from model_operator.core.templates.revisions.assignment import RevisionLookup
from model_operator.core.webhooks.callers import Caller, Webhook
from model_operator.kube.client import ApiClient
from model_operator.kube.clock import Clock, utc_now
from model_operator.kube.object_cache import Object
from model_operator.kube.resources import (
    CLUSTER_MODEL_TEMPLATES,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    ResourceKind,
)

log = structlog.get_logger(__name__)

Decide = Callable[[Review, Change], Awaitable[Verdict]]

_READ_SECONDS = 2.0
"""Of the five seconds that the API server waits in the shipped configuration."""
_IMPACT_SECONDS = 2.0
_AT_ONCE = 20
"""Instances that are checked before the event loop runs anything else."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decision functions of one webhook, by kind of caller.

    Attributes
    ----------
    authenticated
        For API servers: may use all data of the operator.
    stranger
        For unauthenticated callers: uses the review alone.
    """

    authenticated: Decide
    stranger: Decide

    def of(self, caller: Caller) -> Decide:
        """Return the function for a caller."""
        return self.authenticated if caller is Caller.AUTHENTICATED else self.stranger


class Reviewer:
    """Responds to the reviews of one webhook.

    Parameters
    ----------
    kind
        The kind that it reviews.
    decisions
        The decision functions.
    count
        Called with each decision.
    defects
        Log of unexpected exceptions.
    """

    def __init__(
        self, kind: ResourceKind, decisions: Decisions, count: Callable[[Decision], None], defects: DefectLog
    ) -> None:
        self._kind = kind
        self._decisions = decisions
        self._count = count
        self._defects = defects

    async def review(self, body: bytes, caller: Caller) -> bytes:
        """Return the response to a review.

        A defect of the operator admits the write: the reconciler validates it again, and no user is locked
        out of the cluster.

        Parameters
        ----------
        body
            The body of the request.
        caller
            Who sent it.

        Raises
        ------
        MalformedReviewError
            It is not a review of this webhook's kind.
        """
        review = parse_review(body, self._kind)
        if review.change is None:
            self._count(Decision.ALLOWED)
            return answer(review.uid, ALLOWED)
        try:
            verdict = await self._decisions.of(caller)(review, review.change)
            self._count(_decision(verdict))
        except Exception as error:  # noqa: BLE001 -- any error admits the write
            self._defects.report(
                "admission failed", error, object_kind=review.kind, namespace=review.namespace
            )
            self._count(Decision.FAILED)
            subject = f"{review.change.kind} {review.change.name}"
            verdict = ALLOWED.with_warnings([f"{subject}: not checked, as the operator has a defect"])
        if not verdict.allowed:
            # The API server's audit log is complete; at a higher level, a client could fill the disk.
            log.debug(
                "denied",
                object_kind=review.kind,
                namespace=review.namespace,
                name=review.change.name,
                fields=[cause.field for cause in verdict.causes],
            )
        return answer(review.uid, verdict)


def _decision(verdict: Verdict) -> Decision:
    if not verdict.allowed:
        return Decision.DENIED
    return Decision.WARNED if verdict.warnings else Decision.ALLOWED


class Admission:
    """The webhooks of one operator.

    Parameters
    ----------
    client, state, scope
        Requests, caches (complete), and the served namespaces.
    rendering
        The rendering settings, so that verdict and reconciler agree.
    warn_only_users
        Patterns of users that apply in batches.
    metrics
        Counts the decisions.
    clock
        Returns the current time.
    """

    def __init__(
        self,
        client: ApiClient,
        state: ClusterState,
        scope: Scope,
        rendering: RenderSettings,
        warn_only_users: Sequence[str],
        metrics: Metrics,
        clock: Clock = utc_now,
    ) -> None:
        self._clock = clock
        self._reader = TemplateReader(client, rendering.free_metadata_domains)
        self._state = state
        self._scope = scope
        self._rendering = rendering
        self._warn_only_users = warn_only_users
        self._metrics = metrics
        self._defects = DefectLog()
        metrics.expect_webhooks(*self.reviewers)

    @property
    def reviewers(self) -> Mapping[Webhook, Reviewer]:
        """The reviewers.

        Of the four for instances, the API server selects one by the namespace's label
        ``modeloperator.dev/admission``, so that the operator needs no permission to read namespaces.
        """
        template = Decisions(self._template, self._template_alone)
        creator = Decisions(_created_by, _created_by)
        alone = self._instance_alone
        decisions = {
            Webhook.INSTANCE: (MODEL_INSTANCES, Decisions(self._instance(None), alone)),
            Webhook.INSTANCE_DENY: (MODEL_INSTANCES, Decisions(self._instance(Enforcement.DENY), alone)),
            Webhook.INSTANCE_WARN: (MODEL_INSTANCES, Decisions(self._instance(Enforcement.WARN), alone)),
            Webhook.INSTANCE_MISLABELLED: (
                MODEL_INSTANCES,
                Decisions(self._instance(None, is_mislabelled=True), alone),
            ),
            Webhook.TEMPLATE: (MODEL_TEMPLATES, template),
            Webhook.CLUSTER_TEMPLATE: (CLUSTER_MODEL_TEMPLATES, template),
            Webhook.CREATOR: (MODEL_INSTANCES, creator),
            Webhook.TEMPLATE_CREATOR: (MODEL_TEMPLATES, creator),
            Webhook.CLUSTER_TEMPLATE_CREATOR: (CLUSTER_MODEL_TEMPLATES, creator),
        }
        return {
            webhook: Reviewer(kind, each, partial(self._metrics.decided, webhook), self._defects)
            for webhook, (kind, each) in decisions.items()
        }

    def _instance(self, label: Enforcement | None, *, is_mislabelled: bool = False) -> Decide:
        async def decide(review: Review, change: Change) -> Verdict:
            if not self._scope.covers(review.namespace):
                return ALLOWED
            if change.is_exempt:
                return ALLOWED.with_warnings(label_warnings(change))
            enforcement = label or enforcement_for(review.username, self._warn_only_users)
            known: RevisionLookup = self._state.revisions
            examination = examine_instance(change, self._state, self._rendering, known)
            warnings = [_mislabelled(review.namespace)] if is_mislabelled else []
            if examination.depends_on_template:
                try:
                    templates = await self._reader.read_again(self._state, examination, _READ_SECONDS)
                    if templates is not self._state:
                        examination = examine_instance(change, templates, self._rendering, known)
                    revisions = await self._reader.revisions_again(known, examination, _READ_SECONDS)
                except UnconfirmedError:
                    enforcement = Enforcement.WARN
                    warnings.append(f"{change.kind} {change.name}: the template could not be read again")
                else:
                    if revisions is not known:
                        examination = examine_instance(change, templates, self._rendering, revisions)
            status = self._status_of(examination.template)
            return review_instance(examination, change, enforcement, status).with_warnings(warnings)

        return decide

    def _status_of(self, template: CompiledTemplate | None) -> Mapping[str, Any] | None:
        """Return the ``status`` of a template from the cache: the compiled one may be older than it."""
        if template is None:
            return None
        resource = template.resource
        found = self._state.templates[TemplateKind(resource.kind)].by_uid(resource.metadata.uid)
        return found.get("status") if found else None

    async def _instance_alone(self, _: Review, change: Change) -> Verdict:
        """Review an instance for an unauthenticated caller: without the template and whether it exists.

        Nor does the verdict reveal which namespaces the operator serves.
        """
        if change.is_exempt:
            return ALLOWED.with_warnings(label_warnings(change))
        return review_instance(examine_alone(change, self._rendering), change, Enforcement.DENY)

    async def _template(self, review: Review, change: Change) -> Verdict:
        if change.is_exempt or not self._scope.covers(review.namespace):
            return ALLOWED
        if change.deletes:
            return ALLOWED.with_warnings(await self._orphaned(dict(change.obj)))
        compiled = self._compiled(change)
        revisions = self._state.revisions
        is_stored = revisions.stores(TemplateKind(change.kind))
        verdict = review_template(change, compiled, self._rendering, is_stepped=is_stored)
        if change.old is None or not verdict.allowed:
            return verdict
        impact = Impact(change.old, compiled, self._rendering, revisions if is_stored else None)
        return verdict.with_warnings(await self._impact(dict(change.old), impact))

    async def _template_alone(self, _: Review, change: Change) -> Verdict:
        """Review a template for an unauthenticated caller: without the instances that use it."""
        if change.is_exempt or change.deletes:
            return ALLOWED
        return review_template(change, self._compiled(change), None)

    def _compiled(self, change: Change) -> CompiledTemplate:
        return parse_template(change.obj, self._rendering.free_metadata_domains)

    async def _impact(self, old: Object, impact: Impact) -> tuple[str, ...]:
        """Return the warnings about the instances of an edited template: who gets it, and who is invalid."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _IMPACT_SECONDS
        # An instance that refers to the template and is bound to it occurs twice.
        keys = dict.fromkeys(self._state.instances_of(old))
        for number, key in enumerate(keys, 1):
            instance = self._user_of(old["metadata"]["uid"], *key)
            if instance is not None:
                deployments = self._state.children_of_kind(
                    "Deployment", instance.metadata.namespace, instance.metadata.uid
                )
                labels = self._state.labels_of(instance.resource.metadata.namespace)
                impact.add(instance, deployments, labels)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
                if loop.time() > deadline:
                    return impact.warnings(self._clock(), complete=False)
        return impact.warnings(self._clock(), complete=True)

    async def _orphaned(self, template: Object) -> tuple[str, ...]:
        """Return the warning about the instances that use a template that is deleted."""
        users: list[ModelInstance] = []
        deadline = asyncio.get_running_loop().time() + _IMPACT_SECONDS
        for number, key in enumerate(dict.fromkeys(self._state.instances_of(template)), 1):
            instance = self._user_of(template["metadata"]["uid"], *key)
            users += [instance.resource] if instance is not None else []
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
                if asyncio.get_running_loop().time() > deadline:
                    return deletion_warnings(template, users, complete=False)
        return deletion_warnings(template, users, complete=True)

    def _user_of(self, template_uid: str, namespace: str, name: str) -> LiveInstance | None:
        """Return the instance of that name if it uses the template and is otherwise valid.

        One that the template was withdrawn from counts: the write that is reviewed may share it again.
        """
        obj = self._state.instances.get(namespace, name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return None
        instance = read_instance(obj)
        resolved = None if instance.violations else resolve_template(instance.resource, self._state).template
        if resolved is None or resolved.resource.metadata.uid != template_uid:
            return None
        return instance


def _mislabelled(namespace: str) -> str:
    action = "Action (cluster administrator): correct the label or remove it."
    return f"Namespace {namespace}: label {ADMISSION_LABEL} {LABEL_RULE}. {action}"


async def _created_by(review: Review, change: Change) -> Verdict:
    return review_creator(change, review.username)
