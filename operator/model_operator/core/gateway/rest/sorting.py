"""Order of what lists show: kept while objects come and go, and by any of their fields for one page."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

Cell = str | int | float | None
"""Value of a field as lists sort by it; None when it is missing."""


class Placed(Protocol):
    """Something that has a place in the default order."""

    @property
    def place(self) -> tuple[str, str]:
        """Time of creation, and id."""
        ...


T = TypeVar("T")
P = TypeVar("P", bound=Placed)


class DefaultOrder(Generic[P]):
    """Items by time of creation and id, in a list that each change keeps sorted."""

    def __init__(self) -> None:
        self._items: list[P] = []

    def items(self) -> Sequence[P]:
        """Return all items in order; the list changes with the next change of the order."""
        return self._items

    def put(self, item: P, old: P | None = None) -> None:
        """Add an item, in place of an old one if there is one."""
        if old is not None and old.place == item.place:
            self._items[self._index(old)] = item
            return
        if old is not None:
            self.remove(old)
        self._items.insert(bisect_left(self._items, item.place, key=_place), item)

    def remove(self, item: P) -> None:
        """Remove an item that is there."""
        del self._items[self._index(item)]

    def _index(self, item: P) -> int:
        index = bisect_left(self._items, item.place, key=_place)
        # Nothing keeps two objects from having one uid but that the API server never makes such.
        while self._items[index] is not item:
            index += 1
        return index


def _place(item: Placed) -> tuple[str, str]:
    return item.place


Key = tuple[Callable[[T], Cell], bool]
"""Returns the cell of an item, and whether the order is descending."""


def window(items: Sequence[T], keys: Sequence[Key[T]], begin: int, end: int) -> list[T]:
    """Return a part of the items in the order of keys.

    Missing cells are last in both directions; cells of several types sort by type, numbers first. Items that
    are equal by all keys stay in their order.

    Parameters
    ----------
    items
        In their default order.
    keys
        The first one decides first.
    begin, end
        Indices of the part, as of a slice. What is equal by the first keys is sorted further only there, so
        that many keys cost little more than one.
    """
    begin, end = min(begin, len(items)), min(end, len(items))
    if not keys or begin >= end:
        return list(items[begin:end])
    (cell_of, descending), *others = keys
    # Lists of numbers, not of pairs: ten thousand pairs make Python look through all objects for cycles.
    cells = [cell_of(item) for item in items]
    order, missing = _sorted(cells, descending=descending)
    order += missing
    if not others:
        return [items[index] for index in order[begin:end]]
    found: list[T] = []
    first = begin
    while first and cells[order[first - 1]] == cells[order[begin]]:
        first -= 1
    while first < end:
        last = first + 1
        while last < len(order) and cells[order[last]] == cells[order[first]]:
            last += 1
        equal = [items[index] for index in order[first:last]]
        found += window(equal, others, max(begin - first, 0), end - first)
        first = last
    return found


def _sorted(cells: Sequence[Any], *, descending: bool) -> tuple[list[int], list[int]]:
    """Return the indices of the cells in order, and those of the missing ones."""
    present = [index for index, cell in enumerate(cells) if cell is not None]
    missing = [index for index, cell in enumerate(cells) if cell is None]
    try:
        present.sort(key=cells.__getitem__, reverse=descending)
    except TypeError:
        present.sort(key=lambda index: _ranked(cells[index]), reverse=descending)
    return present, missing


def _ranked(cell: Cell) -> tuple[bool, Any]:
    return isinstance(cell, str), cell
