"""What is to run for an instance, or why nothing may change: the decision before any write."""

from __future__ import annotations

from dataclasses import dataclass

from model_operator.api import ModelInstance
from model_operator.core.failures import Failure
from model_operator.core.reasons import Reason
from model_operator.core.rendering import Rendering, RenderSettings, render
from model_operator.core.templates import CompiledTemplate
from model_operator.core.violations import Violation, sort_violations

_SHOWN_VIOLATIONS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision on one generation of an instance.

    Attributes
    ----------
    template
        The template that was judged against, None without one.
    rendering
        The children that are to exist. None leaves everything as it is: what serves is never torn
        down because a template or a parameter is wrong.
    problem
        Why there is no rendering.
    violations
        What is wrong with the instance, for ``status.validation_errors``.
    """

    template: CompiledTemplate | None
    rendering: Rendering | None
    problem: Failure | None = None
    violations: tuple[Violation, ...] = ()


def make_plan(instance: ModelInstance, template: CompiledTemplate | None, settings: RenderSettings) -> Plan:
    """Decide what is to run for an instance.

    Parameters
    ----------
    instance
        The ModelInstance.
    template
        What its ``model_template_id`` resolved to; None when there is none (yet).
    settings
        The cluster's conventions that rendering follows.
    """
    if instance.spec.model_template_id is None:
        return Plan(None, Rendering(deployments=(), violations=()))
    if template is None:
        return Plan(None, None, Failure(Reason.TemplateNotFound, _not_found(instance)))
    if template.violations:
        detail = f"{_describe(template)} is invalid: {summarize(template.violations)}"
        return Plan(template, None, Failure(Reason.TemplateInvalid, detail))
    mismatch = model_type_violation(instance, template)
    rendering = render(template, instance, settings)
    violations = sort_violations([*rendering.violations, *([mismatch] if mismatch else [])])
    if not violations:
        return Plan(template, rendering)
    reason = Reason.InvalidParameters if rendering.violations else Reason.ModelTypeMismatch
    return Plan(template, None, Failure(reason, summarize(violations)), violations)


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
