"""Events: one for each change of state, from two statuses; `child_events.py` has those about children.

An Event reports a change; the status has the state. So a status with the same reason and another message,
such as the progress of a roll-out, makes none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final

from model_operator.api import API_VERSION, RolloutState
from model_operator.core.reasons.reasons import Reason, ReasonInfo
from model_operator.core.status.template import TemplateReason
from model_operator.core.values.words import plural

MAX_NOTE = 1024
"""Bytes of a note that the API server takes."""


class EventType(StrEnum):
    """Whether an Event is a warning."""

    NORMAL = "Normal"
    WARNING = "Warning"


class EventReason(Enum):
    """Reasons of Events that are no reasons of a Ready condition."""

    ChildCreated = "Children, such as Deployment and Service, were created for the instance."
    ChildUpdated = "Children were changed; the note says why."
    ChildDeleted = (
        "Children that are no longer desired were deleted, after their replacements had been rolled out; or "
        "a new Deployment was, whose Service could not be created."
    )
    NotServing = "The last available worker was lost unexpectedly."
    TemplateEdited = "A template was edited; its instances are updated if their parameters are still valid."
    RolloutStep = "The roll-out of an edited template continues with a step, or goes on in it."
    RolloutSoaking = "All instances of a step are ready, and must stay so for the soak time."
    RolloutAwaitingApproval = "A step is complete, and the next one needs `rollout.approved`."
    RolloutPaused = "The roll-out is paused by `rollout.paused`."
    RolloutHalted = "The roll-out is halted, since too many instances have failed at the new revision."
    RolloutComplete = "The roll-out is complete; its revision is the stable one from now on."


_WARNINGS: Final = (EventReason.NotServing, EventReason.RolloutHalted)
_ROLLOUT_REASONS: Final = {
    RolloutState.ROLLING_OUT: EventReason.RolloutStep,
    RolloutState.SOAKING: EventReason.RolloutSoaking,
    RolloutState.AWAITING_APPROVAL: EventReason.RolloutAwaitingApproval,
    RolloutState.PAUSED: EventReason.RolloutPaused,
    RolloutState.HALTED: EventReason.RolloutHalted,
    RolloutState.COMPLETE: EventReason.RolloutComplete,
}
_OF_TEMPLATES: Final = (EventReason.TemplateEdited, *_ROLLOUT_REASONS.values())


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Which object is meant.

    Attributes
    ----------
    api_version, kind, namespace, name, uid
        As in a ``v1.ObjectReference``; the namespace is empty for a cluster-scoped object.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    def to_dict(self) -> dict[str, str]:
        """Return it as the API server takes it."""
        reference = {"apiVersion": self.api_version, "kind": self.kind, "name": self.name, "uid": self.uid}
        return {**reference, "namespace": self.namespace} if self.namespace else reference


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that has happened to an object.

    Attributes
    ----------
    regarding
        The object.
    type, reason, action, note
        As in ``events.k8s.io/v1``.
    related
        The child that it is about, if it is about a single one.
    """

    regarding: ObjectRef
    type: EventType
    reason: str
    action: str
    note: str
    related: ObjectRef | None = None


def own_ref(kind: str, metadata: Mapping[str, Any]) -> ObjectRef:
    """Return which object of our own kinds is meant."""
    return ObjectRef(API_VERSION, kind, metadata.get("namespace", ""), metadata["name"], metadata["uid"])


def instance_events(
    regarding: ObjectRef, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Event]:
    """Yield what has happened to an instance between two of its statuses.

    Parameters
    ----------
    regarding
        The instance.
    before, after
        Its ``status`` before it was written and as it was written.
    """
    yield from _ready_events(regarding, before, after, "Reconciling", {one.name: one.value for one in Reason})
    ready, available = _condition(after, "Ready"), _condition(after, "Available")
    served = _condition(before, "Available").get("status") == "True"
    # An instance that is Ready without a worker, or is being deleted, lost it as specified.
    meant = ready.get("status") == "True" or ready.get("reason") == Reason.Terminating.name
    if served and available.get("status") == "False" and not meant:
        note = _shortened(available.get("message", ""))
        yield Event(regarding, EventType.WARNING, EventReason.NotServing.name, "Reconciling", note)


def template_events(
    regarding: ObjectRef, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Event]:
    """Yield what has happened to a template between two of its statuses; see :func:`instance_events`."""
    infos = {one.name: one.value for one in TemplateReason}
    yield from _ready_events(regarding, before, after, "Validating", infos)
    known, latest = before.get("latest_revision"), after.get("latest_revision")
    concerned = after.get("instance_count")
    if known and latest != known and concerned:
        instances = plural(concerned, "instance")
        note = f"Revision {latest} affects {instances}; see condition RolledOut for progress."
        yield Event(regarding, EventType.NORMAL, EventReason.TemplateEdited.name, "Editing", note)
    reason = _rollout_reason(before, after)
    if reason is not None:
        note = _shortened(_rollout_note(reason, after))
        kind = EventType.WARNING if reason in _WARNINGS else EventType.NORMAL
        yield Event(regarding, kind, reason.name, "RollingOut", note)


