"""The order of waiting keys: groups take turns, and no group holds all workers.

A group is a namespace; keys without one form a group of their own. Waiting groups form a ring and give one
key each in turn, so that hundreds of keys of one namespace delay a key of another by one, not by hundreds.
Within a group keys are first in, first out, but low-priority keys come after the others of their group,
except for every eighth. The rule holds per group: a low-priority key of a quiet namespace does not wait for
the keys of a busy one.

A group that is alone holds all workers but one. Beside another group it holds a smaller share: requests of
one namespace that are in flight at once slow down the API server for the requests of all others, so turns in
the queue alone are not fair.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Group = TypeVar("Group", bound=Hashable)
Key = TypeVar("Key", bound=Hashable)

_LOW_PRIORITY_SHARE = 8
"""One in so many keys of a group has low priority while others of the group wait, too."""
_PRESENT_SECONDS = 30.0
"""For so long after a key of a group was added, other groups are beside it."""


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
    most_beside_others
        The same while another group has had a key within the last 30 seconds; None for `most_taken`.
    now
        Seconds from any start.
    """

    def __init__(
        self,
        most_taken: int | None = None,
        most_beside_others: int | None = None,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.most_taken = most_taken
        self.most_beside_others = most_taken if most_beside_others is None else most_beside_others
        self._now = now
        # When each group last had a key, the longest ago first.
        self._present: OrderedDict[Group, float] = OrderedDict()
        # Groups with keys that may be taken, the next one first; and those that have reached the bound.
        self._ring: OrderedDict[Group, _Waiting[Key]] = OrderedDict()
        self._held: dict[Group, _Waiting[Key]] = {}
        self._taken: Counter[Group] = Counter()

    def __bool__(self) -> bool:
        """Return whether a key may be taken now."""
        return bool(self._ring)

    def add(self, group: Group, key: Key, *, low_priority: bool = False) -> None:
        """Add a key that is not waiting; a group without waiting keys goes to the end of the ring."""
        self._see(group)
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
        most = self.most_taken if len(self._present) <= 1 else self.most_beside_others
        return most is not None and self._taken[group] >= most

    def _see(self, group: Group) -> None:
        """Note that a group has a key, forget the groups that have had none for long, and apply the bound.

        A group that holds more than its share beside a new one waits until it has given back enough.
        """
        now, was_alone = self._now(), len(self._present) <= 1
        self._present[group] = now
        self._present.move_to_end(group)
        while next(iter(self._present.values())) < now - _PRESENT_SECONDS:
            self._present.popitem(last=False)
        if was_alone == (len(self._present) <= 1):
            return
        for full in [each for each in self._ring if self._is_full(each)]:
            self._held[full] = self._ring.pop(full)
        for free in [each for each in self._held if not self._is_full(each)]:
            self._ring[free] = self._held.pop(free)
