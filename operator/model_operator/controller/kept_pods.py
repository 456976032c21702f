"""Keeping pods as they were applied while neither the instance nor its template has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from model_operator.api import ModelInstance
from model_operator.controller.client import ApiClient
from model_operator.controller.errors import NotFoundError
from model_operator.controller.resources import DEPLOYMENTS
from model_operator.controller.state import ClusterState
from model_operator.core.canonical import pod_revision
from model_operator.core.kept_pods import applied_pods, told_revision, with_pods
from model_operator.core.plan import Plan
from model_operator.core.rendering import RenderedDeployment
from model_operator.core.templates import CompiledTemplate

log = structlog.get_logger(__name__)

_REMEMBERED = 10_000


class PodKeeper:
    """Puts the pods that were applied in place of those that a changed operator renders.

    Parameters
    ----------
    client, state
        Requests and caches. The caches have no ``managedFields``: a Deployment is read once for each revision
        that is kept.
    """

    def __init__(self, client: ApiClient, state: ClusterState) -> None:
        self._client = client
        self._state = state
        self._kept: dict[tuple[str, str], dict[str, Any]] = {}

    async def keep(self, instance: ModelInstance, status: Mapping[str, Any], plan: Plan) -> Plan:
        """Return the plan with the pods that are to stay.

        Parameters
        ----------
        instance, status
            The instance, and its status as the API server has it.
        plan
            What was decided for it.

        Raises
        ------
        ApiError
            When a Deployment cannot be read: rather nothing is applied than pods that nobody asked for.
        """
        if plan.rendering is None or plan.template is None:
            return plan
        deployments = [
            await self._keep(instance, status, plan.template, rendered)
            for rendered in plan.rendering.deployments
        ]
        return replace(plan, rendering=replace(plan.rendering, deployments=tuple(deployments)))

    async def _keep(
        self,
        instance: ModelInstance,
        status: Mapping[str, Any],
        template: CompiledTemplate,
        rendered: RenderedDeployment,
    ) -> RenderedDeployment:
        told = told_revision(status, instance, template, rendered.name)
        if told is None or told == pod_revision(rendered.deployment):
            return rendered
        namespace = rendered.deployment["metadata"]["namespace"]
        known = self._state.children[DEPLOYMENTS.kind].get(namespace, rendered.name)
        if known is None:
            return rendered
        key = (known["metadata"]["uid"], told)
        if key not in self._kept:
            pods = await self._read(namespace, rendered.name, told)
            if pods is None:
                log.info("pods are rendered anew: somebody has changed them", child=rendered.name)
                return rendered
            log.info("pods are kept as they were rendered before", child=rendered.name, revision=told)
            self._kept[key] = pods
            if len(self._kept) > _REMEMBERED:
                del self._kept[next(iter(self._kept))]
        return with_pods(rendered, self._kept[key])

    async def _read(self, namespace: str, name: str, revision: str) -> dict[str, Any] | None:
        try:
            live = await self._client.get(DEPLOYMENTS, namespace, name)
        except NotFoundError:
            return None
        return applied_pods(live, revision)
