"""Pinned pod templates: pods do not change when only the operator renders differently, as after an upgrade.

A rendering follows from the generation of the instance, the revision of its template, and the operator: its
version and its settings. The status says for which of both it was written, and with which pods
(``deployments[].pod_revision``); for a deployment that names its own revision of the template, the status has
that (``deployments[].template_revision``). If neither has changed and the rendered pods differ now, the
operator has changed. Then the pod template that was applied is pinned: it replaces the rendered one until the
instance or its template changes.

The applied pod template need not be stored: the API server keeps the manager of every field, and the revision
proves that the fields read back are the applied ones, and that no other manager has changed them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from model_operator.core.objects.drift import pod_revision
from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.objects.managed_fields import applied_fields
from model_operator.core.objects.recorded_template import is_recorded
from model_operator.core.rendering.rendered_deployment import RenderedDeployment
from model_operator.core.rendering.service import with_target
from model_operator.core.templates.compile import CompiledTemplate


def recorded_revision(
    instance: LiveInstance, template: CompiledTemplate, name: str, own_revision: str | None = None
) -> str | None:
    """Return the revision of the pods that were applied for these two, None where there were none.

    Parameters
    ----------
    instance, template
        The instance, whose status records it, and its template in the revision that it runs.
    name
        The Deployment's name.
    own_revision
        Hash of the revision of the template that the deployment names itself; None if it has that of the
        instance.
    """
    status = instance.status
    if status.get("observedGeneration") != instance.metadata.generation:
        return None
    entries = status.get("deployments") or []
    entry = next((each for each in entries if each.get("name") == name), None)
    if entry is None:
        return None
    is_same = (
        is_recorded(status, template.version)
        if own_revision is None
        else entry.get("template_revision") == own_revision
    )
    recorded: str | None = entry.get("pod_revision")
    return recorded if is_same else None


def applied_pods(live: Mapping[str, Any], revision: str) -> dict[str, Any] | None:
    """Return the pod template that we applied to a Deployment; None when it is no longer of that revision.

    Parameters
    ----------
    live
        The Deployment as the API server has it, with ``metadata.managedFields``.
    revision
        What :func:`~model_operator.core.objects.drift.pod_revision` gave for what was applied.
    """
    for pods in applied_fields(live, "spec", "template"):
        if pod_revision({"spec": {"template": pods}}) == revision:
            found: dict[str, Any] = pods
            return found
    return None


def with_pod_template(rendered: RenderedDeployment, pods: Mapping[str, Any]) -> RenderedDeployment:
    """Return a rendered deployment with another pod template, and its Service for the ports of that."""
    deployment, service = rendered.deployment, rendered.service
    if service is not None and rendered.port_name is not None:
        old = deployment.manifest["spec"]["template"]
        target = with_target(service.manifest, rendered.port_name, old, pods)
        service = replace(service, manifest=target)
    spec = {**deployment.manifest["spec"], "template": dict(pods)}
    manifest = {**deployment.manifest, "spec": spec}
    return replace(rendered, deployment=replace(deployment, manifest=manifest), service=service)
