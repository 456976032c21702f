"""The order of waiting keys: groups take turns, and no group holds all workers.

A group is a namespace; keys without one form a group of their own. Waiting groups form a ring and give one
key each in turn, so that hundreds of keys of one namespace delay a key of another by one, not by hundreds.
Within a group keys are first in, first out, but low-priority keys come after the others of their group,
except for every eighth. The rule holds per group: a low-priority key of a quiet namespace does not wait for
the keys of a busy one.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Group = TypeVar("Group", bound=Hashable)
Key = TypeVar("Key", bound=Hashable)

_LOW_PRIORITY_SHARE = 8
"""One in so many keys of a group has low priority while others of the group wait, too."""


@dataclass(slots=True)
class _Waiting(Generic[Key]):
    """The keys of one group that wait, and how many have been taken since the group last was empty."""

    ready: deque[Key] = field(default_factory=deque)
    low_priority: OrderedDict[Key, None] = field(default_factory=OrderedDict)
    taken: int = 0

    def take(self) -> Key:
        self.taken += 1
        if self.low_priority and (not self.ready or self.taken % _LOW_PRIORITY_SHARE == 0):
            return self.low_priority.popitem(last=False)[0]
        return self.ready.popleft()


class FairOrder(Generic[Group, Key]):
    """Waiting keys by group, and how many keys of each group are taken and not given back.

    Each key waits at most once; the caller ensures that.

    Parameters
    ----------
    most_taken
        Maximum number of keys of one group that are taken at a time; None for no limit.
    """

    def __init__(self, most_taken: int | None = None) -> None:
        self.most_taken = most_taken
        # Groups with keys that may be taken, the next one first; and those that have reached the bound.
        self._ring: OrderedDict[Group, _Waiting[Key]] = OrderedDict()
        self._held: dict[Group, _Waiting[Key]] = {}
        self._taken: Counter[Group] = Counter()

    def __bool__(self) -> bool:
        """Return whether a key may be taken now."""
        return bool(self._ring)

    def add(self, group: Group, key: Key, *, low_priority: bool = False) -> None:
        """Add a key that is not waiting; a group without waiting keys goes to the end of the ring."""
        waiting = self._waiting(group)
        if waiting is None:
            waiting = _Waiting()
            if self._is_full(group):
                self._held[group] = waiting
            else:
                self._ring[group] = waiting
        if low_priority:
            waiting.low_priority[key] = None
        else:
            waiting.ready.append(key)

    def promote(self, group: Group, key: Key) -> None:
        """Give a waiting low-priority key normal priority; no effect on other keys."""
        waiting = self._waiting(group)
        if waiting is not None and key in waiting.low_priority:
            del waiting.low_priority[key]
            waiting.ready.append(key)

    def take(self) -> Key:
        """Take the next key; there must be one."""
        group, waiting = self._ring.popitem(last=False)
        key = waiting.take()
        self._taken[group] += 1
        if waiting.ready or waiting.low_priority:
            if self._is_full(group):
                self._held[group] = waiting
            else:
                self._ring[group] = waiting
        return key

    def give_back(self, group: Group) -> None:
        """Mark the work on a key of a group as done."""
        self._taken[group] -= 1
        if not self._taken[group]:
            del self._taken[group]
        if group in self._held and not self._is_full(group):
            self._ring[group] = self._held.pop(group)

    def clear(self) -> None:
        """Drop all waiting keys; taken keys must still be given back."""
        self._ring.clear()
        self._held.clear()

    def _waiting(self, group: Group) -> _Waiting[Key] | None:
        return self._ring.get(group) or self._held.get(group)

    def _is_full(self, group: Group) -> bool:
        return self.most_taken is not None and self._taken[group] >= self.most_taken
