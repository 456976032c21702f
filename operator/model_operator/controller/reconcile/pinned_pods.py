"""Pinning the applied pod templates while neither the instance nor its template changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.planning.pinned_pods import applied_pods, recorded_revision, with_pod_template
from model_operator.core.planning.plan import Plan
from model_operator.core.rendering.rendered_deployment import RenderedDeployment
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import NotFoundError
from model_operator.kube.object_cache import NamespacedName
from model_operator.kube.resources import DEPLOYMENTS

log = structlog.get_logger(__name__)


class PodTemplatePinner:
    """Replaces the pod templates that a changed operator renders by those that were applied.

    Parameters
    ----------
    client, state
        Requests and caches. The caches have no ``managedFields``: a Deployment is read once for each pinned
        revision.
    """

    def __init__(self, client: ApiClient, state: ClusterState) -> None:
        self._client = client
        self._state = state
        self._kept: dict[NamespacedName, dict[tuple[str, str], dict[str, Any]]] = {}

    def forget(self, instance: NamespacedName) -> None:
        """Forget a deleted instance."""
        self._kept.pop(instance, None)

    async def keep(self, instance: LiveInstance, plan: Plan) -> Plan:
        """Return the plan with the pinned pod templates.

        Parameters
        ----------
        instance
            The instance.
        plan
            Its plan.

        Raises
        ------
        ApiError
            When a Deployment cannot be read: then nothing is applied, rather than unwanted pods.
        """
        if plan.rendering is None or plan.template is None:
            return plan
        key = (instance.metadata.namespace, instance.metadata.name)
        # Pins that are not needed in this reconcile are dropped.
        before = self._kept.get(key, {})
        kept: dict[tuple[str, str], dict[str, Any]] = {}
        deployments = []
        for rendered in plan.rendering.deployments:
            recorded = recorded_revision(instance, plan.template, rendered.name, rendered.own_revision)
            found = await self._find(rendered, recorded, before)
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
        recorded: str | None,
        before: Mapping[tuple[str, str], dict[str, Any]],
    ) -> tuple[tuple[str, str], dict[str, Any]] | None:
        """Return the pinned pod template with the uid of its Deployment and its revision; None for none."""
        if recorded is None or recorded == rendered.deployment.pod_revision:
            return None
        namespace = rendered.deployment.namespace
        known = self._state.children[DEPLOYMENTS.kind].get(namespace, rendered.name)
        if known is None:
            return None
        identity = (known["metadata"]["uid"], recorded)
        if identity in before:
            return identity, before[identity]
        pods = await self._read(namespace, rendered.name, recorded)
        if pods is None:
            log.info("pod template is not pinned: it was changed", child=rendered.name)
            return None
        log.info("pod template is pinned", child=rendered.name, revision=recorded)
        return identity, pods

    async def _read(self, namespace: str, name: str, revision: str) -> dict[str, Any] | None:
        try:
            live = await self._client.get(DEPLOYMENTS, namespace, name)
        except NotFoundError:
            return None
        return applied_pods(live, revision)
