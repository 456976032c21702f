"""The operations of the REST API over an API server made of dicts."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from uuid import NAMESPACE_DNS, uuid5

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict

from model_operator.core.gateway.access import Action, Caller
from model_operator.core.gateway.rest.control_routes import Operation
from model_operator.gateway.rest.control_call import ControlCall
from model_operator.gateway.rest.creation import Creation
from model_operator.gateway.rest.deployment_operations import DeploymentOperations
from model_operator.gateway.rest.lookup import Lookup
from model_operator.gateway.rest.model_operations import ModelOperations
from model_operator.gateway.rest.rest_tables import RestTables
from model_operator.gateway.rest.template_operations import TemplateOperations
from model_operator.kube.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection

    from model_operator.gateway.identity import Identity
    from model_operator.kube.client import ApiClient
    from model_operator.kube.resources import ResourceKind

Object = dict[str, Any]
NOW = datetime(2026, 11, 3, 9, tzinfo=UTC)
CALLER = Caller("ada@example.com", "", (), {}, b"ada")


@dataclass
class FakeServer:
    """The API server; what it stores, the tables learn only by :meth:`Rest.watch`.

    Attributes
    ----------
    objects
        By kind, namespace and name.
    before_replace
        Changes that other writers make before the next replacements, one for each.
    trouble
        Raised by each write.
    """

    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    before_replace: list[Any] = field(default_factory=list)
    trouble: Exception | None = None
    version: int = 100

    def _raise(self, error: type[Exception], code: int, reason: str) -> None:
        raise error(code, {"code": code, "reason": reason, "message": reason}, "try")

    def store(self, obj: Object) -> Object:
        metadata = obj["metadata"]
        self.version += 1
        metadata["resourceVersion"] = str(self.version)
        key = (obj["kind"], metadata.get("namespace", ""), metadata["name"])
        self.objects[key] = deepcopy(obj)
        return deepcopy(obj)

    async def get(self, kind: ResourceKind, namespace: str, name: str) -> Object:
        found = self.objects.get((kind.kind, namespace, name))
        if found is None:
            self._raise(NotFoundError, HTTPStatus.NOT_FOUND, "NotFound")
        return deepcopy(cast("Object", found))

    async def create(self, kind: ResourceKind, obj: Object) -> Object:
        if self.trouble is not None:
            raise self.trouble
        metadata = obj["metadata"]
        if (kind.kind, metadata["namespace"], metadata["name"]) in self.objects:
            self._raise(ConflictError, HTTPStatus.CONFLICT, "AlreadyExists")
        uid = str(uuid5(NAMESPACE_DNS, f"{metadata['namespace']}/{metadata['name']}"))
        made = deepcopy(obj)
        made["metadata"] |= {"uid": uid, "generation": 1, "creationTimestamp": "2026-11-03T08:59:00Z"}
        return self.store(made)

    async def replace(self, kind: ResourceKind, obj: Object) -> Object:
        if self.trouble is not None:
            raise self.trouble
        if self.before_replace:
            self.before_replace.pop(0)()
        metadata = obj["metadata"]
        live = await self.get(kind, metadata["namespace"], metadata["name"])
        if live["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            self._raise(ConflictError, HTTPStatus.CONFLICT, "Conflict")
        changed = deepcopy(obj)
        changed["metadata"]["generation"] = live["metadata"].get("generation", 1) + 1
        return self.store(changed)

    async def delete(self, kind: ResourceKind, namespace: str, name: str, uid: str = "") -> bool:
        live = await self.get(kind, namespace, name)
        assert live["metadata"]["uid"] == uid
        del self.objects[kind.kind, namespace, name]
        return True


class FakeIdentity:
    """What the caller may do: everything, but for what is named."""

    def __init__(self) -> None:
        self.refused: set[tuple[Action, str]] = set()

    async def may(self, _: Caller, action: Action, namespace: str) -> bool:
        return (action, namespace) not in self.refused

    async def allowed_namespaces(
        self, _: Caller, action: Action, namespaces: Collection[str]
    ) -> frozenset[str]:
        return frozenset(each for each in namespaces if (action, each) not in self.refused)


class Rest:
    """API server, tables and operations."""

    def __init__(self, *objects: Object, ready_seconds: float = 5) -> None:
        self.server = FakeServer()
        self.identity = FakeIdentity()
        self.tables = RestTables(lambda: 0.0)
        for name, labels in (("team-a", {"modeloperator.dev/account-id": "acc-1"}), ("team-b", {})):
            self.tables.put_namespace({"metadata": {"name": name, "labels": labels, "resourceVersion": "1"}})
        for each in objects:
            self.watch(each)
        identity = cast("Identity", self.identity)
        lookup = Lookup(self.tables, identity)
        creation = Creation(self.tables, identity, lambda: NOW)
        self.models = ModelOperations(self.tables, lookup, creation)
        self.deployments = DeploymentOperations(self.tables, lookup, self.models, ready_seconds)
        self.templates = TemplateOperations(self.tables, identity, lookup, creation)

    def watch(self, obj: Object) -> Object:
        """Store an object, and have the watch bring it."""
        stored = self.server.store(obj)
        if stored["kind"] == "ModelInstance":
            self.tables.put_instance(stored)
        else:
            self.tables.put_template(stored)
        return stored

    def report(self, name: str, *deployments: Object, namespace: str = "team-a") -> Object:
        """Have the operator report the deployments of an instance as it is now."""
        live = deepcopy(self.server.objects["ModelInstance", namespace, name])
        observed = live["metadata"].get("generation", 1)
        live["status"] = {"observedGeneration": observed, "deployments": list(deployments)}
        return self.watch(live)

    def live(self, name: str = "minilm", kind: str = "ModelInstance", namespace: str = "team-a") -> Object:
        """Give an object as the API server has it."""
        return self.server.objects[kind, namespace, name]

    def call(self, body: Any = None, query: str = "", **variables: str) -> ControlCall:
        """Give a request; header names are after ``header_``."""
        headers = {
            key.removeprefix("header_").replace("_", "-"): variables.pop(key)
            for key in list(variables)
            if key.startswith("header_")
        }
        pairs = [part.partition("=")[::2] for part in query.split("&") if part]
        return ControlCall(
            Operation.NOT_IMPLEMENTED,
            variables,
            MultiDict(pairs),
            CIMultiDictProxy(CIMultiDict(headers)),
            b"" if body is None else json.dumps(body).encode(),
            CALLER,
            cast("ApiClient", self.server),
        )


def read(response: object) -> Any:
    """Give the JSON of a response."""
    assert isinstance(response, web.Response)
    assert response.status == HTTPStatus.OK
    assert isinstance(response.body, bytes)
    return json.loads(response.body)
