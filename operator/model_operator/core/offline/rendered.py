"""The children that the operator would apply for all instances of a collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from model_operator.core.objects.drift import APPLIED_HASH
from model_operator.core.offline.collection import Collection, FileTemplates, Manifest
from model_operator.core.offline.findings import Finding, Severity
from model_operator.core.offline.unshared_templates import NOT_SHARED, unshared_template
from model_operator.core.planning.plan import make_plan, withdrawn
from model_operator.core.reasons.reasons import Reason
from model_operator.core.rendering.desired_child import DesiredChild
from model_operator.core.templates.parsing import parse_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.assignment import assign
from model_operator.core.values.violations import Violation

NIL_UID: Final = "00000000-0000-0000-0000-000000000000"
"""Placeholder for the uid of an instance that is not in a cluster, where a template refers to it."""

Identity = tuple[str, str, str]
"""Kind, namespace and name."""


@dataclass
class Snapshot:
    """Part of a cluster.

    Attributes
    ----------
    instances
        The instances, by kind, namespace and name.
    templates
        The templates that they may use.
    revisions
        The stored revisions of these.
    children
        The children of these instances.
    labels
        Labels of their namespaces, by name, where these are readable.
    """

    instances: dict[Identity, dict[str, Any]] = field(default_factory=dict)
    templates: list[dict[str, Any]] = field(default_factory=list)
    revisions: list[dict[str, Any]] = field(default_factory=list)
    children: list[dict[str, Any]] = field(default_factory=list)
    labels: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def templates_over(self, given: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield the templates of files, with the uid of the one they would replace, then all others."""
        uids = {_identity(template): template["metadata"]["uid"] for template in self.templates}
        for template in given:
            uid = uids.get(_identity(template))
            metadata = template["metadata"]
            yield template if uid is None else {**template, "metadata": {**metadata, "uid": uid}}
        yield from self.templates


def rendered_children(
    collection: Collection,
    templates: FileTemplates,
    settings: RenderSettings,
    live: Mapping[Identity, Mapping[str, Any]] | None = None,
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Return the children of all instances, and a finding for each instance that cannot be rendered.

    Parameters
    ----------
    collection
        Valid objects, see `model_operator.core.offline.checking`.
    templates
        The templates for the instances, with their revisions.
    settings
        The cluster's conventions for rendering.
    live
        Live instances by identity: the rendered children have their uid, and each instance keeps its bound
        template.

    Returns
    -------
    tuple
        The children, by namespace and name of their instances, in the order in which they are applied. They
        have an owner and the applied hash only if the instance has a uid.
    """
    children: list[dict[str, Any]] = []
    findings = []
    for manifest in collection.instances:
        found, problem = _children(manifest, templates, settings, (live or {}).get(manifest.identity))
        children += found
        if problem is not None:
            findings.append(manifest.finding(problem, Severity.ERROR))
    return children, findings


def _children(
    manifest: Manifest,
    templates: FileTemplates,
    settings: RenderSettings,
    live: Mapping[str, Any] | None,
) -> tuple[list[dict[str, Any]], Violation | None]:
    obj = manifest.obj
    if not manifest.identity[2]:
        return [], Violation(("metadata", "name"), "rendering requires a name, got generateName", "missing")
    if live is not None:
        metadata = {**obj["metadata"], "uid": live["metadata"]["uid"]}
        obj = {**obj, "metadata": metadata, "status": live.get("status", {})}
    uid = obj["metadata"].get("uid")
    instance, _ = parse_instance({**obj, "metadata": {**obj["metadata"], "uid": uid or NIL_UID}})
    assigned = assign(instance, templates, templates)
    plan = (
        make_plan(instance, assigned.template, settings, pinned=assigned.pinned)
        if assigned.withdrawn is None
        else withdrawn(assigned.withdrawn)
    )
    if plan.rendering is None:
        reason = None if plan.problem is None else plan.problem.reason
        if reason is Reason.TemplateRevisionNotFound:
            message = "rendering requires the revision, which is not among the files"
            return [], replace(plan.violations[0], msg=message)
        if reason is Reason.TemplateNotShared:
            message = "is no longer shared with this namespace: what the instance runs stays as it is"
            return [], Violation(("spec", "model_template_id"), message, NOT_SHARED)
        if reason is Reason.TemplateNotFound and (unshared := unshared_template(instance, templates)):
            return [], unshared
        wanted = (
            "the template, which is not among the files"
            if reason is Reason.TemplateNotFound
            else "a valid template"
        )
        return [], Violation(("spec", "model_template_id"), f"rendering requires {wanted}", "template")
    return [_as_applied(child, is_live=uid is not None) for child in plan.rendering.children], None


def _as_applied(child: DesiredChild, *, is_live: bool) -> dict[str, Any]:
    """Return a child as it is applied; without owner, hash and revision if the instance is not live."""
    if is_live:
        return child.sent
    applied = child.applied
    metadata = {key: value for key, value in applied["metadata"].items() if key != "ownerReferences"}
    annotations = {key: value for key, value in metadata.pop("annotations").items() if key != APPLIED_HASH}
    return {**applied, "metadata": {**metadata, "annotations": annotations} if annotations else metadata}


def _identity(obj: Mapping[str, Any]) -> Identity:
    metadata = obj["metadata"]
    return obj["kind"], metadata.get("namespace", ""), metadata.get("name", "")
