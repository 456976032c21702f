"""Find the template of an instance: first its bound template, then names (namespaced first), then ids."""

from __future__ import annotations

from typing import Protocol

from model_operator.api import ModelInstance, TemplateKind
from model_operator.core.templates.compile import CompiledTemplate


class TemplateLookup(Protocol):
    """The templates that exist now, in a cache or in a set of files."""

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        """Return the template of that kind and name; the namespace is ignored for cluster templates."""

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        """Return the template with that ``metadata.uid``, in any namespace."""


def resolve_template(instance: ModelInstance, templates: TemplateLookup) -> CompiledTemplate | None:
    """Return the template of an instance; None if it does not exist (yet).

    ``spec.model_template_id`` is looked up as the name of a ModelTemplate in the instance's namespace, then
    as the name of a ClusterModelTemplate, then as the ``status.id`` of either. ``spec.model_template_kind``
    restricts the lookup to one kind. An instance stays with its bound template (``status.template.uid``) as
    long as that exists and the id refers to it. A new template that shadows the bound one does not change
    running models.

    Parameters
    ----------
    instance
        The ModelInstance, with its status.
    templates
        The existing templates.
    """
    wanted = instance.spec.model_template_id
    if wanted is None:
        return None
    bound = instance.status.template if instance.status else None
    if bound is not None and wanted in (bound.name, bound.uid):
        found = templates.by_uid(bound.uid)
        if found is not None and _is_usable(instance, found):
            return found
    kind = instance.spec.model_template_kind
    for candidate in [kind] if kind else list(TemplateKind):
        found = templates.by_name(candidate, instance.metadata.namespace, wanted)
        if found is not None:
            return found
    found = templates.by_uid(wanted)
    return found if found is not None and _is_usable(instance, found) else None


def _is_usable(instance: ModelInstance, template: CompiledTemplate) -> bool:
    """Whether the kind fits, and the template is cluster-scoped or in the instance's namespace."""
    resource = template.resource
    kind = instance.spec.model_template_kind
    return kind in (None, resource.kind) and resource.metadata.namespace in ("", instance.metadata.namespace)
