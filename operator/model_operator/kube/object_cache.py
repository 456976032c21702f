"""The newest known version of every watched object, indexed for reconciliation."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

import orjson

_SHARED_LEVELS = 12
"""How deep objects are compared for parts that they share: a probe's port is nine levels deep."""
_REMEMBERED = 10_000
"""Deletions that are remembered: far more than can happen while a response is under way."""

_AMBIGUOUS = frozenset({dict, list, float})
# For values that orjson cannot write, such as integers beyond 64 bits.
_encode = json.JSONEncoder(check_circular=False).encode

Object = dict[str, Any]
NamespacedName = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""


def without_managed_fields(obj: Mapping[str, Any]) -> Object:
    """Return an object without ``metadata.managedFields``, which is often larger than the rest."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


class ObjectCache:
    """Objects of one kind.

    Resource versions decide which of two versions is newer, so that a late watch event never overwrites
    the response to the operator's own write, and a late response never restores a deleted object. (They
    are comparable by KEP-5504 since Kubernetes 1.35, and were so in fact, for objects of one kind, in every
    supported release.)

    Parameters
    ----------
    is_typed
        Whether each field of these objects has one type, as in all built-in kinds: then equal values are
        identical.
    form
        Returns the part of an object that is kept, as a new object that includes name, uid and version.
    on_change
        Called after each change with the kept object before, None for a new one, and after it, None for one
        that was removed.
    indexers
        Named functions from a kept object to the keys under which :meth:`find` returns it.
    """

    def __init__(
        self,
        *,
        is_typed: bool = False,
        form: Callable[[Object], Object] = without_managed_fields,
        on_change: Callable[[Object | None, Object | None], None] = lambda _old, _new: None,
        **indexers: Callable[[Object], Iterable[Hashable]],
    ) -> None:
        self._is_typed = is_typed
        self.form = form
        self._on_change = on_change
        self._objects: dict[NamespacedName, Object] = {}
        self._latest: Object = {}
        self._by_uid: dict[str, NamespacedName] = {}
        self._removed: dict[NamespacedName, int] = {}
        self._indexers = indexers
        self._indices: dict[str, dict[Hashable, set[NamespacedName]]] = {
            name: defaultdict(set) for name in indexers
        }

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def get(self, namespace: str, name: str) -> Object | None:
        """Return the object of that name."""
        return self._objects.get((namespace, name))

    def by_uid(self, uid: str) -> Object | None:
        """Return the object with that ``metadata.uid``."""
        key = self._by_uid.get(uid)
        return self._objects[key] if key else None

    def find(self, index: str, value: Hashable) -> list[Object]:
        """Return the objects that an index lists under a value, sorted by name."""
        return [self._objects[key] for key in sorted(self._indices[index].get(value, ()))]

    def count(self, index: str, value: Hashable) -> int:
        """Return the number of objects that an index lists under a value."""
        return len(self._indices[index].get(value, ()))

    def put(self, obj: Object) -> bool:
        """Store an object unless a version as new, or its deletion, is known; return whether it was."""
        return self.is_newer(obj) and self.put_kept(self.form(obj))

    def is_newer(self, obj: Mapping[str, Any]) -> bool:
        """Return whether an object is newer than its version, or its deletion, that is known.

        Parameters
        ----------
        obj
            The object as the API server sent it, or as it is kept: both have the same name and version.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it has no readable name or version.
        """
        key = key_of(obj)
        old = self._objects.get(key)
        return version_of(obj) > (self._removed.get(key, 0) if old is None else version_of(old))

    def put_kept(self, obj: Object) -> bool:
        """As :meth:`put`, for an object in the form that is kept."""
        if not self.is_newer(obj):
            return False
        key = key_of(obj)
        old = self._objects.get(key)
        self._removed.pop(key, None)
        if old is not None:
            self._forget(key, old)
        kept = shared(obj, old or self._latest, is_typed=self._is_typed)
        self._objects[key] = self._latest = kept
        self._by_uid[kept["metadata"]["uid"]] = key
        for name, keys_of in self._indexers.items():
            for value in keys_of(kept):
                self._indices[name][value].add(key)
        self._on_change(old, kept)
        return True

    def remove(self, obj: Object) -> bool:
        """Remove a deleted object, but no newer one of the same name; return whether it was removed."""
        key = key_of(obj)
        old = self._objects.get(key)
        if old is None or version_of(old) > version_of(obj):
            return False
        self._forget(key, old)
        del self._objects[key]
        if self._latest is old:
            self._latest = {}
        self._removed[key] = version_of(obj)
        if len(self._removed) > _REMEMBERED:
            del self._removed[next(iter(self._removed))]
        self._on_change(old, None)
        return True

    def _forget(self, key: NamespacedName, old: Object) -> None:
        self._by_uid.pop(old["metadata"]["uid"], None)
        for name, keys_of in self._indexers.items():
            index = self._indices[name]
            for value in keys_of(old):
                index[value].discard(key)
                if not index[value]:
                    del index[value]


def shared(new: Any, known: Any, levels: int = _SHARED_LEVELS, *, is_typed: bool = False) -> Any:
    """Return a JSON value equal to a new one that shares all identical parts with a known one.

    Children of one template differ in little more than names, so this saves three fifths of their memory.
    Cached objects must therefore never be changed in place.

    Parameters
    ----------
    new, known
        JSON values.
    levels
        Maximum depth, since each level compares everything below it again.
    is_typed
        As for :class:`ObjectCache`.
    """
    kind = type(new)
    if kind is not type(known):
        return new
    if new == known:
        # To Python, True and 1.0 equal 1, and -0.0 equals 0.0. (repr takes quadratic time in the depth.)
        is_same = is_typed or kind not in _AMBIGUOUS or _text(new) == _text(known)
        return known if is_same else new
    if not levels:
        return new
    if kind is dict:
        return {
            key: shared(value, known[key], levels - 1, is_typed=is_typed) if key in known else value
            for key, value in new.items()
        }
    if kind is list:
        pairs = zip(new, known, strict=False)
        same = [shared(value, other, levels - 1, is_typed=is_typed) for value, other in pairs]
        return same + new[len(known) :]
    return new


def _text(value: Any) -> bytes | str:
    """Return a value as JSON, the keys in their order."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _encode(value)


def key_of(obj: Mapping[str, Any]) -> NamespacedName:
    """Return namespace and name of an object."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(obj: Mapping[str, Any]) -> int:
    """Return ``metadata.resourceVersion`` as a number."""
    return int(obj["metadata"]["resourceVersion"])
