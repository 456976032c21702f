"""Find the template of an instance: first its bound template, then names (namespaced first), then ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from model_operator.api import ModelInstance, TemplateKind
from model_operator.core.templates.compile import CompiledTemplate


class TemplateLookup(Protocol):
    """The templates that exist now, in a cache or in a set of files."""

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        """Return the template of that kind and name; the namespace is ignored for cluster templates."""

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        """Return the template with that ``metadata.uid``, in any namespace."""


@dataclass(frozen=True, slots=True)
class TemplateReference:
    """How an instance names its template.

    Attributes
    ----------
    wanted
        ``spec.model_template_id``; None if it names none.
    kind
        ``spec.model_template_kind``.
    namespace
        Namespace of the instance.
    bound_name, bound_uid
        ``status.template``; empty if it is bound to none.
    """

    wanted: str | None
    kind: TemplateKind | None
    namespace: str
    bound_name: str = ""
    bound_uid: str = ""


def resolve_template(instance: ModelInstance, templates: TemplateLookup) -> CompiledTemplate | None:
    """Return the template of an instance; see `resolve_reference`.

    Parameters
    ----------
    instance
        The ModelInstance, with its status.
    templates
        The existing templates.
    """
    bound = instance.status.template if instance.status else None
    reference = TemplateReference(
        instance.spec.model_template_id,
        instance.spec.model_template_kind,
        instance.metadata.namespace,
        bound.name if bound else "",
        bound.uid if bound else "",
    )
    return resolve_reference(reference, templates)


def resolve_reference(reference: TemplateReference, templates: TemplateLookup) -> CompiledTemplate | None:
    """Return the template that an instance names; None if it does not exist (yet).

    ``spec.model_template_id`` is looked up as the name of a ModelTemplate in the instance's namespace, then
    as the name of a ClusterModelTemplate, then as the ``status.id`` of either. ``spec.model_template_kind``
    restricts the lookup to one kind. An instance stays with its bound template (``status.template.uid``) as
    long as that exists and the id refers to it. A new template that shadows the bound one does not change
    running models.

    Parameters
    ----------
    reference
        How the instance names it.
    templates
        The existing templates.
    """
    wanted = reference.wanted
    if wanted is None:
        return None
    if reference.bound_uid and wanted in (reference.bound_name, reference.bound_uid):
        found = templates.by_uid(reference.bound_uid)
        if found is not None and _is_usable(reference, found):
            return found
    for candidate in [reference.kind] if reference.kind else list(TemplateKind):
        found = templates.by_name(candidate, reference.namespace, wanted)
        if found is not None:
            return found
    found = templates.by_uid(wanted)
    return found if found is not None and _is_usable(reference, found) else None


def _is_usable(reference: TemplateReference, template: CompiledTemplate) -> bool:
    """Whether the kind fits, and the template is cluster-scoped or in the instance's namespace."""
    resource = template.resource
    return reference.kind in (None, resource.kind) and resource.metadata.namespace in (
        "",
        reference.namespace,
    )
