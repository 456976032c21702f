"""Whether a template is let in, and what an edit of it does to the instances that use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.api import ModelInstance
from model_operator.core.admission.change import Change
from model_operator.core.admission.verdict import ALLOWED, Verdict, invalid, warnings_for
from model_operator.core.planning.plan import Plan, find_problem, make_plan
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import RenderSettings

_NAMED = 5


def judge_template(change: Change, compiled: CompiledTemplate) -> Verdict:
    """Decide on a template: what is wrong with it is denied to everybody, what it opens is warned of.

    Parameters
    ----------
    change
        The write.
    compiled
        Its object, compiled.
    """
    if compiled.violations:
        return invalid(change.kind, change.name, compiled.violations)
    return ALLOWED.with_warnings(warnings_for(change.kind, change.name, compiled.advice))


class Impact:
    """Counts the instances that an edit of their template makes invalid, and those whose pods it rolls.

    Such an edit is let in: instance and template change together, in whatever order, and what is invalid is
    left as it is. An instance's pods are rolled when others come out than its status says were applied.

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
        self._names: list[str] = []
        self._rolled = 0

    def add(self, instance: ModelInstance) -> None:
        """Take one instance of the template into account."""
        plan = make_plan(instance, self._new, self._settings)
        if plan.problem is None:
            self._rolled += _is_rolled(instance, plan)
            return
        if self._compiled_old is None:
            # Most edits break nothing, so this is seldom needed.
            self._compiled_old = parse_template(self._old)
        problem, _ = find_problem(instance, self._compiled_old, self._settings)
        if problem is None:
            metadata = instance.metadata
            self._names.append(f"{metadata.namespace}/{metadata.name}")

    def warnings(self, *, complete: bool) -> tuple[str, ...]:
        """Return what the editor is told: how many instances, and the names of up to five invalid ones.

        Parameters
        ----------
        complete
            Whether all instances of the template were taken into account.
        """
        resource = self._new.resource
        subject = f"{resource.kind} {resource.metadata.name}"
        least = "" if complete else "at least "
        told = []
        if self._names:
            count = len(self._names)
            shown = ", ".join(sorted(self._names)[:_NAMED])
            more = f" and {count - _NAMED} more" if count > _NAMED else ""
            effect = (
                f"this makes {least}{_instances(count)} invalid: {shown}{more}; what runs is left as it is"
            )
            told.append(f"{subject}: {effect}")
        if self._rolled:
            told.append(f"{subject}: this rolls the pods of {least}{_instances(self._rolled)}")
        return tuple(told)


def _is_rolled(instance: ModelInstance, plan: Plan) -> bool:
    """Tell whether a Deployment that has workers gets other pods than it has."""
    told = {entry.name: entry.pod_revision for entry in instance.status.deployments if entry.replicas}
    return plan.rendering is not None and any(
        told.get(rendered.name) not in (None, rendered.revision) for rendered in plan.rendering.deployments
    )


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"
