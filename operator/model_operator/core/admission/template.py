"""Whether a template is admitted, and the effect of an edit on the instances that use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_operator.api import ModelInstance
from model_operator.core.admission.change import Change
from model_operator.core.admission.verdict import ALLOWED, Verdict, invalid, warnings_for
from model_operator.core.planning.plan import Plan, find_problem, make_plan
from model_operator.core.rollouts.advice import rollout_advice
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.assignment import pinned_revision
from model_operator.core.values.violations import Violation, sort_violations
from model_operator.core.values.words import plural

_NAMED = 5


def review_template(change: Change, compiled: CompiledTemplate, settings: RenderSettings | None) -> Verdict:
    """Decide on a template: an invalid one is denied to every user, a risky one is allowed with warnings.

    Parameters
    ----------
    change
        The write.
    compiled
        The template, compiled.
    settings
        The cluster's conventions for rendering; None for a caller that may not learn of them.
    """
    verdict = invalid(change.kind, change.name, compiled.violations) if compiled.violations else ALLOWED
    return verdict.with_warnings(warnings_for(change.kind, change.name, template_advice(compiled, settings)))


def template_advice(compiled: CompiledTemplate, settings: RenderSettings | None) -> tuple[Violation, ...]:
    """Return the warnings about a template that follow from itself, about its pods and its roll-outs.

    Parameters
    ----------
    compiled, settings
        As for `review_template`.
    """
    return sort_violations([*compiled.advice(settings), *rollout_advice(compiled)])


class Impact:
    """Counts the instances that an edit of their template makes invalid, and those whose pods it replaces.

    Such an edit is allowed: instances and templates change together, in any order, and the workers of an
    invalid instance keep running. An edit replaces the pods of an instance when the rendered pod template
    differs from the one in its status.

    Parameters
    ----------
    old
        The template as it was.
    new
        The template with the edit, compiled, without violations.
    settings
        The cluster's conventions for rendering.
    """

    def __init__(self, old: Mapping[str, Any], new: CompiledTemplate, settings: RenderSettings) -> None:
        self._old = old
        self._new = new
        self._settings = settings
        self._compiled_old: CompiledTemplate | None = None
        self._invalid: list[str] = []
        self._restarted = 0

    def add(self, instance: ModelInstance) -> None:
        """Take one instance of the template into account; one that is pinned to another revision is not."""
        if pinned_revision(instance) not in (None, self._new.revision):
            return
        plan = make_plan(instance, self._new, self._settings)
        if plan.problem is None:
            self._restarted += _restarts_pods(instance, plan)
            return
        if self._compiled_old is None:
            # Most edits make no instance invalid, so this is seldom needed.
            self._compiled_old = parse_template(self._old, self._settings.free_metadata_domains)
        problem, _ = find_problem(instance, self._compiled_old, self._settings)
        if problem is None:
            metadata = instance.metadata
            self._invalid.append(f"{metadata.namespace}/{metadata.name}")

    def warnings(self, *, complete: bool) -> tuple[str, ...]:
        """Return the warnings: how many instances, and the names of up to five invalid ones.

        Parameters
        ----------
        complete
            Whether all instances of the template were counted; if not, the numbers are lower bounds.
        """
        resource = self._new.resource
        subject = f"{resource.kind} {resource.metadata.name}"
        bound = "" if complete else "at least "
        warnings = []
        if self._invalid:
            count = len(self._invalid)
            shown = ", ".join(sorted(self._invalid)[:_NAMED])
            more = f" and {count - _NAMED} more" if count > _NAMED else ""
            makes = f"this change makes {bound}{plural(count, 'instance')} invalid: {shown}{more}"
            warnings.append(f"{subject}: {makes}; running workers are not changed")
        if self._restarted:
            restarted = plural(self._restarted, "instance")
            warnings.append(f"{subject}: this change restarts the pods of {bound}{restarted}")
        return tuple(warnings)


def deletion_warnings(
    template: Mapping[str, Any], users: Sequence[ModelInstance], *, complete: bool
) -> tuple[str, ...]:
    """Return the warning about the delete of a template: how many instances use it, and up to five names.

    Parameters
    ----------
    template
        The template.
    users
        The instances that use it.
    complete
        Whether these are all; if not, the number is a lower bound.
    """
    if not users:
        return ()
    subject = f"{template['kind']} {template['metadata']['name']}"
    bound = "" if complete else "at least "
    use = "uses" if len(users) == 1 else "use"
    names = sorted(f"{each.metadata.namespace}/{each.metadata.name}" for each in users)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    shown = f"{', '.join(names[:_NAMED])}{more}"
    effect = "running workers stay, and no change of these instances has an effect until a template exists"
    return (f"{subject}: {bound}{plural(len(users), 'instance')} {use} this template: {shown}; {effect}",)


def _restarts_pods(instance: ModelInstance, plan: Plan) -> bool:
    """Return whether a Deployment with workers gets another pod template."""
    bound, template = instance.status.template, plan.template
    if bound is not None and template is not None and bound.revision == template.revision:
        return False  # Pods of the same revision stay, also if the operator would render others.
    reported = {entry.name: entry.pod_revision for entry in instance.status.deployments if entry.replicas}
    return plan.rendering is not None and any(
        reported.get(rendered.name) not in (None, rendered.deployment.pod_revision)
        for rendered in plan.rendering.deployments
    )
