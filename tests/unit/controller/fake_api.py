"""An API server in memory: as much of its behaviour as deciding on writes depends on."""

from __future__ import annotations

import copy
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Unpack

from model_operator.core.objects.ownership import MANAGER
from model_operator.kube.client import ApiClient, Object, Selection
from model_operator.kube.errors import error_for
from model_operator.kube.resources import ResourceKind
from tests.unit.core.values.rfc7386 import apply_merge_patch

CREATED = "2026-01-01T09:00:00Z"
"""Time at which everything is created that is applied here."""
Refusal = tuple[int, dict[str, Any]]
"""HTTP status code and ``v1.Status`` of an answer."""


class FakeApi(ApiClient):
    """Keeps objects, with uids, versions and preconditions.

    Attributes
    ----------
    refusals
        What is answered instead, by request: ``apply Service demo``, ``list Deployment``.
    before
        What happens just before a request is judged, by request, each time.
    writes
        The requests that have changed something, in order; ``force apply`` where it was forced.
    """

    def __init__(self) -> None:
        self.refusals: dict[str, Refusal] = {}
        self.before: dict[str, Callable[[], object]] = {}
        self.writes: list[str] = []
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._versions = itertools.count(1000)

    def put(self, obj: Object) -> Object:
        """Have an object, whoever made it, and return it as the server has it."""
        metadata = {"uid": f"uid-{next(self._versions)}", **obj["metadata"]}
        metadata["resourceVersion"] = str(next(self._versions))
        stored = {**copy.deepcopy(obj), "metadata": metadata}
        self._objects[_key(obj)] = stored
        return copy.deepcopy(stored)

    def remove(self, obj: Object) -> None:
        """Have an object no more."""
        del self._objects[_key(obj)]

    def find(self, kind: str, name: str, namespace: str = "team") -> Object | None:
        """Return an object as the server has it."""
        return copy.deepcopy(self._objects.get((kind, namespace, name)))

    async def get(self, kind: ResourceKind, namespace: str, name: str) -> Object:
        self._judge(f"get {kind.kind} {name}")
        found = self.find(kind.kind, name, namespace)
        if found is None:
            raise error_for(404, {"reason": "NotFound", "details": {"name": name}}, f"GET {name}")
        return found

    async def pages(
        self, kind: ResourceKind, namespace: str = "", **selection: Unpack[Selection]
    ) -> AsyncIterator[tuple[Sequence[Object], str]]:
        assert not selection.get("labels", "") + selection.get("fields", "")
        self._judge(f"list {kind.kind}")
        version = str(next(self._versions))
        found = [
            obj
            for (known, place, _), obj in self._objects.items()
            if known == kind.kind and namespace in ("", place)
        ]
        # Each on a page of its own.
        for obj in found:
            yield (
                [{"metadata": obj["metadata"]} if selection.get("metadata_only") else copy.deepcopy(obj)],
                version,
            )
        yield [], version

    async def apply(
        self,
        kind: ResourceKind,
        obj: Mapping[str, Any],
        *,
        force: bool,
        dry_run: bool = False,
        manager: str = MANAGER,
    ) -> Object:
        assert not dry_run
        metadata = obj["metadata"]
        request = f"apply {kind.kind} {metadata['name']}" + (f" as {manager}" if manager != MANAGER else "")
        self._judge(request)
        live = self.find(kind.kind, metadata["name"], metadata["namespace"])
        known = live["metadata"] if live else {}
        for key in ("uid", "resourceVersion"):
            if live and metadata.get(key) not in (None, known[key]):
                raise error_for(409, {"message": "the object is another one"}, f"PATCH {metadata['name']}")
        given = {key: value for key, value in metadata.items() if key != "resourceVersion"}
        created = {} if live else {"metadata": {"generation": 1, "creationTimestamp": CREATED}}
        merged: Object = apply_merge_patch(live or created, {**obj, "metadata": given})
        if kind.kind == "Deployment":
            is_changed = live is not None and merged["spec"].get("replicas") != live["spec"].get("replicas")
            _own_replicas(merged, manager, is_given="replicas" in obj["spec"], is_changed=is_changed)
        if merged != live:
            self.writes.append(f"{'force ' if force else ''}{request}")
            merged = self.put(merged)
        return merged

    async def create(self, kind: ResourceKind, obj: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        assert not dry_run
        metadata = obj["metadata"]
        request = f"create {kind.kind} {metadata['name']}"
        self._judge(request)
        if self.find(kind.kind, metadata["name"], metadata.get("namespace", "")) is not None:
            raise error_for(409, {"reason": "AlreadyExists"}, f"POST {metadata['name']}")
        self.writes.append(request)
        return self.put({**obj, "metadata": {**metadata, "creationTimestamp": CREATED}})

    async def delete(
        self, kind: ResourceKind, namespace: str, name: str, uid: str, version: str | None = None
    ) -> bool:
        self._judge(f"delete {kind.kind} {name}")
        live = await self.get(kind, namespace, name)
        found = live["metadata"]
        if found["uid"] != uid or version not in (None, found["resourceVersion"]):
            raise error_for(409, {"message": "the precondition does not hold"}, f"DELETE {name}")
        self.writes.append(f"delete {kind.kind} {name}")
        if live["metadata"].get("finalizers"):
            self.put({**live, "metadata": {**live["metadata"], "deletionTimestamp": "now"}})
            return False
        self.remove(live)
        return True

    def _judge(self, request: str) -> None:
        if request in self.before:
            self.before[request]()
        if request in self.refusals:
            raise error_for(*self.refusals[request], request)


def scale(deployment: Object, workers: int) -> Object:
    """Return a Deployment that an autoscaler has scaled: the number is its own from then on."""
    owner = _owner("kube-controller-manager", "Update")
    metadata = {**deployment["metadata"], "managedFields": [owner]}
    return {**deployment, "metadata": metadata, "spec": {**deployment["spec"], "replicas": workers}}


def _own_replicas(merged: Object, manager: str, *, is_given: bool, is_changed: bool) -> None:
    """Keep the owners of a Deployment's number of workers; it is 1 when the last of them leaves it out."""
    before = merged["metadata"].get("managedFields", [])
    others = [owner for owner in before if owner["manager"] != manager and not is_changed]
    owners = [*others, _owner(manager, "Apply")] if is_given else others
    merged["metadata"]["managedFields"] = owners
    if before and not owners:
        merged["spec"]["replicas"] = 1
    merged["spec"].setdefault("replicas", 1)


def _owner(manager: str, operation: str) -> Object:
    fields: Object = {"f:spec": {"f:replicas": {}}}
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


def _key(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
