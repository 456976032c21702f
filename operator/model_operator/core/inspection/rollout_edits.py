"""Changes of a template's ``spec.rollout``: pausing, resuming and approving, and who must make them.

Each is one field. It is printed, to commit it; or written by server-side apply, with a manager of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from model_operator.api import RolloutState
from model_operator.core.inspection.facts import Object, is_observed
from model_operator.core.objects.gitops_owners import Owner
from model_operator.core.objects.managed_fields import applied_fields
from model_operator.core.objects.ownership import ROLLOUT_MANAGER

_PAUSED: Final = "paused"
_APPROVED: Final = "approved"


@dataclass(frozen=True, slots=True)
class RolloutEdit:
    """A new value of one field of ``spec.rollout``.

    Attributes
    ----------
    field, value
        Name and value of the field.
    done
        What has happened to the template once it is written, in a word.
    notes
        What its author should know.
    """

    field: str
    value: bool | str
    done: str
    notes: tuple[str, ...] = ()

    def patch(self) -> dict[str, Any]:
        """Return the edit as a merge patch, which is also what the source of the template has to say."""
        return {"spec": {"rollout": {self.field: self.value}}}


def pause(template: Object) -> RolloutEdit:
    """Return the edit that pauses the roll-outs of a template."""
    rollout, notes = template["spec"].get("rollout"), []
    if rollout is None:
        notes.append(
            "the template has no spec.rollout, so its edits reach all instances at once; with this field "
            "they do so in steps, until spec.rollout is removed"
        )
    elif rollout.get(_PAUSED):
        notes.append("the roll-out is paused already")
    return RolloutEdit(_PAUSED, True, "paused", tuple(notes))


def resume(template: Object) -> RolloutEdit:
    """Return the edit that resumes the roll-outs of a template.

    Raises
    ------
    ValueError
        The template has no roll-outs in steps.
    """
    rollout = template["spec"].get("rollout")
    if rollout is None:
        raise ValueError(f"{template_title(template)} has no spec.rollout, so nothing is paused")
    notes = () if rollout.get(_PAUSED) else ("the roll-out is not paused",)
    return RolloutEdit(_PAUSED, False, "resumed", notes)


def approve(template: Object, revision: str | None) -> RolloutEdit:
    """Return the edit that approves the revision which rolls out.

    Parameters
    ----------
    template
        The template.
    revision
        Hash of the revision to approve; None for the one that rolls out.

    Raises
    ------
    ValueError
        It is not the one that rolls out, none does, or no step needs an approval.
    """
    title, rollout = template_title(template), template["spec"].get("rollout")
    if rollout is None:
        raise ValueError(f"{title} has no spec.rollout, so no step needs an approval")
    steps = rollout.get("steps") or ()
    if not any(step.get("needs_approval") for step in steps):
        raise ValueError(f"{title} has no step with needs_approval, so there is nothing to approve")
    if not is_observed(template):
        raise ValueError(
            f"the operator has not reconciled the current generation of {title} yet, so it is not known "
            "which revision rolls out; retry"
        )
    status = template.get("status") or {}
    found, latest = status.get("rollout") or {}, str(status.get("latest_revision") or "")
    target = str(found.get("revision") or latest)
    if not target:
        raise ValueError(f"{title} has no valid revision yet, so there is nothing to approve")
    state = found.get("state")
    if state == RolloutState.COMPLETE:
        raise ValueError(
            f"{title}: the roll-out of revision {target} is complete, so there is nothing to approve"
        )
    if revision is not None and revision != target:
        raise ValueError(f"{title}: revision {revision} is not the one that rolls out, which is {target}")
    notes = []
    if rollout.get(_APPROVED) == target:
        notes.append(f"revision {target} is approved already")
    elif state is not None and state != RolloutState.AWAITING_APPROVAL:
        notes.append(f"the roll-out is {state} and does not wait for the approval yet")
    return RolloutEdit(_APPROVED, target, f"approved at revision {target}", tuple(notes))


def to_apply(template: Object, edit: RolloutEdit) -> dict[str, Any]:
    """Return the object to apply with the manager `ROLLOUT_MANAGER`, with force.

    An apply gives up the fields of its manager that it does not name, so those of earlier edits are in it.
    When a pause was set by this manager alone, resuming gives it up.

    Parameters
    ----------
    template
        The template as the API server has it, with ``metadata.managedFields``. The result has its uid, so
        that no other object is changed.
    edit
        The edit.
    """
    owned: dict[str, Any] = {}
    for fields in applied_fields(template, "spec", "rollout", manager=ROLLOUT_MANAGER):
        owned |= {name: fields[name] for name in (_PAUSED, _APPROVED) if name in fields}
    is_given_up = edit.value is False and edit.field in owned and not _has_other_owner(template, edit.field)
    if is_given_up:
        del owned[edit.field]
    else:
        owned[edit.field] = edit.value
    metadata = template["metadata"]
    kept = {name: metadata[name] for name in ("name", "namespace", "uid") if metadata.get(name)}
    return {
        "apiVersion": template["apiVersion"],
        "kind": template["kind"],
        "metadata": kept,
        **({"spec": {"rollout": owned}} if owned else {}),
    }


def template_title(template: Object) -> str:
    """Return kind, namespace and name of a template."""
    metadata = template["metadata"]
    return f"{template['kind']} {'/'.join(filter(None, (metadata.get('namespace'), metadata['name'])))}"


def commit_advice(template: Object, owner: Owner) -> str:
    """Return what to do with a change of a template that a GitOps tool manages."""
    return (
        f"{template_title(template)} is managed by {owner}, which sets back what its source says. Action "
        f"(template owner): commit the change to the source of the {owner.kind}."
    )


def _has_other_owner(template: Object, field: str) -> bool:
    return any(
        entry.get("manager") != ROLLOUT_MANAGER and f"f:{field}" in _rollout_fields(entry)
        for entry in _entries(template)
    )


def _entries(template: Object) -> Iterable[Object]:
    return template["metadata"].get("managedFields") or ()


def _rollout_fields(entry: Object) -> Object:
    spec = (entry.get("fieldsV1") or {}).get("f:spec") or {}
    return spec.get("f:rollout") or {}
