"""The kinds that keep what a template was, under the hash of its content."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from model_operator.api.enums import TemplateKind
from model_operator.api.meta import ApiModel, Resource
from model_operator.api.rules import Rule
from model_operator.api.values import FreeObject

REVISION_LENGTH = 12
"""Number of hexadecimal digits that identify a revision of a template."""
LATEST = "latest"
"""The value of ``model_template_revision`` of an instance that follows its template."""
STABLE = "stable"
"""The value of ``model_template_revision`` of an instance that follows once all others have the revision."""


def is_revision_hash(text: str) -> bool:
    """Return whether a text has the form of the hash of a revision."""
    return len(text) == REVISION_LENGTH and set(text) <= set("0123456789abcdef")


RevisionHash = Annotated[
    str,
    Field(max_length=64),
    Rule(
        f"self.matches('^[0-9a-f]{{{REVISION_LENGTH}}}$')",
        f"must be the hash of a revision: {REVISION_LENGTH} lower-case hexadecimal digits",
        is_revision_hash,
    ),
]
"""The hash of what a template specifies about models; see `model_operator.core.templates.revisions`."""

RevisionPin = Annotated[
    str,
    Field(max_length=64),
    Rule(
        f"self in ['{LATEST}', '{STABLE}'] || self.matches('^[0-9a-f]{{{REVISION_LENGTH}}}$')",
        f"must be {LATEST}, {STABLE}, or the hash of a revision of the template: {REVISION_LENGTH} "
        "lower-case hexadecimal digits in quotes",
        lambda value: value in (LATEST, STABLE) or is_revision_hash(value),
    ),
]
"""What revision of its template an instance runs."""


class RevisedTemplate(ApiModel):
    """The template that a revision is of."""

    kind: TemplateKind
    """Kind of the template."""
    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the template."""
    uid: Annotated[str, Field(max_length=64)] | None = None
    """Identity of the template from which the operator stored the revision; absent in one from a file."""
    generation: Annotated[int, Field(strict=True, ge=0, le=2**53)] | None = None
    """Value of the template's metadata.generation then; absent in a revision from a file."""


class TemplateRevisionSpec(ApiModel):
    """What the template specified, and the hash that names it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self == oldSelf", "a revision cannot be changed; its name is the hash of its content"),
    )

    template: RevisedTemplate
    """Template that this is a revision of."""
    hash: RevisionHash
    """Hash of `template_spec`, which an instance may name in `model_template_revision`."""
    number: Annotated[int, Field(strict=True, ge=1, le=2**53)] | None = None
    """Number of the revision in the order in which the operator stored them; absent in one from a file."""
    template_spec: FreeObject
    """Specification of the template without what does not concern its models, and without defaults. The
    operator ignores a revision whose hash is not that of this content."""


def _identity_rules(kind: TemplateKind) -> tuple[Rule, ...]:
    return (
        Rule(
            "self.metadata.name == self.spec.template.name + '-' + self.spec.hash",
            "the name of a revision must be the name of its template, '-' and its hash",
            lambda revision: revision.metadata.name == f"{revision.spec.template.name}-{revision.spec.hash}",
            field="metadata.name",
        ),
        Rule(
            f"self.spec.template.kind == '{kind}'",
            f"must be {kind}",
            lambda revision: revision.spec.template.kind is kind,
            field="spec.template.kind",
        ),
    )


class ModelTemplateRevision(Resource):
    """What a ModelTemplate was; the operator stores it before any model runs it."""

    plural: ClassVar[str] = "modeltemplaterevisions"
    singular: ClassVar[str] = "modeltemplaterevision"
    short_name: ClassVar[str] = "mtr"
    rules: ClassVar[tuple[Rule, ...]] = _identity_rules(TemplateKind.MODEL_TEMPLATE)

    kind: Literal["ModelTemplateRevision"] = "ModelTemplateRevision"
    """Kind of the object."""
    spec: TemplateRevisionSpec
    """What the template was. Immutable."""


class ClusterModelTemplateRevision(Resource):
    """What a ClusterModelTemplate was; the operator stores it before any model runs it."""

    plural: ClassVar[str] = "clustermodeltemplaterevisions"
    singular: ClassVar[str] = "clustermodeltemplaterevision"
    short_name: ClassVar[str] = "cmtr"
    namespaced: ClassVar[bool] = False
    rules: ClassVar[tuple[Rule, ...]] = _identity_rules(TemplateKind.CLUSTER_MODEL_TEMPLATE)

    kind: Literal["ClusterModelTemplateRevision"] = "ClusterModelTemplateRevision"
    """Kind of the object."""
    spec: TemplateRevisionSpec
    """What the template was. Immutable."""
