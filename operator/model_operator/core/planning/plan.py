"""The desired children of an instance, or why nothing may change: the decision before any write."""

from __future__ import annotations

from dataclasses import dataclass

from model_operator.api import ModelInstance
from model_operator.core.objects.conditions import Hold
from model_operator.core.reasons.reasons import Reason
from model_operator.core.reasons.refusals import Failure
from model_operator.core.rendering.render import Rendering, render, rendering_faults
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.assignment import pinned_revision
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
    """

    template: CompiledTemplate | None
    rendering: Rendering | None
    problem: Failure | None = None
    violations: tuple[Violation, ...] = ()
    latest: str = ""
    hold: Hold | None = None


def make_plan(
    instance: ModelInstance,
    template: CompiledTemplate | None,
    settings: RenderSettings,
    latest: str | None = None,
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
    """
    if instance.spec.model_template_id is None:
        return Plan(None, Rendering(deployments=(), violations=()))
    if latest is None:
        latest = "" if template is None or template.violations else template.revision
    missing = _missing_revision(instance, template)
    if missing is not None:
        # Nothing was validated: what the status says of the template stays.
        return Plan(None, None, _not_there(missing), (missing,), latest)
    problem = _template_problem(instance, template)
    if template is None or problem is not None:
        return Plan(template, None, problem, latest=latest)
    rendering = render(template, instance, settings)
    problem, violations = _instance_problem(instance, template, rendering.violations)
    return Plan(template, rendering if problem is None else None, problem, violations, latest)


def find_problem(
    instance: ModelInstance, template: CompiledTemplate | None, settings: RenderSettings
) -> tuple[Failure | None, tuple[Violation, ...]]:
    """Return what `make_plan` would give as problem and violations, without rendering: a third of the work.

    Parameters
    ----------
    instance, template, settings
        As for `make_plan`.
    """
    if instance.spec.model_template_id is None:
        return None, ()
    missing = _missing_revision(instance, template)
    if missing is not None:
        return _not_there(missing), (missing,)
    problem = _template_problem(instance, template)
    if template is None or problem is not None:
        return problem, ()
    return _instance_problem(instance, template, rendering_faults(template, instance, settings))


def _missing_revision(instance: ModelInstance, template: CompiledTemplate | None) -> Violation | None:
    """Return what is wrong when the template is not of the revision that the instance is pinned to."""
    pin = pinned_revision(instance)
    if template is None or pin in (None, template.revision):
        return None
    message = f"{_describe(template)} has no revision {pin}"
    return Violation(("spec", "model_template_revision"), message, "revision")


def _not_there(missing: Violation) -> Failure:
    return Failure(Reason.TemplateRevisionNotFound, summarize((missing,)))


def _template_problem(instance: ModelInstance, template: CompiledTemplate | None) -> Failure | None:
    if template is None:
        return Failure(Reason.TemplateNotFound, _not_found(instance))
    if template.violations:
        detail = f"{_describe(template)} is invalid: {summarize(template.violations)}"
        return Failure(Reason.TemplateInvalid, detail)
    return None


def _instance_problem(
    instance: ModelInstance, template: CompiledTemplate, faults: tuple[Violation, ...]
) -> tuple[Failure | None, tuple[Violation, ...]]:
    """Return the problem and all violations of an instance whose rendering has these faults."""
    mismatch = model_type_violation(instance, template)
    violations = sort_violations([*faults, *([mismatch] if mismatch else [])])
    if not violations:
        return None, ()
    reason = Reason.InvalidParameters if faults else Reason.ModelTypeMismatch
    return Failure(reason, summarize(violations)), violations


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


def _describe(template: CompiledTemplate) -> str:
    return f"{template.resource.kind} {template.resource.metadata.name}"


def _not_found(instance: ModelInstance) -> str:
    wanted, kind = instance.spec.model_template_id, instance.spec.model_template_kind
    kinds = f"{kind}" if kind else "ModelTemplate in this namespace or ClusterModelTemplate"
    return f"There is no {kinds} with the name or id {wanted!r}."
