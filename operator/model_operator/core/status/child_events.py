"""Events about the children of an instance: one for all that was done at a time for one reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from model_operator.api import ModelInstance
from model_operator.core.objects.recorded_template import is_recorded
from model_operator.core.status.events import MAX_NOTE, Event, EventReason, EventType, ObjectRef
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.values.words import listed


class Verb(StrEnum):
    """What was done to a child."""

    CREATED = "created"
    UPDATED = "updated"
    PRUNED = "pruned"
    TAKEN_BACK = "taken back"


_REASONS: Final = {
    Verb.CREATED: (EventReason.ChildCreated, "Creating"),
    Verb.UPDATED: (EventReason.ChildUpdated, "Updating"),
    Verb.PRUNED: (EventReason.ChildDeleted, "Deleting"),
    Verb.TAKEN_BACK: (EventReason.ChildDeleted, "Deleting"),
}
_OF_CHILDREN: Final = frozenset(reason.name for reason, _ in _REASONS.values())


@dataclass(frozen=True, slots=True)
class ChildAction:
    """Something that was done to a child.

    Attributes
    ----------
    verb
        What.
    child
        To which one.
    """

    verb: Verb
    child: ObjectRef


def child_events(
    regarding: ObjectRef,
    actions: Sequence[ChildAction],
    instance: ModelInstance,
    template: CompiledTemplate | None,
    own_revisions: Mapping[str, str],
) -> Iterator[Event]:
    """Yield the Events for the actions of one reconcile on children: one for each verb and cause.

    More than one is needed where a note would be longer than the API server takes.

    Parameters
    ----------
    regarding
        The instance.
    actions
        What was done.
    instance
        The instance, with the status that it had before.
    template
        The template of the instance, in the revision that it runs.
    own_revisions
        Hashes of the revisions that deployments name for themselves, by the name of the child.
    """
    groups: dict[tuple[Verb, str], list[ObjectRef]] = {}
    for action in actions:
        verb, child = action.verb, action.child
        updated = verb is Verb.UPDATED
        cause = _cause(instance, template, child.name, own_revisions.get(child.name)) if updated else ""
        groups.setdefault((verb, cause), []).append(child)
    for (verb, cause), children in groups.items():
        reason, step = _REASONS[verb]
        # In the same order each time, so that the same again is a repetition.
        left = sorted(children, key=lambda child: (child.name, child.kind))
        while left:
            count = _fitting(verb, cause, left)
            related = left[0] if count == 1 else None
            note = _note(verb, cause, left[:count])
            yield Event(regarding, EventType.NORMAL, reason.name, step, note, related)
            left = left[count:]


def reported_together(earlier: Event, later: Event) -> Event | None:
    """Return one Event that reports two about the same object; None if they need one each.

    What was done to children and the state that it led to, such as RolledOut, are reported by the Event of
    the state. A warning stays as it is.

    Parameters
    ----------
    earlier, later
        Events in the order in which they happened, with nothing in between.
    """
    if earlier.reason not in _OF_CHILDREN or later.reason in _OF_CHILDREN:
        return None
    note = f"{earlier.note} {later.note}"
    if later.type is not EventType.NORMAL or len(note.encode()) > MAX_NOTE:
        return None
    return dataclasses.replace(later, note=note, related=later.related or earlier.related)


def _fitting(verb: Verb, cause: str, children: Sequence[ObjectRef]) -> int:
    """Return how many of the children, at least one, a note has room for."""
    count = len(children)
    while count > 1 and len(_note(verb, cause, children[:count]).encode()) > MAX_NOTE:
        count -= 1
    return count


def _note(verb: Verb, cause: str, children: Sequence[ObjectRef]) -> str:
    what, is_one = listed([f"{child.kind} {child.name}" for child in children]), len(children) == 1
    match verb:
        case Verb.CREATED:
            return f"Created {what}."
        case Verb.UPDATED:
            differed = "it differed from its" if is_one else "they differed from their"
            return f"Updated {what} {cause or f'because {differed} desired state'}."
        case Verb.PRUNED:
            return f"Deleted {what}, which {'is' if is_one else 'are'} no longer desired."
        case Verb.TAKEN_BACK:
            services = "its Service" if is_one else "their Services"
            return f"Deleted the new {what}, as {services} could not be created."


def _cause(
    instance: ModelInstance, template: CompiledTemplate | None, child: str, own_revision: str | None
) -> str:
    """Return because of what a child was changed: what is newer than the status; empty if nothing is."""
    status, metadata = instance.status, instance.metadata
    causes = []
    if template is not None:
        resource, recorded = template.resource, status.template
        if own_revision is None:
            is_known = recorded is not None and is_recorded(
                {"template": recorded.model_dump()}, template.version
            )
        else:
            entry = next((each for each in status.deployments if each.name == child), None)
            is_known = entry is not None and entry.template_revision == own_revision
        if not is_known:
            revision = own_revision or template.revision
            causes.append(f"revision {revision} of {resource.kind} {resource.metadata.name}")
    if status.observedGeneration != metadata.generation:
        causes.append(f"generation {metadata.generation} of the instance")
    return f"for {' and '.join(causes)}" if causes else ""
