"""What was read about pods beside the pods themselves."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model_operator.core.diagnosis.pod_events import Event, last_seen, moment

GRACE = datetime.timedelta(minutes=1)
"""After this time, what usually passes by itself is reported with an actor."""

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read about the pods of one Deployment, as far as it was.

    Attributes
    ----------
    now
        The current time.
    events
        The Events of pods, by the pod's uid.
    claims
        PersistentVolumeClaims by name, of those that exist.
    claim_events
        The Events of claims, by the claim's name.
    """

    now: datetime.datetime
    events: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    claims: Mapping[str, Object] = field(default_factory=dict)
    claim_events: Mapping[str, Sequence[Event]] = field(default_factory=dict)

    def events_of(self, pod: Object) -> Sequence[Event] | None:
        """Return the Events of a pod; None when they were not read."""
        return self.events.get(str(pod["metadata"]["uid"]))

    def has_lasted(self, since: str | None, time: datetime.timedelta = GRACE) -> bool:
        """Return whether `time` has passed since a moment; False when that is not known."""
        return bool(since) and self.now - moment(str(since)) >= time


def newest_message(events: Sequence[Event], reasons: tuple[str, ...]) -> tuple[str, str] | None:
    """Return reason and message of the newest Event with one of these reasons; None when there is none."""
    found = [event for event in events if event.get("reason") in reasons]
    newest = max(found, key=last_seen, default=None)
    return None if newest is None else (str(newest["reason"]), str(newest.get("message") or ""))
