"""What happened, in order: every version of every object of one namespace.

The API server counts the versions of all kinds in one row, so they order the whole history.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]

LAG_SECONDS = 5.0
"""What a status says has to have been true at some moment of the last seconds: watches take their time, on a
busy machine too."""


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """One version of an object.

    Attributes
    ----------
    revision
        Its resource version.
    at
        When it was seen, in seconds of any clock.
    kind, name, obj
        The object.
    gone
        Whether this is its last: the object was removed.
    """

    revision: int
    at: float
    kind: str
    name: str
    obj: Object = field(compare=False)
    gone: bool = False

    @property
    def uid(self) -> str:
        """The object's identity."""
        return str(self.obj["metadata"]["uid"])

    @property
    def generation(self) -> int:
        """The object's ``metadata.generation``."""
        return int(self.obj["metadata"]["generation"])

    @property
    def status(self) -> Object:
        """The object's status."""
        status: Object = self.obj.get("status") or {}
        return status

    @property
    def leaving(self) -> bool:
        """Whether the object is being deleted, or was."""
        return self.gone or "deletionTimestamp" in self.obj["metadata"]

    def condition(self, kind: str) -> Object:
        """Give a condition, ``{}`` where there is none of that type."""
        conditions: list[Object] = self.status.get("conditions", [])
        return next((each for each in conditions if each["type"] == kind), {})

    def is_true(self, kind: str) -> bool:
        """Whether a condition is ``True``."""
        return bool(self.condition(kind).get("status") == "True")

    def owned_by(self, uid: str) -> bool:
        """Whether the object's controller is the one of that uid."""
        owners: list[Object] = self.obj["metadata"].get("ownerReferences", [])
        return any(owner["uid"] == uid and owner.get("controller", False) for owner in owners)

    def __str__(self) -> str:
        """Give its name for a message."""
        generation = self.obj["metadata"].get("generation")
        suffix = f", generation {generation}" if generation else ""
        return f"{self.kind} {self.name} (version {self.revision}{suffix}{', removed' if self.gone else ''})"


class History:
    """Versions, the oldest first.

    Attributes
    ----------
    versions
        All of them.
    removed
        The uids of the children that were deleted by the story itself, not by the operator.
    by_hand
        The revisions of the versions of children that the story has written itself.
    whole_until
        The revision up to which no version is missing.
    """

    def __init__(self) -> None:
        self.versions: list[Version] = []
        self.removed: set[str] = set()
        self.by_hand: set[int] = set()
        self.whole_until = 0
        self._by_name: dict[tuple[str, str], list[Version]] = {}

    def add(self, version: Version) -> None:
        """Take in a version; those of several kinds may come in any order."""
        bisect.insort(self.versions, version)
        bisect.insort(self._by_name.setdefault((version.kind, version.name), []), version)

    def names(self, kind: str) -> list[str]:
        """Give the names of all objects of a kind that ever were."""
        return sorted(name for known, name in self._by_name if known == kind)

    def of(self, kind: str, name: str) -> list[Version]:
        """Give the versions of all objects of that name, one after the other."""
        return self._by_name.get((kind, name), [])

    def last(self, kind: str, name: str, before: int | None = None) -> Version | None:
        """Give the object as it is, or was just before some revision; None when there was none."""
        versions = self.of(kind, name)
        end = len(versions) if before is None else _position(versions, before)
        found = versions[end - 1] if end else None
        return None if found is None or found.gone else found

    def previous(self, version: Version) -> Version | None:
        """Give the version before this one of the very same object."""
        versions = self.of(version.kind, version.name)
        place = _position(versions, version.revision)
        found = versions[place - 1] if place else None
        return found if found is not None and found.uid == version.uid else None

    def recent(self, kind: str, name: str, when: Version) -> list[Version | None]:
        """Give all that an object was in the `LAG_SECONDS` before a version; None is absent."""
        versions = self.of(kind, name)
        states: list[Version | None] = [None]
        for version in versions[: _position(versions, when.revision)]:
            if version.at < when.at - LAG_SECONDS:
                states.clear()
            states.append(None if version.gone else version)
        return states

    def between(self, kind: str, name: str, start: int, end: int) -> list[Version | None]:
        """Give all that an object was from one revision until just before another; None is absent."""
        versions = self.of(kind, name)
        first, last = _position(versions, start + 1), _position(versions, end)
        before = versions[first - 1] if first else None
        return [None if each is None or each.gone else each for each in (before, *versions[first:last])]

    def told_at(self, version: Version) -> int:
        """Give the revision at which the status of a version was written."""
        previous = self.previous(version)
        while previous is not None and previous.status == version.status:
            version, previous = previous, self.previous(previous)
        return version.revision

    def with_generation(self, kind: str, uid: str, generation: int) -> Version | None:
        """Give the first version of an object with some generation: it has its spec."""
        for version in self.versions:
            if version.kind == kind and version.uid == uid and version.generation == generation:
                return version
        return None


def _position(versions: list[Version], revision: int) -> int:
    return bisect.bisect_left(versions, revision, key=lambda version: version.revision)
