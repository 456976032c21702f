"""Bringing the children of one instance to what was rendered, without touching what is not ours.

A child is first only created; a name that is taken (409) is read, and then adopted, updated or a conflict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import structlog

from model_operator.api import ModelInstance
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.reconcile.contention import Contests
from model_operator.controller.reconcile.replicas_handover import hand_over
from model_operator.controller.reconcile.stale_children import exists
from model_operator.controller.reconcile.taking_back import find_in_vain, take_back
from model_operator.core.objects.ownership import Ownership, classify
from model_operator.core.planning.contested_fields import ContestedField
from model_operator.core.planning.first_creation import is_new, needs_service
from model_operator.core.planning.pruning import prunable
from model_operator.core.planning.replacement import must_be_replaced
from model_operator.core.planning.replicas_handover import has_min_workers, with_replicas, without_replicas
from model_operator.core.reasons.reasons import PRECEDENCE, Reason
from model_operator.core.reasons.refusals import Failure, explain_refusal, is_namespace_terminating
from model_operator.core.rendering.desired_child import DesiredChild
from model_operator.core.rendering.render import Rendering
from model_operator.core.rendering.rendered_deployment import RenderedDeployment
from model_operator.core.status.child_events import ChildAction, Verb
from model_operator.core.status.events import ObjectRef
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import (
    ApiError,
    ApiUnavailableError,
    ConflictError,
    NotFoundError,
)
from model_operator.kube.resources import AUTOSCALERS, CHILD_KIND, DEPLOYMENTS, ResourceKind

log = structlog.get_logger(__name__)

Object = Mapping[str, Any]
_Result = TypeVar("_Result")

_NEEDED_TO_SERVE = frozenset({"Service", "Deployment"})
"""Kinds of children without which a model cannot serve."""


class NamespaceTerminatingError(Exception):
    """The namespace is terminating: nothing can be created, and nothing needs to be."""


class ChildSync:
    """Applies and prunes children.

    Parameters
    ----------
    client
        Requests.
    state
        The caches; responses to writes are put there at once.
    report
        Called with each action on a child.
    contests
        The record of children that another field manager keeps changing.

    Attributes
    ----------
    contested
        The fields that another manager keeps changing, by the name of the deployment, after :meth:`sync`.
    next_look
        Seconds until the next reconcile for contested children; None when there are none.
    """

    def __init__(
        self,
        client: ApiClient,
        state: ClusterState,
        report: Callable[[ChildAction], None],
        contests: Contests,
    ) -> None:
        self._client = client
        self._state = state
        self._report = report
        self._contests = contests
        self.contested: dict[str, list[ContestedField]] = {}
        self.next_look: float | None = None

    async def sync(self, instance: ModelInstance, rendering: Rendering) -> dict[str, Failure]:
        """Apply the children that differ, then delete those that have been replaced.

        Parameters
        ----------
        instance
            The owner.
        rendering
            The desired children.

        Returns
        -------
        dict
            The failures, by the name of the deployment.

        Raises
        ------
        NamespaceTerminatingError
            When the namespace is terminating.
        """
        failures: dict[str, Failure] = {}
        self.contested, self.next_look = {}, None
        for rendered in rendering.deployments:
            failure = await self._bring(instance, rendered)
            if failure is not None:
                failures[rendered.name] = failure
        failures |= await self._prune(instance, rendering, failures.keys())
        return failures

    async def _bring(self, instance: ModelInstance, rendered: RenderedDeployment) -> Failure | None:
        """Apply the children of one deployment; return the most severe failure."""
        failures, children = [], rendered.children
        if rendered.autoscaler is None:
            stays = await self._end_autoscaling(instance, rendered)
            if stays is not None:
                failures.append(stays)
                # While the autoscaler exists it sets the number.
                children = [
                    without_replicas(child) if child is rendered.deployment else child for child in children
                ]
        first: Object | Failure | None = None
        for child in children:
            if child is rendered.service and not failures and self._is_first(instance, rendered):
                failure, first = await self._create_both(instance, child, rendered.deployment)
            elif child is rendered.deployment and isinstance(first, Failure):
                failure = first
            else:
                failure = await self._ensure(instance, child)
            if failure is not None:
                failures.append(failure)
                if child is rendered.service:
                    await self._take_back(instance, child, failure, first)
                if child.kind in _NEEDED_TO_SERVE:
                    break
        return min(failures, key=lambda failure: PRECEDENCE.index(failure.reason), default=None)

    def _is_first(self, instance: ModelInstance, rendered: RenderedDeployment) -> bool:
        """Return whether nothing has been created yet of the Service and the Deployment of an instance."""
        essential = [each for each in rendered.children if each.kind in _NEEDED_TO_SERVE]
        return is_new(instance) and not any(
            self._contests.knows(each) or self._state.children[each.kind].get(each.namespace, each.name)
            for each in essential
        )

    async def _create_both(
        self, instance: ModelInstance, service: DesiredChild, deployment: DesiredChild
    ) -> tuple[Failure | None, Object | Failure | None]:
        """Apply a Service, and meanwhile create its Deployment, which neither adopts nor changes anything.

        Returns
        -------
        tuple
            The failure of the Service, if any; and the Deployment, its failure, or None if its name is taken.
        """
        # Neither is cancelled by the other's error: what it has written would be unknown.
        outcomes: list[Any] = await asyncio.gather(
            self._ensure(instance, service),
            self._judged(deployment, self._create(DEPLOYMENTS, deployment)),
            return_exceptions=True,
        )
        for each in outcomes:
            if isinstance(each, BaseException):
                raise each
        failure, created = outcomes
        return failure, created

    async def _take_back(
        self, instance: ModelInstance, service: DesiredChild, failure: Failure, first: Object | Failure | None
    ) -> None:
        """Delete the Deployment of a Service that cannot be created, if it was created in vain.

        Raises
        ------
        ApiError
            When that is not possible at the moment; no status is written until it was.
        """
        if isinstance(first, Mapping):
            in_vain: Object | None = first if needs_service(failure) else None
        elif failure.reason is Reason.NameConflict and is_new(instance):
            in_vain = await find_in_vain(self._client, self._state, instance, service)
        else:
            in_vain = None
        if in_vain is not None and await take_back(self._client, self._state, instance, in_vain):
            self._report_action(Verb.TAKEN_BACK, DEPLOYMENTS, in_vain)

    async def _ensure(self, instance: ModelInstance, child: DesiredChild) -> Failure | None:
        """Apply one child if it differs; return the failure, if any."""
        return await self._judged(child, self._bring_child(instance, child))

    async def _bring_child(self, instance: ModelInstance, child: DesiredChild) -> Failure | None:
        kind, name = CHILD_KIND[child.kind], child.name
        live = self._state.children[kind.kind].get(child.namespace, name)
        if live is None:
            if not await self._contests.may_write(child, None):
                self._note_contest(*self._contests.held(child), name)
                return None
            found = await self._claim(kind, child)
            if isinstance(found, Failure):
                return found
            live = found
        return await self._update(instance, kind, child, live)

    async def _judged(self, child: DesiredChild, attempt_of: Awaitable[_Result]) -> _Result | Failure:
        """Return the result of an attempt to write a child, or the failure."""
        kind, name, namespace = CHILD_KIND[child.kind], child.name, child.namespace
        attempt = f"apply {kind.kind} {name}"
        try:
            return await attempt_of
        except ApiUnavailableError as error:
            log.warning("no response to write", attempt=attempt, code=error.code)
            return explain_refusal(error.code, error.status, attempt)
        except ConflictError:
            # The cache was stale; the next reconcile has the newer version.
            return Failure(Reason.Deploying, f"{kind.kind} {name} changed during the update; retrying.")
        except ApiError as error:
            if is_namespace_terminating(error.code, error.status):
                raise NamespaceTerminatingError(namespace) from error
            failure = explain_refusal(error.code, error.status, attempt)
            log.warning("write refused", attempt=attempt, code=error.code, reason=failure.reason.name)
            return failure

    async def _claim(self, kind: ResourceKind, child: DesiredChild) -> dict[str, Any] | Failure:
        """Create a child that is not in the cache; return it, or the existing object of its name."""
        created = await self._create(kind, child)
        if created is not None:
            return created
        try:
            return await self._client.get(kind, child.namespace, child.name)
        except NotFoundError:
            name = f"{kind.kind} {child.name}"
            return Failure(Reason.Deploying, f"{name} was deleted during the update; retrying.")

    async def _create(self, kind: ResourceKind, child: DesiredChild) -> dict[str, Any] | None:
        """Create a child; return it, or None if its name is taken."""
        first = with_replicas(child) if child.leaves_replicas else child
        try:
            created = await self._client.apply_new(kind, first.sent)
        except ConflictError:
            return None
        self._state.children[kind.kind].put(created)
        if first is child:
            self._contests.was_written(child, None, created)
        self._report_action(Verb.CREATED, kind, created)
        return created

    async def _update(
        self, instance: ModelInstance, kind: ResourceKind, child: DesiredChild, live: Object
    ) -> Failure | None:
        name = child.name
        match _ownership(instance, live):
            case Ownership.FOREIGN:
                return Failure(
                    Reason.NameConflict,
                    f"{kind.kind} {name} already exists and is not owned by this instance.",
                    obstacle=live["metadata"]["uid"],
                )
            case Ownership.TERMINATING:
                return Failure(
                    Reason.Deploying,
                    f"{kind.kind} {name} is still being deleted; it will be recreated.",
                )
            case Ownership.ORPHAN if not await exists(self._client, instance):
                # Left behind on purpose by a deletion that our cache has not heard of: not to be taken back.
                return Failure(
                    Reason.Deploying, f"{kind.kind} {name} has no owner; checking before adoption."
                )
        if must_be_replaced(child.manifest, live):
            replaced = Failure(Reason.Deploying, f"{kind.kind} {name} is being replaced.")
            if not await self._contests.may_write(child, live):
                self._note_contest(*self._contests.held(child), name)
                return replaced
            return await self._delete(live, while_held=replaced) or replaced
        is_applied = self._contests.is_as_written(child, live) or child.is_applied(live)
        is_as_desired = is_applied and has_min_workers(child, live)
        if is_as_desired or self._contests.is_as_answered(child, live):
            self._state.children[kind.kind].put(dict(live))
            self._note_contest(*self._contests.contested(child), name)
            return None
        if not await self._contests.may_write(child, live):
            self._note_contest(*self._contests.held(child), name)
            return None
        # With the uid the server rejects the write if another object has taken the name meanwhile.
        sent = child.sent
        metadata = {**sent["metadata"], "uid": live["metadata"]["uid"]}
        if child.leaves_replicas:
            await hand_over(self._client, metadata, child)
        applied = await self._client.apply(kind, {**sent, "metadata": metadata}, force=True)
        self._state.children[kind.kind].put(applied)
        self._contests.was_written(child, live, applied)
        self._note_contest(*self._contests.contested(child), name)
        if applied["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]:
            self._report_action(Verb.UPDATED, kind, applied)
        return None

    async def _end_autoscaling(self, instance: ModelInstance, rendered: RenderedDeployment) -> Failure | None:
        """Delete an autoscaler that is no longer desired; return why it still exists.

        The Deployment gets its number of workers only after that: the two would fight over it.
        """
        live = self._state.children[AUTOSCALERS.kind].get(rendered.deployment.namespace, rendered.name)
        if live is None:
            return None
        stays = Failure(Reason.Deploying, f"{AUTOSCALERS.kind} {rendered.name} is still being deleted.")
        match _ownership(instance, live):
            case Ownership.FOREIGN:
                return None
            case Ownership.TERMINATING:
                return stays
            case Ownership.ORPHAN:
                try:
                    if not await exists(self._client, instance):
                        return stays
                except ApiError as error:
                    attempt = f"read ModelInstance {instance.metadata.name}"
                    return explain_refusal(error.code, error.status, attempt)
        return await self._delete(live, while_held=stays)

    async def _prune(
        self, instance: ModelInstance, rendering: Rendering, failed: Collection[str]
    ) -> dict[str, Failure]:
        """Delete the prunable children; return the failures by the child's name."""
        failures: dict[str, Failure] = {}
        own = self._state.children_of(instance.metadata.namespace, instance.metadata.uid)
        for child in prunable(rendering.children, own, failed):
            failure = await self._delete(child)
            if failure is not None:
                failures[child["metadata"]["name"]] = failure
        return failures

    async def _delete(self, child: Object, while_held: Failure | None = None) -> Failure | None:
        """Delete one child; return the failure, or `while_held` if finalizers keep it.

        A child that no longer exists is no failure.
        """
        kind, metadata = CHILD_KIND[child["kind"]], child["metadata"]
        attempt = f"delete {kind.kind} {metadata['name']}"
        try:
            is_gone = await self._client.delete(
                kind, metadata["namespace"], metadata["name"], metadata["uid"]
            )
        except (NotFoundError, ConflictError):
            return None
        except ApiError as error:
            log.warning("delete refused", attempt=attempt, code=error.code)
            return explain_refusal(error.code, error.status, attempt)
        self._report_action(Verb.PRUNED, kind, child)
        return None if is_gone else while_held

    def _note_contest(self, fields: Sequence[ContestedField], seconds: float | None, name: str) -> None:
        """Keep the contested fields of a child, and the time of the next reconcile."""
        if fields:
            self.contested.setdefault(name, []).extend(fields)
        if seconds is not None:
            self.next_look = seconds if self.next_look is None else min(self.next_look, seconds)

    def _report_action(self, verb: Verb, kind: ResourceKind, child: Object) -> None:
        metadata = child["metadata"]
        message = f"child {verb}"
        log.info(message, kind=kind.kind, child=metadata["name"])
        identity = (metadata["namespace"], metadata["name"], metadata["uid"])
        self._report(ChildAction(verb, ObjectRef(kind.api_version, kind.kind, *identity)))


def _ownership(instance: ModelInstance, live: Object) -> Ownership:
    metadata = instance.metadata
    return classify(live, namespace=metadata.namespace, name=metadata.name, uid=metadata.uid)
