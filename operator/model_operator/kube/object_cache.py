"""The newest known version of every watched object, with the look-ups that reconciling needs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

_SHARED_LEVELS = 12
"""How deep objects are compared for parts that they share: a probe's port is nine levels deep."""
_REMEMBERED = 10_000
"""Deletions that are remembered: far more than there are while an answer of the server is under way."""

_AMBIGUOUS = frozenset({dict, list, float})
_as_json = json.JSONEncoder(check_circular=False).encode

Object = dict[str, Any]
NamespacedName = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""


def without_managed_fields(obj: Mapping[str, Any]) -> Object:
    """Return an object without ``metadata.managedFields``, which are often more than all the rest."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


class ObjectCache:
    """Objects of one kind.

    Resource versions decide which of two versions is newer, so that a late watch event never undoes
    what the answer to our own write already told, and a late answer never brings back what a watch
    event told to be gone (they are comparable since Kubernetes 1.35 by KEP-5504 and have been, for
    objects of one kind, in every release this supports).

    Parameters
    ----------
    is_typed
        Whether each field of these objects has one type, as in all built-in kinds: then equal values are the
        same.
    form
        What is kept of an object: a new one, with the metadata that tells which version it is.
    indexers
        Named functions from an object, as it is kept, to the keys under which :meth:`find` is to find it.
    """

    def __init__(
        self,
        *,
        is_typed: bool = False,
        form: Callable[[Object], Object] = without_managed_fields,
        **indexers: Callable[[Object], Iterable[Hashable]],
    ) -> None:
        self._is_typed = is_typed
        self.form = form
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

    def put(self, obj: Object) -> bool:
        """Keep an object unless a version as new, or its deletion, is known; tell whether it was news."""
        key = key_of(obj)
        old = self._objects.get(key)
        known = self._removed.get(key, 0) if old is None else version_of(old)
        if version_of(obj) <= known:
            return False
        self._removed.pop(key, None)
        if old is not None:
            self._forget(key, old)
        kept = shared(self.form(obj), old or self._latest, is_typed=self._is_typed)
        self._objects[key] = self._latest = kept
        self._by_uid[kept["metadata"]["uid"]] = key
        for name, keys_of in self._indexers.items():
            for value in keys_of(kept):
                self._indices[name][value].add(key)
        return True

    def remove(self, obj: Object) -> bool:
        """Forget an object that was deleted; a newer namesake stays. Tell whether it was known."""
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
    """Return a JSON value equal to a new one, made of the parts of a known one as far as they are the same.

    Children of one template differ in little more than names, so it is three fifths of their memory that this
    saves. Nobody may change an object of a cache in place.

    Parameters
    ----------
    new, known
        JSON values.
    levels
        How deep to look, since each level compares again what is below it.
    is_typed
        As for :class:`ObjectCache`.
    """
    kind = type(new)
    if kind is not type(known):
        return new
    if new == known:
        # To Python, True and 1.0 within them equal 1, and -0.0 is 0.0. (repr takes the square of the depth.)
        is_same = is_typed or kind not in _AMBIGUOUS or _as_json(new) == _as_json(known)
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


def key_of(obj: Object) -> NamespacedName:
    """Return namespace and name of an object."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def version_of(obj: Object) -> int:
    """Return ``metadata.resourceVersion`` as the number that it is."""
    return int(obj["metadata"]["resourceVersion"])
