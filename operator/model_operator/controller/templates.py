"""Reconciling one template: telling whether it is valid and how many instances use it."""

from __future__ import annotations

from model_operator.api import TemplateKind
from model_operator.controller.client import ApiClient
from model_operator.controller.instances import Clock, rfc3339, utc_now
from model_operator.controller.resources import CLUSTER_MODEL_TEMPLATES, MODEL_TEMPLATES
from model_operator.controller.state import ClusterState
from model_operator.core.conditions import merge_patch
from model_operator.core.template_status import template_status

_KINDS = {kind.kind: kind for kind in (MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES)}


class TemplateReconciler:
    """Keeps the status of templates.

    Parameters
    ----------
    client, state
        Requests and caches.
    clock
        Where times of transition come from.
    """

    def __init__(self, client: ApiClient, state: ClusterState, clock: Clock = utc_now) -> None:
        self._client = client
        self._state = state
        self._clock = clock

    async def reconcile(self, kind: TemplateKind, namespace: str, name: str) -> None:
        """Write a template's status, if it is not what the object already says.

        Raises
        ------
        ApiError
            When the status could not be written.
        """
        cache = self._state.templates[kind]
        obj = cache.get(namespace, name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return
        count = len(self._state.instances.find("template", obj["metadata"]["uid"]))
        current = obj.get("status") or {}
        wanted = template_status(self._state.compiled(obj), current, count, rfc3339(self._clock()))
        patch = merge_patch(current, wanted)
        if not patch:
            return
        version = obj["metadata"]["resourceVersion"]
        patched = await self._client.patch_status(_KINDS[kind], namespace, name, patch, version)
        cache.put(patched)