def _rollout_note(reason: EventReason, after: Mapping[str, Any]) -> str:
    if reason is not EventReason.RolloutComplete:
        return str(_condition(after, "RolledOut").get("message", ""))
    rollout = after["rollout"]
    following = rollout["instances"] - rollout["pinned"]
    rest = following - rollout["arrived"]
    note = f"Revision {rollout['revision']} is the stable one from now on."
    if not rest:
        return note
    # New instances, and those that were broken before.
    verb, delay = ("is", "delays") if rest == 1 else ("are", "delay")
    left = f"{rest} of {plural(following, 'instance')}"
    return f"{note} {left} {verb} not ready at it yet, and {delay} no roll-out."


def event_object(
    event: Event, *, name: str, time: str, instance: str, controller: str, count: int = 1, last: str = ""
) -> dict[str, Any]:
    """Return an Event as ``events.k8s.io/v1`` takes it.

    Parameters
    ----------
    event
        What has happened.
    name
        ``metadata.name``, to be unique.
    time
        When it happened first, RFC 3339 with microseconds.
    instance, controller
        Who reports it.
    count, last
        How often it has happened, and when the last time, if more than once.
    """
    obj = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        # Of a cluster-scoped object they are kept, and looked for by kubectl, in this namespace.
        "metadata": {"name": name, "namespace": event.regarding.namespace or "default"},
        "eventTime": time,
        "reportingController": controller,
        "reportingInstance": instance,
        "type": event.type.value,
        "reason": event.reason,
        "action": event.action,
        "note": event.note,
        "regarding": event.regarding.to_dict(),
    }
    if event.related is not None:
        obj["related"] = event.related.to_dict()
    return {**obj, "series": series(count, last)} if count > 1 else obj


def series(count: int, last: str) -> dict[str, Any]:
    """Return the ``series`` of an Event that has happened more than once."""
    return {"count": count, "lastObservedTime": last}


def event_reasons_table() -> str:
    """Return the table of reasons of Events for the documentation, as Markdown."""
    rows = ["| reason | type | on | meaning |", "|---|---|---|---|"]
    rows += [_row(one.name, _type_of(one.value), "instance", one.value.meaning) for one in Reason]
    rows += [_row(one.name, _type_of(one.value), "template", one.value.meaning) for one in TemplateReason]
    for one in EventReason:
        kind = EventType.WARNING if one in _WARNINGS else EventType.NORMAL
        on = "template" if one in _OF_TEMPLATES else "instance"
        rows.append(_row(one.name, kind, on, one.value))
    return "\n".join(rows)


def _rollout_reason(before: Mapping[str, Any], after: Mapping[str, Any]) -> EventReason | None:
    """Return what has happened to the roll-out of a template between two of its statuses, if anything.

    An instance that stops being ready after the roll-out makes that incomplete again. That is no step of it.
    """
    known, now = before.get("rollout"), after.get("rollout")
    if not known or not now or not now["instances"]:
        return None
    is_same, revision = known["revision"] == now["revision"], now["revision"]
    if is_same and all(known.get(name) == now.get(name) for name in ("state", "step")):
        return None
    if now["state"] == RolloutState.ROLLING_OUT and (not is_same or known["state"] == RolloutState.COMPLETE):
        return None  # The edit is an Event of its own.
    was_complete = is_same and before.get("stable_revision") == revision and not _is_first(before)
    if was_complete and now["state"] in (RolloutState.ROLLING_OUT, RolloutState.COMPLETE):
        return None
    return _ROLLOUT_REASONS[RolloutState(now["state"])]


def _is_first(status: Mapping[str, Any]) -> bool:
    """Return whether the roll-out has never been complete, as on the way back to the stable revision."""
    condition, began = _condition(status, "RolledOut"), status["rollout"]["started_at"]
    return condition.get("status") == "False" and str(condition.get("lastTransitionTime")) <= began


def _row(*cells: str) -> str:
    return f"| `{cells[0]}` | {' | '.join(cells[1:])} |"


def _ready_events(
    regarding: ObjectRef,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    action: str,
    infos: Mapping[str, ReasonInfo],
) -> Iterator[Event]:
    ready = _condition(after, "Ready")
    if _reported(after, infos) not in ("", _reported(before, infos)):
        kind = _type_of(infos[ready["reason"]])
        yield Event(regarding, kind, ready["reason"], action, _shortened(ready["message"]))


def _reported(status: Mapping[str, Any], infos: Mapping[str, ReasonInfo]) -> str:
    """Return the reason of Ready; empty without one, and while the grace period holds back Stalled."""
    reason = str(_condition(status, "Ready").get("reason", ""))
    info = infos.get(reason)
    is_held = info is not None and info.stalled and _condition(status, "Stalled").get("status") != "True"
    return "" if is_held else reason


def _type_of(info: ReasonInfo) -> EventType:
    """Return the type for a reason: a warning if an action is needed."""
    return EventType.NORMAL if info.ready or info.actor is None else EventType.WARNING


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = status.get("conditions") or ()
    return next((condition for condition in conditions if condition.get("type") == kind), {})


def _shortened(text: str) -> str:
    """Return a text cut to what the API server takes, never within a character."""
    encoded = text.encode()
    if len(encoded) <= MAX_NOTE:
        return text
    return encoded[: MAX_NOTE - 3].decode(errors="ignore") + "…"
