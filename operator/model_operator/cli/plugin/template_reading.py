"""Reads a template with its revisions and instances: what the commands about roll-outs show."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from model_operator.api import TemplateKind
from model_operator.cli.plugin.cluster import Cluster, no_template
from model_operator.cli.plugin.queries import QueryError
from model_operator.core.inspection.facts import name_of
from model_operator.core.inspection.listings import TemplateReference
from model_operator.core.inspection.revision_history import RevisionHistory, is_revision_name, read_history
from model_operator.core.inspection.rollout_edits import commit_advice
from model_operator.core.objects.gitops_owners import gitops_owner
from model_operator.core.templates.sharing import grant_of
from model_operator.kube.client import Object
from model_operator.kube.errors import ForbiddenError, NotFoundError
from model_operator.kube.resources import (
    CLUSTER_MODEL_TEMPLATE_REVISIONS,
    CLUSTER_MODEL_TEMPLATES,
    MODEL_INSTANCES,
    MODEL_TEMPLATE_REVISIONS,
    MODEL_TEMPLATES,
    ResourceKind,
)

_TEMPLATES = {
    TemplateKind.MODEL_TEMPLATE: MODEL_TEMPLATES,
    TemplateKind.CLUSTER_MODEL_TEMPLATE: CLUSTER_MODEL_TEMPLATES,
}
_REVISIONS = {
    TemplateKind.MODEL_TEMPLATE: MODEL_TEMPLATE_REVISIONS,
    TemplateKind.CLUSTER_MODEL_TEMPLATE: CLUSTER_MODEL_TEMPLATE_REVISIONS,
}


def kind_of(template: Mapping[str, Any]) -> ResourceKind:
    """Return the kind of a template."""
    return _TEMPLATES[TemplateKind(template["kind"])]


def place_of(template: Mapping[str, Any]) -> str:
    """Return the namespace of a template; empty for a ClusterModelTemplate."""
    return str(template["metadata"].get("namespace") or "")


async def read_template(cluster: Cluster, reference: TemplateReference) -> Object:
    """Return a template; without a kind, a ModelTemplate of that name comes first, as for an instance.

    Raises
    ------
    QueryError
        There is none, or none that is readable.
    """
    home = reference.namespace or cluster.namespace
    for kind in [reference.kind] if reference.kind else list(TemplateKind):
        resource = _TEMPLATES[kind]
        place = home if resource.namespaced else ""
        try:
            with cluster.query_errors("get", resource, place):
                return await cluster.client.get(resource, place, reference.name)
        except QueryError as error:
            # One that is not readable may have this name; the list below says so.
            is_other = isinstance(error.__cause__, ForbiddenError) and reference.kind is None
            if not is_other and not isinstance(error.__cause__, NotFoundError):
                raise
    readable, unreadable = await cluster.templates(home)
    for each in readable:
        if reference.matches(each):
            return each
    missing = no_template(reference, [each for each in readable if reference.kind in (None, each["kind"])])
    where = f" (namespace {home})" if reference.kind is not TemplateKind.CLUSTER_MODEL_TEMPLATE else ""
    raise QueryError(f"{missing}{where}" + (f"; {unreadable}" if unreadable else ""))


async def read_revisions(cluster: Cluster, template: Object) -> RevisionHistory:
    """Return a template with its stored revisions, read by name: all others may be thousands."""
    kind, namespace = _REVISIONS[TemplateKind(template["kind"])], place_of(template)
    listed = await cluster.all(kind, namespace, metadata_only=True)
    names = [name_of(each) for each in listed if is_revision_name(name_of(each), template)]

    async def read(name: str) -> list[Object]:
        try:
            with cluster.query_errors("get", kind, namespace):
                return [await cluster.client.get(kind, namespace, name)]
        except QueryError as error:
            if isinstance(error.__cause__, NotFoundError):
                return []  # It was deleted after the list.
            raise

    found = await asyncio.gather(*map(read, names))
    return read_history(template, [each for some in found for each in some])


async def read_instances(cluster: Cluster, template: Mapping[str, Any]) -> tuple[list[Object], str]:
    """Return the readable instances that may run a template, and why some are not, if so."""
    unreadable, home = "", place_of(template)
    # Instances of a ModelTemplate that is shared may be in any namespace.
    is_shared = grant_of(template).allowed is not None
    for namespace in dict.fromkeys(["" if is_shared else home, home, cluster.namespace]):
        try:
            return await cluster.all(MODEL_INSTANCES, namespace), unreadable
        except QueryError as error:
            if not isinstance(error.__cause__, ForbiddenError):
                raise
            unreadable = unreadable or str(error)
    return [], unreadable


def require_unowned(template: Mapping[str, Any], *, is_forced: bool) -> None:
    """Require that a change of a template is not the business of a GitOps tool, or is forced.

    Raises
    ------
    QueryError
        Flux or Argo CD manages the template.
    """
    owner = None if is_forced else gitops_owner(template)
    if owner is not None:
        raise QueryError(f"{commit_advice(template, owner)} Or add --force.")
