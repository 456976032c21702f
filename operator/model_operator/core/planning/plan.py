"""The desired children of an instance, or why nothing may change: the decision before any write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from model_operator.api import ModelInstance
from model_operator.core.objects.conditions import Hold
from model_operator.core.reasons.reasons import Reason
from model_operator.core.reasons.refusals import Failure
from model_operator.core.rendering.deployment_job import deployment_name
from model_operator.core.rendering.render import Rendering, render, rendering_faults
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.assignment import missing_revisions
from model_operator.core.templates.revisions.entry_revisions import (
    NONE_PINNED,
    Pinned,
    own_revisions,
    templates_used,
)
from model_operator.core.values.violations import Violation, sort_violations

_SHOWN_VIOLATIONS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision on one generation of an instance.

    Attributes
    ----------
    template
        The template, in its revision, that the instance was validated against; None without one.
    rendering
        The desired children. None leaves all children unchanged: running workers are never deleted
        because a template or a parameter is wrong.
    problem
        Why there is no rendering.
    violations
        What is wrong with the instance, for ``status.validation_errors``.
    latest
        Hash of the latest valid revision of the template; empty without one.
    hold
        Why the instance, which is not pinned, does not run the revision that its template rolls out; None
        where it does.
    pinned
        The template in the revisions of the deployments that name one of their own, by the name of the entry.
    own_revisions
        The hashes of these, by the name of the Deployment.
    """

    template: CompiledTemplate | None
    rendering: Rendering | None
    problem: Failure | None = None
    violations: tuple[Violation, ...] = ()
    latest: str = ""
    hold: Hold | None = None
    pinned: Pinned = field(default_factory=dict)
    own_revisions: Mapping[str, str] = field(default_factory=dict)

    @property
    def templates(self) -> Sequence[CompiledTemplate]:
        """The template in all revisions that the plan rests on; empty without one."""
        return [] if self.template is None else [self.template, *self.pinned.values()]


def make_plan(
    instance: ModelInstance,
    template: CompiledTemplate | None,
    settings: RenderSettings,
    latest: str | None = None,
    pinned: Pinned = NONE_PINNED,
) -> Plan:
    """Return the desired children of an instance.

    Parameters
    ----------
    instance
        The ModelInstance.
    template
        What its ``model_template_id`` resolved to, in the revision that it runs
        (:func:`~model_operator.core.templates.revisions.assignment.assign`); None when there is none (yet).
    settings
        The cluster's conventions that rendering follows.
    latest
        Hash of the latest valid revision of the template. Default: that of the template as given.
    pinned
        The template in the revisions of the deployments that name one of their own
        (:func:`~model_operator.core.templates.revisions.entry_revisions.entry_templates`).
    """
    if instance.spec.model_template_id is None:
        return Plan(None, Rendering(deployments=(), violations=()))
    if latest is None:
        latest = "" if template is None or template.violations else template.revision
    missing = _missing_revisions(instance, template, pinned)
    if missing:
        # Nothing was validated: what the status says of the template stays.
        return Plan(None, None, _not_there(missing), missing, latest, pinned=pinned)
    problem = _template_problem(instance, template, pinned)
    own = {
        deployment_name(instance, entry): pinned.get(entry.name, template).revision
        for _, entry in own_revisions(instance)
        if template is not None
    }
    if template is None or problem is not None:
        return Plan(template, None, problem, latest=latest, pinned=pinned, own_revisions=own)
    rendering = render(template, instance, settings, pinned)
    problem, violations = _instance_problem(instance, template, pinned, rendering.violations)
    wanted = rendering if problem is None else None
    return Plan(template, wanted, problem, violations, latest, None, pinned, own)


def withdrawn(template: CompiledTemplate, *, is_unknown: bool = False) -> Plan:
    """Return the plan for an instance whose template was withdrawn from its namespace: change nothing.

    Parameters
    ----------
    template
        The template that the instance is bound to.
    is_unknown
        Whether that is so only because the labels that it selects namespaces by are not known.
    """
    return Plan(None, None, not_shared(template, is_unknown=is_unknown))


def not_shared(template: CompiledTemplate, *, is_unknown: bool = False) -> Failure:
    """Return why an instance gets nothing from its bound template.

    Parameters
    ----------
    template
        The template that the instance is bound to, and which is not shared with its namespace any more.
    is_unknown
        As for `withdrawn`.
    """
    metadata = template.resource.metadata
    name = f"{metadata.namespace}/{metadata.name}" if metadata.namespace else metadata.name
    why = (
        "is shared by labels of namespaces, which are not known (see its condition Shared)"
        if is_unknown
        else "is no longer shared with this namespace"
    )
    detail = f"{template.resource.kind} {name} {why}; what runs stays as it is."
    return Failure(Reason.TemplateNotShared, detail)


