"""Templates that are there and not shared with the namespace of an instance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model_operator.api import ModelInstance
from model_operator.core.offline.collection import FileTemplates
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.resolution import TemplateReference, reference_of, resolve_template
from model_operator.core.values.violations import Loc, Violation

NOT_SHARED: Final = "not_shared"
"""Code of a template that is certainly not shared with the namespace."""
_UNKNOWN: Final = "labels_unknown"


def unshared_template(instance: ModelInstance, templates: FileTemplates) -> Violation | None:
    """Return that an instance names a template that is not shared with its namespace; None if it does not.

    Who has the files may know of the template; the answers of the operator never say this.

    Parameters
    ----------
    instance
        An instance whose template was not found.
    templates
        The templates that files offer.
    """
    reference = reference_of(instance)
    found = next(_named(reference, templates), None)
    if found is None:
        return None
    resource, namespace = found.resource, reference.namespace
    home = f"{resource.metadata.namespace}/" if resource.metadata.namespace else ""
    what = f"{resource.kind} {home}{resource.metadata.name}"
    loc: Loc = ("spec", "model_template_id")
    if resolve_template(instance, templates).is_unknown:
        message = (
            f"{what} may be shared with namespace {namespace} by the labels of the Namespace, which is not "
            "among the files; the instance was not checked against it"
        )
        return Violation(loc, message, _UNKNOWN)
    message = (
        f"{what} is not shared with namespace {namespace}. Action (template owner): add the namespace to "
        "spec.allowed_namespaces of the template"
    )
    return Violation(loc, message, NOT_SHARED)


def _named(reference: TemplateReference, templates: FileTemplates) -> Iterator[CompiledTemplate]:
    """Yield the templates that a reference may mean, shared or not."""
    wanted = reference.wanted or ""
    namespace = reference.template_namespace or reference.namespace
    for kind in reference.kinds:
        found = templates.by_name(kind, namespace, wanted)
        if found is not None:
            yield found
    found = templates.by_uid(wanted)
    if found is not None and reference.may_mean(found):
        yield found
