"""One reviewer for each webhook: finds what the decision needs, has the core decide, and never fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog

from model_operator.api import ModelInstance
from model_operator.controller.cache import Object
from model_operator.controller.client import ApiClient
from model_operator.controller.metrics.instruments import Decision, Metrics
from model_operator.controller.resources import CLUSTER_MODEL_TEMPLATES, MODEL_INSTANCES, MODEL_TEMPLATES
from model_operator.controller.state import ClusterState
from model_operator.controller.triggers import Scope
from model_operator.controller.webhooks.live import LiveTemplates, UnconfirmedError
from model_operator.controller.webhooks.review import MalformedReviewError, Review, answer, parse_review
from model_operator.core.admission.change import Change
from model_operator.core.admission.identity import judge_creator
from model_operator.core.admission.instance import (
    Enforcement,
    enforcement_for,
    examine_instance,
    judge_instance,
)
from model_operator.core.admission.template import Impact, judge_template
from model_operator.core.admission.verdict import ALLOWED, Verdict
from model_operator.core.parsing import parse_instance, parse_template
from model_operator.core.render_settings import RenderSettings
from model_operator.core.resolution import resolve_template
from model_operator.core.templates import CompiledTemplate

log = structlog.get_logger(__name__)

Judge = Callable[[Review, Change], Awaitable[Verdict]]

_READ_SECONDS = 2.0
"""Of the five that the shipped configuration has the API server wait."""
_IMPACT_SECONDS = 2.0
_AT_ONCE = 20
"""Instances that are considered before anything else on the event loop gets its turn."""


class Reviewer:
    """Answers the reviews of one webhook.

    Parameters
    ----------
    kind
        The kind of object that it is for.
    judge
        The decision.
    count
        Called with each decision.
    """

    def __init__(self, kind: str, judge: Judge, count: Callable[[Decision], None]) -> None:
        self._kind = kind
        self._judge = judge
        self._count = count

    async def review(self, body: bytes) -> bytes:
        """Return the answer to a review.

        A defect of ours lets the write go on: the reconciler looks at it again, and nobody is locked out of
        the cluster.

        Parameters
        ----------
        body
            The body of the API server's request.

        Raises
        ------
        MalformedReviewError
            It is no review, or not one of this webhook's kind.
        """
        review = parse_review(body)
        if review.kind != self._kind:
            raise MalformedReviewError(f"request.kind.kind: expected {self._kind} at this path")
        if review.change is None:
            self._count(Decision.ALLOWED)
            return answer(review.uid, ALLOWED)
        if review.change.kind != self._kind:
            raise MalformedReviewError(f"request.object.kind: expected {self._kind} at this path")
        try:
            verdict = await self._judge(review, review.change)
            self._count(_decision(verdict))
        except Exception:
            log.exception("admission failed", object_kind=review.kind, namespace=review.namespace)
            self._count(Decision.FAILED)
            subject = f"{review.change.kind} {review.change.name}"
            verdict = ALLOWED.with_warnings([f"{subject}: not checked, as the operator has a defect"])
        if not verdict.allowed:
            # The API server's audit log tells more, and of everything; here it would be a way to fill a disk.
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
        Requests, caches (complete), and which namespaces are this operator's.
    rendering
        The cluster's conventions, so that the verdict is the reconciler's.
    warn_only_users
        Patterns of users that apply in batches.
    metrics
        Where decisions are counted.
    """

    def __init__(
        self,
        client: ApiClient,
        state: ClusterState,
        scope: Scope,
        rendering: RenderSettings,
        warn_only_users: Sequence[str],
        metrics: Metrics,
    ) -> None:
        self._live = LiveTemplates(client)
        self._state = state
        self._scope = scope
        self._rendering = rendering
        self._warn_only_users = warn_only_users
        self._metrics = metrics
        metrics.expect_webhooks(*self.reviewers)

    @property
    def reviewers(self) -> Mapping[str, Reviewer]:
        """The reviewers by path, as ``manifests/base/webhooks.yaml`` names them.

        Of the three for instances, the API server picks one by the namespace's label
        ``modeloperator.dev/admission``, so that no right to read namespaces is needed.
        """
        instance = MODEL_INSTANCES.kind
        judges = {
            "/validate-modelinstance": (instance, self._instance(None)),
            "/validate-modelinstance/deny": (instance, self._instance(Enforcement.DENY)),
            "/validate-modelinstance/warn": (instance, self._instance(Enforcement.WARN)),
            "/validate-modeltemplate": (MODEL_TEMPLATES.kind, self._template),
            "/validate-clustermodeltemplate": (CLUSTER_MODEL_TEMPLATES.kind, self._template),
            "/mutate-modelinstance": (instance, _created_by),
        }
        return {
            path: Reviewer(kind, judge, partial(self._metrics.decided, path))
            for path, (kind, judge) in judges.items()
        }

    def _instance(self, label: Enforcement | None) -> Judge:
        async def judge(review: Review, change: Change) -> Verdict:
            if change.is_exempt or not self._scope.covers(review.namespace):
                return ALLOWED
            enforcement = label or enforcement_for(review.username, self._warn_only_users)
            examination = examine_instance(change, self._state, self._rendering)
            warnings: list[str] = []
            if examination.rests_on_template:
                try:
                    templates = await self._live.read_again(self._state, examination, _READ_SECONDS)
                except UnconfirmedError:
                    enforcement = Enforcement.WARN
                    warnings.append(f"{change.kind} {change.name}: the template could not be read again")
                else:
                    if templates is not self._state:
                        examination = examine_instance(change, templates, self._rendering)
            return judge_instance(examination, change, enforcement).with_warnings(warnings)

        return judge

    async def _template(self, review: Review, change: Change) -> Verdict:
        if change.is_exempt or not self._scope.covers(review.namespace):
            return ALLOWED
        compiled = parse_template(change.obj)
        verdict = judge_template(change, compiled)
        if change.old is None or not verdict.allowed:
            return verdict
        return verdict.with_warnings(await self._impact(dict(change.old), compiled))

    async def _impact(self, old: Object, compiled: CompiledTemplate) -> tuple[str, ...]:
        """Return the warnings about instances that an edit of their template makes invalid or rolls."""
        impact = Impact(old, compiled, self._rendering)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _IMPACT_SECONDS
        # An instance that names the template and is bound to it comes twice.
        keys = dict.fromkeys(self._state.instances_of(old))
        for number, key in enumerate(keys, 1):
            instance = self._user_of(old["metadata"]["uid"], *key)
            if instance is not None:
                impact.consider(instance)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
                if loop.time() > deadline:
                    return impact.warnings(complete=False)
        return impact.warnings(complete=True)

    def _user_of(self, template_uid: str, namespace: str, name: str) -> ModelInstance | None:
        """Return the instance of that name if it is the template's, and nothing else is wrong with it."""
        obj = self._state.instances.get(namespace, name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return None
        instance, violations = parse_instance(obj)
        resolved = None if violations else resolve_template(instance, self._state)
        if resolved is None or resolved.resource.metadata.uid != template_uid:
            return None
        return instance


async def _created_by(review: Review, change: Change) -> Verdict:
    return judge_creator(change, review.username)
