"""Keeping pods as they were applied while neither the instance nor its template has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from model_operator.api import ModelInstance
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.core.planning.pinned_pods import applied_pods, recorded_revision, with_pod_template
from model_operator.core.planning.plan import Plan
from model_operator.core.rendering.render import RenderedDeployment
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import NotFoundError
from model_operator.kube.object_cache import NamespacedName
from model_operator.kube.resources import DEPLOYMENTS

log = structlog.get_logger(__name__)


class PodTemplatePinner:
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
        self._kept: dict[NamespacedName, dict[tuple[str, str], dict[str, Any]]] = {}

    def forget(self, instance: NamespacedName) -> None:
        """Forget an instance that is gone."""
        self._kept.pop(instance, None)

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
        key = (instance.metadata.namespace, instance.metadata.name)
        # What is not wanted this time will not be wanted again.
        before = self._kept.get(key, {})
        kept: dict[tuple[str, str], dict[str, Any]] = {}
        deployments = []
        for rendered in plan.rendering.deployments:
            told = recorded_revision(status, instance, plan.template, rendered.name)
            found = await self._find(rendered, told, before)
            if found is None:
                deployments.append(rendered)
            else:
                identity, pods = found
                kept[identity] = pods
                deployments.append(with_pod_template(rendered, pods))
        if not kept:
            self.forget(key)
            return plan
        self._kept[key] = kept
        return replace(plan, rendering=replace(plan.rendering, deployments=tuple(deployments)))

    async def _find(
        self,
        rendered: RenderedDeployment,
        told: str | None,
        before: Mapping[tuple[str, str], dict[str, Any]],
    ) -> tuple[tuple[str, str], dict[str, Any]] | None:
        """Return the pods that are to stay, and of which Deployment and revision they are; None for none."""
        if told is None or told == rendered.revision:
            return None
        namespace = rendered.deployment["metadata"]["namespace"]
        known = self._state.children[DEPLOYMENTS.kind].get(namespace, rendered.name)
        if known is None:
            return None
        identity = (known["metadata"]["uid"], told)
        if identity in before:
            return identity, before[identity]
        pods = await self._read(namespace, rendered.name, told)
        if pods is None:
            log.info("pods are rendered anew: somebody has changed them", child=rendered.name)
            return None
        log.info("pods are kept as they were rendered before", child=rendered.name, revision=told)
        return identity, pods

    async def _read(self, namespace: str, name: str, revision: str) -> dict[str, Any] | None:
        try:
            live = await self._client.get(DEPLOYMENTS, namespace, name)
        except NotFoundError:
            return None
        return applied_pods(live, revision)