def find_problem(
    instance: ModelInstance,
    template: CompiledTemplate | None,
    settings: RenderSettings,
    pinned: Pinned = NONE_PINNED,
) -> tuple[Failure | None, tuple[Violation, ...]]:
    """Return what `make_plan` would give as problem and violations, without rendering: a third of the work.

    Parameters
    ----------
    instance, template, settings, pinned
        As for `make_plan`.
    """
    if instance.spec.model_template_id is None:
        return None, ()
    missing = _missing_revisions(instance, template, pinned)
    if missing:
        return _not_there(missing), missing
    problem = _template_problem(instance, template, pinned)
    if template is None or problem is not None:
        return problem, ()
    faults = rendering_faults(template, instance, settings, pinned)
    return _instance_problem(instance, template, pinned, faults)


def _missing_revisions(
    instance: ModelInstance, template: CompiledTemplate | None, pinned: Pinned
) -> tuple[Violation, ...]:
    """Return the pins, of the instance and of its deployments, to revisions that do not exist."""
    if template is None:
        return ()
    what = _describe(template, instance)
    return sort_violations(
        Violation(loc, f"{what} has no revision {revision}", "revision")
        for loc, revision in missing_revisions(instance, template, pinned).items()
    )


def _not_there(missing: tuple[Violation, ...]) -> Failure:
    return Failure(Reason.TemplateRevisionNotFound, summarize(missing))


def _template_problem(
    instance: ModelInstance, template: CompiledTemplate | None, pinned: Pinned
) -> Failure | None:
    if template is None:
        return Failure(Reason.TemplateNotFound, _not_found(instance))
    invalid = next((each for each in templates_used(instance, template, pinned) if each.violations), None)
    if invalid is None:
        return None
    which = "" if invalid.revision == template.revision else f"revision {invalid.revision} of "
    detail = f"{which}{_describe(template, instance)} is invalid: {summarize(invalid.violations)}"
    return Failure(Reason.TemplateInvalid, detail)


def _instance_problem(
    instance: ModelInstance,
    template: CompiledTemplate,
    pinned: Pinned,
    faults: tuple[Violation, ...],
) -> tuple[Failure | None, tuple[Violation, ...]]:
    """Return the problem and all violations of an instance whose rendering has these faults."""
    mismatches = _mismatches(instance, templates_used(instance, template, pinned))
    violations = sort_violations([*faults, *mismatches])
    if not violations:
        return None, ()
    reason = Reason.InvalidParameters if faults else Reason.ModelTypeMismatch
    return Failure(reason, summarize(violations)), violations


def _mismatches(instance: ModelInstance, used: Iterable[CompiledTemplate]) -> list[Violation]:
    found = (model_type_violation(instance, each) for each in used)
    return [each for each in found if each is not None]


def malformed(violations: tuple[Violation, ...]) -> Plan:
    """Return the plan for an instance whose spec breaks the API's own schema: change nothing."""
    return Plan(None, None, Failure(Reason.InvalidParameters, summarize(violations)), violations)


def model_type_violation(instance: ModelInstance, template: CompiledTemplate) -> Violation | None:
    """Return what is wrong when the instance names another ``model_type`` than its template has."""
    given, wanted = instance.spec.model_type, template.resource.spec.model_type
    if given is None or given == wanted:
        return None
    return Violation(
        ("spec", "model_type"),
        f"must be {wanted}, the model_type of the template, or be left out",
        "model_type",
    )


def summarize(violations: tuple[Violation, ...]) -> str:
    """Return violations as one sentence for a condition's message, the first ten in full."""
    shown = "; ".join(str(violation) for violation in violations[:_SHOWN_VIOLATIONS])
    more = len(violations) - _SHOWN_VIOLATIONS
    if more > 0:
        return f"{shown}; and {more} more."
    return shown if shown.endswith((".", "?")) else f"{shown}."


def _describe(template: CompiledTemplate, instance: ModelInstance) -> str:
    metadata, named = template.resource.metadata, instance.spec.model_template_namespace
    is_foreign = named not in (None, instance.metadata.namespace)
    return f"{template.resource.kind} {f'{named}/' if is_foreign else ''}{metadata.name}"


def _not_found(instance: ModelInstance) -> str:
    """Return the same text for a template that does not exist and for one that is not shared."""
    spec = instance.spec
    kinds = f"{spec.model_template_kind or 'ModelTemplate in this namespace or ClusterModelTemplate'}"
    if spec.model_template_namespace is not None:
        kinds = f"ModelTemplate in namespace {spec.model_template_namespace}"
    # Tools show a template of another namespace so; that no name is like this is said without looking any up.
    form = " (no name has a '/': give the namespace as model_template_namespace)"
    hint = form if "/" in (spec.model_template_id or "") else ""
    return (
        f"There is no {kinds} with the name or id {spec.model_template_id!r}{hint}, or it is not shared with "
        "this namespace."
    )
