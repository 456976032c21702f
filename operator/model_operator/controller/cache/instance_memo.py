"""What templates know of each of their instances, read again only for instances that have changed.

A template is looked at soon after each change of an instance, and most instances are as they were at the last
look. Reading all of them again would hold the event loop longer the more there are, and with it all other
namespaces.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from model_operator.kube.object_cache import NamespacedName, Object, key_of

_REMEMBERED = 10_000
"""Names of changed instances that are remembered: more than can change between two looks at a template."""

Value = TypeVar("Value")


class InstanceChanges:
    """The names of instances in the order of the last change of each, or of its Deployments.

    Parameters
    ----------
    remembered
        Number of names that are remembered.

    Attributes
    ----------
    position
        Number of changes so far.
    """

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._remembered = remembered
        self._last: OrderedDict[NamespacedName, int] = OrderedDict()
        self._forgotten = 0
        self.position = 0

    def note(self, key: NamespacedName) -> None:
        """Note that an instance of that name, or one of its Deployments, was added, changed or removed."""
        self.position += 1
        self._last[key] = self.position
        self._last.move_to_end(key)
        if len(self._last) > self._remembered:
            self._forgotten = self._last.popitem(last=False)[1]

    def is_known_since(self, position: int) -> bool:
        """Return whether all changes after a position are remembered."""
        return position >= self._forgotten

    def since(self, position: int) -> Iterator[NamespacedName]:
        """Yield the names that have changed after a position, each once."""
        for key in reversed(self._last):
            if self._last[key] <= position:
                return
            yield key


@dataclass(slots=True)
class _Known(Generic[Value]):
    basis: object
    position: int
    values: dict[NamespacedName, Value]


class InstanceMemo(Generic[Value]):
    """One value for each instance of each template.

    Parameters
    ----------
    changes
        The changes of instances and their Deployments.
    get
        Returns the instance of a namespace and name.
    """

    def __init__(self, changes: InstanceChanges, get: Callable[[str, str], Object | None]) -> None:
        self._changes = changes
        self._get = get
        self._known: dict[str, _Known[Value]] = {}

    def values(
        self,
        uid: str,
        basis: object,
        candidates: Callable[[], Iterable[Object]],
        read: Callable[[Object], Value | None],
    ) -> dict[NamespacedName, Value]:
        """Return the values of the instances of a template by namespace and name, in no particular order.

        Parameters
        ----------
        uid
            ``metadata.uid`` of the template.
        basis
            All that the values depend on, but for the instances and their Deployments: where it is another
            than before, all are read again.
        candidates
            Returns the instances that may be its; one may be among them more than once.
        read
            Returns the value of any instance; None for one that is not its.
        """
        known, now = self._known.get(uid), self._changes.position
        if known is None or known.basis != basis or not self._changes.is_known_since(known.position):
            # One that is bound to the template that it names is a candidate by both.
            instances = {key_of(each): each for each in candidates()}
            found = ((key, read(each)) for key, each in instances.items())
            values = {key: value for key, value in found if value is not None}
            self._known[uid] = _Known(basis, now, values)
            return values
        for key in self._changes.since(known.position):
            instance = self._get(*key)
            value = None if instance is None else read(instance)
            if value is None:
                known.values.pop(key, None)
            else:
                known.values[key] = value
        known.position = now
        return known.values

    def forget(self, uid: str) -> None:
        """Drop what is known of the instances of a deleted template."""
        self._known.pop(uid, None)
