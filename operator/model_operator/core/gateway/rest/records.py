"""The objects that lists show, in compact form, by name, by uid, and in the default order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from model_operator.core.gateway.rest.record_form import (
    DeploymentRecord,
    Deployments,
    Object,
    Record,
    record_of,
    shared_values,
)
from model_operator.core.gateway.rest.sorting import DefaultOrder

_REMEMBERED: Final = 10_000
"""Deletions that are remembered: far more than can happen while an answer is under way."""
_WHOLLY: Final = -1

NamespacedName = tuple[str, str]


def _no_deployments(_: Object) -> Iterable[Mapping[str, Any]]:
    return ()


class Records:
    """Objects of one kind, or of kinds whose names cannot meet: one in namespaces, one of the cluster.

    Resource versions decide which of two versions is newer, as in
    :class:`~model_operator.kube.object_cache.ObjectCache`: a late event of the watch never overwrites the
    answer to a client's write, and a late answer never restores a deleted object.

    Parameters
    ----------
    deployments
        Returns the deployments of an object as the API answers them, with ``id``; called with each new
        version.
    """

    def __init__(self, deployments: Deployments = _no_deployments) -> None:
        self._deployments = deployments
        self._records: dict[NamespacedName, Record] = {}
        self._by_uid: dict[str, Record] = {}
        self._by_name: dict[str, dict[str, Record]] = {}
        self._order: DefaultOrder[Record] = DefaultOrder()
        self._deployment_order: DefaultOrder[DeploymentRecord] = DefaultOrder()
        self._namespaces: Counter[str] = Counter()
        self._removed: dict[NamespacedName, int] = {}
        self._deleted: dict[str, int] = {}
        self._shared = shared_values()

    def __len__(self) -> int:
        return len(self._records)

    def get(self, namespace: str, name: str) -> Record | None:
        """Return the object of that name."""
        return self._records.get((namespace, name))

    def by_uid(self, uid: str) -> Record | None:
        """Return the object with that ``metadata.uid``."""
        return self._by_uid.get(uid)

    def named(self, name: str) -> list[Record]:
        """Return the objects of that name in all namespaces, sorted by namespace."""
        found = self._by_name.get(name, {})
        return [found[namespace] for namespace in sorted(found)]

    def was_deleted(self, uid: str) -> bool:
        """Return whether an object with that uid was there and is deleted."""
        return uid in self._deleted

    def in_order(self) -> Sequence[Record]:
        """Return all objects by time of creation and uid; the list changes with the next object."""
        return self._order.items()

    def deployments_in_order(self) -> Sequence[DeploymentRecord]:
        """Return all deployments by time of creation and id; the list changes with the next object."""
        return self._deployment_order.items()

    def namespaces(self) -> Collection[str]:
        """Return the namespaces that have an object; empty text stands for the cluster."""
        return self._namespaces.keys()

    def put(self, obj: Object) -> bool:
        """Store an object unless a version as new, or its deletion, is known; return whether it was.

        Raises
        ------
        KeyError, ValueError
            If it has no name, no uid, or a version that is no number.
        """
        metadata = obj["metadata"]
        key = metadata.get("namespace") or "", metadata["name"]
        version, uid = int(metadata["resourceVersion"]), metadata["uid"]
        old = self._records.get(key)
        known = self._removed.get(key, 0) if old is None else old.version
        if version <= known or self._is_deleted(uid, version):
            return False
        record = record_of(obj, self._shared, self._deployments)
        if old is not None and old.uid != uid:
            # Deleted and created again between two watches.
            self._forget(old)
            self._remember(old, old.version)
            old = None
        self._removed.pop(key, None)
        self._deleted.pop(uid, None)
        self._store(record, old)
        return True

    def remove(self, namespace: str, name: str, uid: str = "", version: int = 0) -> None:
        """Remove a deleted object, but no newer one of the same name.

        Parameters
        ----------
        namespace, name
            The object.
        uid
            Its ``metadata.uid``: no version of that object is stored again.
        version
            Version of its deletion, as a watch gives it; 0 where only its end is known, not the time.
        """
        old = self._records.get((namespace, name))
        if old is not None and (not uid or old.uid == uid) and (not version or old.version <= version):
            self._forget(old)
            self._remember(old, max(version, old.version))
        if uid:
            _bounded(self._deleted, uid, _WHOLLY)
        if version and (namespace, name) not in self._records:
            known = self._removed.get((namespace, name), 0)
            _bounded(self._removed, (namespace, name), max(version, known))

    def _is_deleted(self, uid: str, version: int) -> bool:
        deleted = self._deleted.get(uid)
        return deleted is not None and (deleted == _WHOLLY or version <= deleted)

    def _remember(self, old: Record, version: int) -> None:
        _bounded(self._removed, (old.namespace, old.name), version)
        if self._deleted.get(old.uid) != _WHOLLY:
            _bounded(self._deleted, old.uid, version)

    def _store(self, record: Record, old: Record | None) -> None:
        key = record.namespace, record.name
        self._records[key] = self._by_uid[record.uid] = record
        self._by_name.setdefault(record.name, {})[record.namespace] = record
        self._order.put(record, old)
        if old is None:
            self._namespaces[record.namespace] += 1
        else:
            for deployment in old.deployments:
                self._deployment_order.remove(deployment)
        for deployment in record.deployments:
            self._deployment_order.put(deployment)

    def _forget(self, old: Record) -> None:
        del self._records[old.namespace, old.name]
        if self._by_uid.get(old.uid) is old:
            del self._by_uid[old.uid]
        named = self._by_name[old.name]
        del named[old.namespace]
        if not named:
            del self._by_name[old.name]
        self._namespaces[old.namespace] -= 1
        if not self._namespaces[old.namespace]:
            del self._namespaces[old.namespace]
        self._order.remove(old)
        for deployment in old.deployments:
            self._deployment_order.remove(deployment)


def _bounded(remembered: dict[Any, int], key: Any, version: int) -> None:
    remembered.pop(key, None)
    remembered[key] = version
    if len(remembered) > _REMEMBERED:
        del remembered[next(iter(remembered))]
