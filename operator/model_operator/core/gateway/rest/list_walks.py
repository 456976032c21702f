"""Clients that go from page to page of a list, while its objects are created and deleted.

A page has a number and no cursor. So with each object that is deleted, those behind it move forward, and one
would be on no page; a new one may move others back, which would be on two. The first page's objects, and from
the second page on the order of all others, are therefore kept as identifiers: what stays is on exactly one
page, every page but the last is full, and the pages end, however many objects come.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")

MOST_WALKS: Final = 64
"""Walks that are kept: of 10,000 objects each, they take some 5 MiB."""
IDLE_SECONDS: Final = 120.0
"""Time after the last page of a walk for which it is kept."""


@dataclass(slots=True)
class _Walk:
    order: list[str]
    """Identifiers, those of the first page first."""
    starts: list[int]
    """Where each page begins in the order, by number from 0; the last is that of the page to come."""
    used_at: float
    is_whole: bool = False
    """Whether the order has more than the first page: only a client that wants a second one needs it."""


class ListWalks:
    """The walks under way, by client and query.

    Parameters
    ----------
    clock
        Time in seconds, of which differences count.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._walks: OrderedDict[Hashable, _Walk] = OrderedDict()

    def __len__(self) -> int:
        return len(self._walks)

    def cut(
        self,
        key: Hashable,
        page: int,
        limit: int,
        total: int,
        part: Callable[[int, int], list[T]],
        id_of: Callable[[T], str],
        by_id: Callable[[str], T | None],
    ) -> list[T]:
        """Return a page.

        Parameters
        ----------
        key
            Who walks through which list.
        page, limit
            Number of the page, from 1, and its size.
        total
            Number of objects of the list as it is now.
        part
            Returns those between two indices, in order.
        id_of
            Returns the identifier of an object.
        by_id
            Returns the object with an identifier, if it is in the list as it is now.

        Returns
        -------
        list
            For a page of a walk that is not known, such as one that another replica began: the cut of what
            is there now.
        """
        now = self._clock()
        self._drop_idle(now)
        begin = (page - 1) * limit
        if page == 1:
            return self._begin(key, limit, total, part, id_of, now)
        walk = self._walks.get(key)
        if walk is None or page > len(walk.starts):
            return part(begin, begin + limit)
        walk.used_at = now
        self._walks.move_to_end(key)
        if not walk.is_whole:
            first = set(walk.order)
            walk.order += [each for each in map(id_of, part(0, total)) if each not in first]
            walk.is_whole = True
        position = walk.starts[page - 1]
        items: list[T] = []
        while position < len(walk.order) and len(items) < limit:
            item = by_id(walk.order[position])
            if item is not None:
                items.append(item)
            position += 1
        del walk.starts[page:]
        walk.starts.append(position)
        return items

    def _begin(
        self,
        key: Hashable,
        limit: int,
        total: int,
        part: Callable[[int, int], list[T]],
        id_of: Callable[[T], str],
        now: float,
    ) -> list[T]:
        self._walks.pop(key, None)
        items = part(0, limit)
        if total > limit:
            self._walks[key] = _Walk([id_of(each) for each in items], [0, limit], now)
            if len(self._walks) > MOST_WALKS:
                self._walks.popitem(last=False)
        return items

    def _drop_idle(self, now: float) -> None:
        while self._walks:
            key, oldest = next(iter(self._walks.items()))
            if now - oldest.used_at <= IDLE_SECONDS:
                return
            del self._walks[key]
