"""Reconciling one template: telling whether it is valid, and how far its instances are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from model_operator.api import TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.reconcile.template_dry_run import TemplateDryRunner
from model_operator.core.status.events import Event, own_ref, template_events
from model_operator.core.status.template import template_status
from model_operator.core.values.merge_patch import merge_patch
from model_operator.kube.client import ApiClient
from model_operator.kube.clock import Clock, rfc3339, utc_now
from model_operator.kube.resources import CLUSTER_MODEL_TEMPLATES, MODEL_TEMPLATES

_TRIAL_LIMIT = 300.0
"""Longest time in seconds until a template is tried again after an outcome that may change by itself."""
_KINDS = {kind.kind: kind for kind in (MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES)}


class TemplateReconciler:
    """Keeps the status of templates.

    Parameters
    ----------
    client, state
        Requests and caches.
    trials
        What tries templates on the API server.
    record
        Called with what has happened to a template.
    clock
        Where times of transition come from.
    """

    def __init__(
        self,
        client: ApiClient,
        state: ClusterState,
        dry_runs: TemplateDryRunner,
        record: Callable[[Iterable[Event]], None],
        clock: Clock = utc_now,
    ) -> None:
        self._client = client
        self._state = state
        self._dry_runs = dry_runs
        self._record = record
        self._clock = clock

    async def reconcile(self, kind: TemplateKind, namespace: str, name: str) -> float | None:
        """Write a template's status, if it is not what the object already says.

        Returns
        -------
        float or None
            Longest time in seconds after which it has to be looked at again without being asked;
            None when a watch event will tell.

        Raises
        ------
        ApiError
            When the template could not be tried or the status not be written.
        """
        cache = self._state.templates[kind]
        obj = cache.get(namespace, name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return None
        template = self._state.compiled(obj)
        result = await self._dry_runs.outcome(template)
        obj = cache.get(namespace, name)
        if obj is None or self._state.compiled(obj) is not template:
            return None  # It has changed meanwhile, and so is about to be looked at again.
        current = obj.get("status") or {}
        wanted = template_status(
            template, current, self._state.count_instances(obj), rfc3339(self._clock()), result
        )
        patch = merge_patch(current, wanted)
        if patch:
            version = obj["metadata"]["resourceVersion"]
            patched = await self._client.patch_status(_KINDS[kind], namespace, name, patch, version)
            cache.put(patched)
            self._record(template_events(own_ref(kind.value, obj["metadata"]), current, wanted))
        return None if result.is_final else _TRIAL_LIMIT
