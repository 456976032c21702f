"""Whether a template is let in, and what an edit of it does to the instances that use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.api import ModelInstance
from model_operator.core.admission.change import Change
from model_operator.core.admission.verdict import ALLOWED, Verdict, invalid
from model_operator.core.parsing import parse_template
from model_operator.core.plan import make_plan
from model_operator.core.render_settings import RenderSettings
from model_operator.core.templates import CompiledTemplate

_NAMED = 5


def judge_template(change: Change, compiled: CompiledTemplate) -> Verdict:
    """Decide on a template: all that it says alone, so there is nobody to whom it is only warned of.

    Parameters
    ----------
    change
        The write.
    compiled
        Its object, compiled.
    """
    if compiled.violations:
        return invalid(change.kind, change.name, compiled.violations)
    return ALLOWED


class Impact:
    """Counts the instances that an edit of their template makes invalid.

    Such an edit is let in: instance and template change together, in whatever order, and what runs is left as
    it is.

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

    def consider(self, instance: ModelInstance) -> None:
        """Take one instance of the template into account."""
        if self._is_valid(instance, self._new):
            return
        if self._compiled_old is None:
            # Most edits break nothing, so this is seldom needed.
            self._compiled_old = parse_template(self._old)
        if self._is_valid(instance, self._compiled_old):
            metadata = instance.metadata
            self._names.append(f"{metadata.namespace}/{metadata.name}")

    def warnings(self, *, complete: bool) -> tuple[str, ...]:
        """Return what the editor is told: how many instances, and the names of up to five.

        Parameters
        ----------
        complete
            Whether all instances of the template were taken into account.
        """
        if not self._names:
            return ()
        count = len(self._names)
        least = "" if complete else "at least "
        instances = "1 instance" if count == 1 else f"{count} instances"
        shown = ", ".join(sorted(self._names)[:_NAMED])
        more = f" and {count - _NAMED} more" if count > _NAMED else ""
        resource = self._new.resource
        subject = f"{resource.kind} {resource.metadata.name}"
        effect = f"this makes {least}{instances} invalid: {shown}{more}; what runs is left as it is"
        return (f"{subject}: {effect}",)

    def _is_valid(self, instance: ModelInstance, template: CompiledTemplate) -> bool:
        return make_plan(instance, template, self._settings).problem is None
