"""Reading the events of one pod (``v1``)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Event = Mapping[str, Any]

_RECENT = datetime.timedelta(minutes=5)
"""An event that is repeated comes again within this time, since that is how a kubelet limits them."""
_CONTAINER = re.compile(r"\{(.*)\}$")
_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
_LAST_YEAR = 9000
EVENTS_PER_PAGE = 100
"""Events of a pod requested at a time."""
EVENT_REQUESTS = 5
"""Maximum number of requests for the events of one pod. Kubelet and scheduler write some twenty kinds;
users of the namespace may write any."""
_LONGEST = 1024
"""Characters that are kept of a text of an event; event recorders cut messages off there."""


def events_of_pod(uid: str) -> str:
    """Return the field selector of the events about the pod of that uid, and no other kind of that uid."""
    return f"involvedObject.kind=Pod,involvedObject.uid={uid}"


def events_of_claim(name: str) -> str:
    """Return the field selector of the events about the PersistentVolumeClaim of that name."""
    return f"involvedObject.kind=PersistentVolumeClaim,involvedObject.name={name}"


def kept_event(event: Event) -> Event:
    """Return what a diagnosis reads of an event, in bounds: any user of the namespace may have written it."""
    involved, series = event.get("involvedObject") or {}, event.get("series") or {}
    return {
        "reason": _cut(event.get("reason")),
        "message": _cut(event.get("message")),
        "involvedObject": {"fieldPath": _cut(involved.get("fieldPath"))},
        "series": {"lastObservedTime": series.get("lastObservedTime")},
        "lastTimestamp": event.get("lastTimestamp"),
        "eventTime": event.get("eventTime"),
        "metadata": {"creationTimestamp": event.get("metadata", {}).get("creationTimestamp")},
    }


def _cut(text: str | None) -> str:
    return (text or "")[:_LONGEST]


def last_seen(event: Event) -> datetime.datetime:
    """Return when an event has last happened."""
    series = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event.get("metadata", {}).get("creationTimestamp"),
    )
    return next((moment(time) for time in times if time), _EPOCH)


def moment(time: str) -> datetime.datetime:
    """Return a time as Kubernetes writes it as one that can be compared.

    A time before 1970 or beyond the year 9000 counts as 1970: the API server accepts the years 0 and 10000 of
    an event, which Python has not, and years at the edges, from which it cannot subtract.
    """
    try:
        found = datetime.datetime.fromisoformat(time)
    except ValueError:
        return _EPOCH
    return found if _EPOCH.year <= found.year < _LAST_YEAR else _EPOCH


def of_container(events: Iterable[Event], name: str) -> list[Event]:
    """Return the events that are about the container of that name."""
    paths = (
        (_CONTAINER.search((event.get("involvedObject") or {}).get("fieldPath") or ""), event)
        for event in events
    )
    return [event for path, event in paths if path and path[1] == name]


def of_pull(events: Iterable[Event], name: str) -> list[Event]:
    """Return the events about the container of that name, or about an image volume, which name none."""
    paths = (
        (_CONTAINER.search((event.get("involvedObject") or {}).get("fieldPath") or ""), event)
        for event in events
    )
    return [event for path, event in paths if path is None or path[1] == name]


def with_reason(events: Iterable[Event], *reasons: str) -> list[Event]:
    """Return the events with one of these reasons, the newest last."""
    return sorted((event for event in events if event.get("reason") in reasons), key=last_seen)


def recent(events: Sequence[Event]) -> Sequence[Event]:
    """Return, of events in order, those about as new as the newest: older problems may be fixed."""
    return [event for event in events if last_seen(event) >= last_seen(events[-1]) - _RECENT]
