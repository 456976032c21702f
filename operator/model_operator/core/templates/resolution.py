"""Which template an instance means: names before ids, the namespace before the cluster, bindings first."""

from __future__ import annotations

from typing import Protocol

from model_operator.api import ModelInstance, TemplateKind
from model_operator.core.templates.compile import CompiledTemplate


class TemplateLookup(Protocol):
    """The templates that exist now, as a cache or a set of files offers them."""

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        """Return the template of that kind and name; the namespace is ignored for cluster templates."""

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        """Return the template with that ``metadata.uid``, in whatever namespace."""


def resolve_template(instance: ModelInstance, templates: TemplateLookup) -> CompiledTemplate | None:
    """Return the template that an instance refers to, or None when there is none (yet).

    ``spec.model_template_id`` is looked up as the name of a ModelTemplate in the instance's namespace,
    then of a ClusterModelTemplate, then as a ``status.id`` among both. ``spec.model_template_kind``
    leaves out the other kind. An instance that is bound (``status.template.uid``) stays with its
    template while that exists and the id still means it: a new template that shadows the old one
    never switches running models.

    Parameters
    ----------
    instance
        The ModelInstance, with its status.
    templates
        Where to look.
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
    """Tell whether the kind fits and the template is the cluster's or of the instance's namespace."""
    resource = template.resource
    kind = instance.spec.model_template_kind
    return kind in (None, resource.kind) and resource.metadata.namespace in ("", instance.metadata.namespace)
