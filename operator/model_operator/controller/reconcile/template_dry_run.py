"""Trying templates on the API server by dry-run, once for each revision."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog

from model_operator.api import TemplateKind
from model_operator.controller.cache.cluster_state import CachedDryRun, ClusterState
from model_operator.core.planning.dry_run import (
    DryRunResult,
    SkipReason,
    dry_run_deployment,
    dry_run_pod,
    interpret,
    is_permission_missing,
)
from model_operator.core.reasons.refusals import is_namespace_terminating
from model_operator.core.status.template import was_accepted
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiError, StartupError
from model_operator.kube.namespace import own_namespace
from model_operator.kube.resources import DEPLOYMENTS, PODS
from model_operator.settings import TemplateDryRun

log = structlog.get_logger(__name__)

_FRESH_SECONDS = 5.0
"""How long a result holds that depends on the cluster; the work queue's backoff adds to it."""
_NOWHERE = DryRunResult(
    skipped=SkipReason.NO_NAMESPACE, detail="the operator does not know its own namespace"
)


class TemplateDryRunner:
    """Checks templates by dry run and caches the results.

    Parameters
    ----------
    client, state
        Requests and memory.
    settings
        The cluster's conventions for rendering.
    namespace
        The namespace of dry runs of cluster templates: the operator's own; None when that is unknown.
    extent
        The extent of dry runs.
    clock
        Seconds from any start, never going back.
    """

    def __init__(
        self,
        client: ApiClient,
        state: ClusterState,
        settings: RenderSettings,
        namespace: str | None,
        extent: TemplateDryRun = TemplateDryRun.POD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._state = state
        self._settings = settings
        self._namespace = namespace
        self._extent = extent
        self._clock = clock
        self._has_logged_missing_permission = False

    async def outcome(self, template: CompiledTemplate) -> DryRunResult:
        """Return the result of the dry run of a template, from the cache while it holds.

        Raises
        ------
        ApiError
            The namespace is being deleted, or our credentials are refused.
        """
        if template.violations or self._extent is TemplateDryRun.OFF:
            return DryRunResult()
        uid, revision = template.resource.metadata.uid, template.revision
        known = self._state.dry_runs.get(uid)
        if known is not None and known.revision == revision and self._holds(known):
            return known.result
        result = DryRunResult() if known is None and was_accepted(template) else await self._try(template)
        self._state.remember_dry_run(uid, CachedDryRun(revision, result, self._clock()))
        return result

    def _holds(self, known: CachedDryRun) -> bool:
        return known.result.is_final or self._clock() < known.time + _FRESH_SECONDS

    async def _try(self, template: CompiledTemplate) -> DryRunResult:
        kind = TemplateKind(template.resource.kind)
        namespace = template.resource.metadata.namespace or self._namespace
        if namespace is None:
            return _NOWHERE
        deployment = dry_run_deployment(template, namespace, self._settings)
        if isinstance(deployment, DryRunResult):
            return deployment
        answered = deployment
        try:
            # Never as an update of an existing object of that name.
            answered = await self._client.apply_new(DEPLOYMENTS, deployment, dry_run=True)
        except ApiError as error:
            result = self._interpret(error, "Deployment", kind)
            # If the template is not the cause, as with a full quota, the Pod is checked as well.
            if result != DryRunResult():
                return result
        return await self._try_pod(answered, kind)

    async def _try_pod(self, deployment: dict[str, Any], kind: TemplateKind) -> DryRunResult:
        if self._extent is not TemplateDryRun.POD:
            return DryRunResult()
        try:
            await self._client.create(PODS, dry_run_pod(deployment), dry_run=True)
        except ApiError as error:
            if is_permission_missing(error.code, error.status) and not self._has_logged_missing_permission:
                log.info("dry runs skip the pods of templates", missing="create pods", answer=str(error))
                self._has_logged_missing_permission = True
            return self._interpret(error, "Pod", kind)
        return DryRunResult()

    def _interpret(self, error: ApiError, attempted: str, kind: TemplateKind) -> DryRunResult:
        if error.code == HTTPStatus.UNAUTHORIZED or is_namespace_terminating(error.code, error.status):
            raise error
        return interpret(error.code, error.status, attempted, kind)


def home_namespace(configured: str | None) -> str | None:
    """Return the namespace of dry runs of cluster templates, the operator's; None when it is unknown.

    Parameters
    ----------
    configured
        What the settings say, if anything.
    """
    try:
        return own_namespace(configured)
    except StartupError:
        return None
