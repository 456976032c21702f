"""Find the template of an instance: first its bound template, then names (namespaced first), then ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from model_operator.api import ModelInstance, TemplateKind
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.sharing import Sharing


class TemplateLookup(Protocol):
    """The templates that exist now, in a cache or in a set of files."""

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        """Return the template of that kind and name; the namespace is ignored for cluster templates."""

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        """Return the template with that ``metadata.uid``, in any namespace."""

    def labels_of(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace; None where they are not known."""


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
    template_namespace
        ``spec.model_template_namespace``; empty without it.
    """

    wanted: str | None
    kind: TemplateKind | None
    namespace: str
    bound_name: str = ""
    bound_uid: str = ""
    template_namespace: str = ""

    @property
    def kinds(self) -> tuple[TemplateKind, ...]:
        """The kinds of template that it may mean, in the order in which they are looked up."""
        if self.template_namespace:
            # The API allows no other kind beside it.
            return () if self.kind is TemplateKind.CLUSTER_MODEL_TEMPLATE else (TemplateKind.MODEL_TEMPLATE,)
        return (self.kind,) if self.kind else tuple(TemplateKind)

    def may_mean(self, template: CompiledTemplate) -> bool:
        """Return whether kind and namespace of a template fit, whatever its name is."""
        resource = template.resource
        if self.template_namespace:
            fits = resource.metadata.namespace == self.template_namespace
        else:
            fits = resource.metadata.namespace in ("", self.namespace)
        return fits and self.kind in (None, resource.kind)


@dataclass(frozen=True, slots=True)
class Resolution:
    """The template of an instance.

    Attributes
    ----------
    template
        The template as it is now; None if there is none (yet), or none that is shared with the namespace of
        the instance.
    is_withdrawn
        Whether the instance is bound to the template, which is not shared with its namespace any more.
        Nothing is rendered or validated with such a template.
    is_unknown
        Whether another answer is possible: a template was passed over, or is withdrawn, since what shares it
        cannot be read, such as the labels of the namespace.
    """

    template: CompiledTemplate | None = None
    is_withdrawn: bool = False
    is_unknown: bool = False

    @property
    def usable(self) -> CompiledTemplate | None:
        """The template, unless it is withdrawn."""
        return None if self.is_withdrawn else self.template


def resolve_template(instance: ModelInstance, templates: TemplateLookup) -> Resolution:
    """Return the template of an instance; see `resolve_reference`.

    Parameters
    ----------
    instance
        The ModelInstance, with its status.
    templates
        The existing templates.
    """
    return resolve_reference(reference_of(instance), templates)


def reference_of(instance: ModelInstance) -> TemplateReference:
    """Return how an instance names its template."""
    bound, spec = instance.status.template if instance.status else None, instance.spec
    return TemplateReference(
        spec.model_template_id,
        spec.model_template_kind,
        instance.metadata.namespace,
        bound.name if bound else "",
        bound.uid if bound else "",
        spec.model_template_namespace or "",
    )


def resolve_reference(reference: TemplateReference, templates: TemplateLookup) -> Resolution:
    """Return the template that an instance names.

    ``spec.model_template_id`` is looked up as the name of a ModelTemplate in the instance's namespace, then
    as the name of a ClusterModelTemplate, then as the ``status.id`` of either. ``spec.model_template_kind``
    restricts the lookup to one kind, and ``spec.model_template_namespace`` to the ModelTemplates of another
    namespace. A template that is not shared with the instance's namespace is passed over, as if it did not
    exist. An instance stays with its bound template (``status.template.uid``) as long as that exists and the
    id refers to it, even if it is withdrawn. A new template that shadows the bound one does not change
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
        return Resolution()
    if reference.bound_uid and wanted in (reference.bound_name, reference.bound_uid):
        found = templates.by_uid(reference.bound_uid)
        if found is not None and reference.may_mean(found):
            return _of_bound(found, _sharing(reference, found, templates))
    namespace, is_unknown = reference.template_namespace or reference.namespace, False
    for kind in reference.kinds:
        found = templates.by_name(kind, namespace, wanted)
        if found is not None:
            sharing = _sharing(reference, found, templates)
            if sharing is Sharing.SHARED:
                return Resolution(found)
            is_unknown |= sharing is Sharing.UNKNOWN
    found = templates.by_uid(wanted)
    if found is not None and reference.may_mean(found):
        sharing = _sharing(reference, found, templates)
        if sharing is Sharing.SHARED:
            return Resolution(found)
        is_unknown |= sharing is Sharing.UNKNOWN
    return Resolution(is_unknown=is_unknown)


def is_shared_with(template: CompiledTemplate, namespace: str, labels: Mapping[str, str] | None) -> Sharing:
    """Return whether the instances of a namespace may use a template.

    Parameters
    ----------
    template
        The template as it is now: a revision does not say what it is shared with.
    namespace
        The namespace of an instance.
    labels
        Labels of that namespace; None where they are not known.
    """
    return template.grant.covers(namespace, labels)


def _sharing(reference: TemplateReference, template: CompiledTemplate, templates: TemplateLookup) -> Sharing:
    grant = template.grant
    # Labels are looked up only for a template that selects by them.
    labels = None if grant.selector is None else templates.labels_of(reference.namespace)
    return grant.covers(reference.namespace, labels)


def _of_bound(template: CompiledTemplate, sharing: Sharing) -> Resolution:
    is_withdrawn = template.grant.withdraws(sharing)
    return Resolution(template, is_withdrawn, is_withdrawn and sharing is Sharing.UNKNOWN)
