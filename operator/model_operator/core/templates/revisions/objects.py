"""The objects that keep revisions: what the operator stores for a template, and what it reads of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import ValidationError

from model_operator.api import (
    API_VERSION,
    GROUP,
    ClusterModelTemplate,
    ClusterModelTemplateRevision,
    ModelTemplate,
    ModelTemplateRevision,
    ObjectMeta,
)
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.revisions.identity import content_hash, revision_of, revisioned_spec
from model_operator.core.templates.sharing import UNREAD
from model_operator.core.values.model_errors import model_violations
from model_operator.core.values.violations import Loc, Violation

TEMPLATE_LABEL: Final = f"{GROUP}/template"
"""Label of a revision with the name of its template."""
REVISION_KINDS: Final[Mapping[str, type[ModelTemplateRevision | ClusterModelTemplateRevision]]] = {
    ModelTemplate.__name__: ModelTemplateRevision,
    ClusterModelTemplate.__name__: ClusterModelTemplateRevision,
}
"""The kinds of revisions by the kind of their template."""


def revision_object(template: Mapping[str, Any], number: int | None = None) -> dict[str, Any]:
    """Return the object that keeps what a template specifies now.

    Parameters
    ----------
    template
        A ModelTemplate or ClusterModelTemplate within the limits, with its ``kind``. One from the API server
        owns the object; one from a file, which has no uid, does not.
    number
        Number of the revision; None outside of a cluster.
    """
    metadata, kind, name = template["metadata"], template["kind"], revision_of(template)
    uid, generation = metadata.get("uid"), metadata.get("generation")
    owner = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": metadata["name"],
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": REVISION_KINDS[kind].__name__,
        "metadata": {
            "name": name.name,
            **({"namespace": metadata["namespace"]} if metadata.get("namespace") else {}),
            "labels": {TEMPLATE_LABEL: metadata["name"]},
            **({"ownerReferences": [owner]} if uid else {}),
        },
        "spec": {
            "template": {
                "kind": kind,
                "name": metadata["name"],
                **({"uid": uid, "generation": generation or 0} if uid else {}),
            },
            "hash": name.hash,
            **({} if number is None else {"number": number}),
            "template_spec": revisioned_spec(template["spec"]),
        },
    }


def read_revision(
    obj: Mapping[str, Any],
    template: ModelTemplate | ClusterModelTemplate,
    free_domains: Collection[str] = (),
) -> CompiledTemplate | None:
    """Return a revision of a template, compiled; None if it is none of it, cannot be read, or is forged.

    Forged is a revision whose content does not have the hash that its name says.

    Parameters
    ----------
    obj
        A ModelTemplateRevision or ClusterModelTemplateRevision, with its ``kind``.
    template
        The template as it is now; the result has its metadata: name, uid and generation.
    free_domains
        ``free_metadata_domains`` of `model_operator.core.templates.render_settings.RenderSettings`.
    """
    resource_type = REVISION_KINDS[template.kind]
    if obj.get("kind") != resource_type.__name__:
        return None
    try:
        revision = resource_type.model_validate(obj)
    except ValidationError:
        return None
    metadata, spec = template.metadata, revision.spec
    if (spec.template.name, revision.metadata.namespace) != (metadata.name, metadata.namespace):
        return None
    compiled = _compiled(template.kind, metadata, spec.template_spec, free_domains)
    # What is too large to be read has no revision.
    if not compiled.revision or content_hash(spec.template_spec) != spec.hash:
        return None
    # What shares a template is no part of its revisions.
    return replace(compiled, revision=spec.hash, grant=UNREAD)


def revision_faults(obj: Mapping[str, Any], free_domains: Collection[str] = ()) -> tuple[Violation, ...]:
    """Return what is wrong with a revision: its schema, its content, or a hash that is not of the content.

    Parameters
    ----------
    obj
        A ModelTemplateRevision or ClusterModelTemplateRevision, with its ``kind``.
    free_domains
        As for `read_revision`.
    """
    resource_type = next(each for each in REVISION_KINDS.values() if each.__name__ == obj["kind"])
    try:
        revision = resource_type.model_validate(obj)
    except ValidationError as error:
        return model_violations(error)
    spec = revision.spec
    kind = spec.template.kind.value
    compiled = _compiled(kind, ObjectMeta(name=spec.template.name), spec.template_spec, free_domains)
    if compiled.violations:
        # Their paths are those of the template, whose specification the content is.
        return tuple(replace(each, loc=_in_content(each.loc)) for each in compiled.violations)
    if content_hash(spec.template_spec) != spec.hash:
        message = "is not the hash of template_spec; make the object with model-operator revision"
        return (Violation(("spec", "hash"), message, "revision"),)
    return ()


def _compiled(
    kind: str, metadata: ObjectMeta, content: Mapping[str, Any], free_domains: Collection[str]
) -> CompiledTemplate:
    obj = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": metadata.model_dump(mode="json"),
        "spec": content,
    }
    return parse_template(obj, free_domains)


def _in_content(loc: Loc) -> Loc:
    return ("spec", "template_spec", *loc[1:])
