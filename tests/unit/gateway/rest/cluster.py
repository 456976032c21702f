"""An API server in memory, and callers of the REST API in front of it."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast
from uuid import NAMESPACE_DNS, uuid5

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict

from model_operator.core.gateway.access import Action, Caller
from model_operator.core.gateway.apis import Family
from model_operator.core.gateway.failures import Failure, response_of
from model_operator.core.gateway.rest.control_routes import Operation
from model_operator.gateway.identity import Identity
from model_operator.gateway.rest.control_call import ControlCall
from model_operator.gateway.rest.rest_tables import RestTables
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiError, error_for
from model_operator.kube.resources import ResourceKind

Object = dict[str, Any]
Key = tuple[str, str, str]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Cluster:
    """The objects of an API server, and what each user may do in which namespaces.

    Attributes
    ----------
    objects
        By plural, namespace and name.
    rights
        User, verb and namespace; an empty namespace stands for all.
    requests
        Verb and name of each request, in order.
    replicas
        The tables of the gateways that watch.
    before_replace
        What another writer does just before an object is replaced.
    is_away
        Whether there is no response.
    refusal
        Raised by each write.
    """

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.rights: set[tuple[str, str, str]] = set()
        self.requests: list[tuple[str, str]] = []
        self.replicas: list[RestTables] = []
        self.before_replace: Callable[[], None] = lambda: None
        self.is_away = False
        self.refusal: ApiError | None = None
        self._versions = itertools.count(1)

    def replica(self, *, watches: bool = True) -> RestTables:
        """Return the tables of one more gateway; one that does not watch learns of its own writes alone."""
        tables = RestTables(lambda: 0.0)
        for namespace in ("team-a", "team-b"):
            tables.put_namespace({"metadata": {"name": namespace}})
        if watches:
            self.replicas.append(tables)
        for obj in self.objects.values():
            _tell(tables, obj)
        return tables

    def allow(self, user: str, verbs: str, namespace: str) -> None:
        """Give a user rights."""
        self.rights |= {(user, verb, namespace) for verb in verbs.split()}

    def may(self, user: str, verb: str, namespace: str) -> bool:
        return bool({(user, verb, namespace), (user, verb, "")} & self.rights)

    def store(self, kind: ResourceKind, obj: Object) -> Object:
        """Store an object as it is sent; return it as the API server has it."""
        metadata = obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        old = self.objects.get((kind.plural, namespace, name))
        version = next(self._versions)
        stored = copy.deepcopy(obj)
        stored |= {"apiVersion": kind.api_version, "kind": kind.kind}
        generation = 1
        if old is not None:
            generation = old["metadata"]["generation"] + (old["spec"] != obj["spec"])
        new_uid = str(uuid5(NAMESPACE_DNS, f"{namespace}/{name}/{version}"))
        stored["metadata"] |= {
            "uid": old["metadata"]["uid"] if old else new_uid,
            "resourceVersion": str(version),
            "creationTimestamp": old["metadata"]["creationTimestamp"] if old else "2026-01-02T03:04:00Z",
            "generation": generation,
        }
        self.objects[kind.plural, namespace, name] = stored
        for tables in self.replicas:
            _tell(tables, stored)
        return copy.deepcopy(stored)

    def client(self, user: str) -> ApiClient:
        """Return a client with the rights of a user."""
        return cast("ApiClient", _Client(self, user))

    def identity(self) -> Identity:
        """Return what answers questions about rights."""
        return cast("Identity", _Identity(self))


class _Identity:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def may(self, caller: Caller, action: Action, namespace: str) -> bool:
        return self._cluster.may(caller.username, action.verb, namespace)

    async def allowed_namespaces(
        self, caller: Caller, action: Action, namespaces: Collection[str]
    ) -> frozenset[str] | None:
        if self._cluster.may(caller.username, action.verb, ""):
            return None
        return frozenset(each for each in namespaces if self._cluster.may(caller.username, action.verb, each))


class _Client:
    def __init__(self, cluster: Cluster, user: str) -> None:
        self._cluster = cluster
        self._user = user

    async def get(self, kind: ResourceKind, namespace: str, name: str) -> Object:
        self._check("get", namespace, name)
        return copy.deepcopy(self._found(kind, namespace, name))

    async def create(self, kind: ResourceKind, obj: Object) -> Object:
        metadata = obj["metadata"]
        self._check("create", metadata["namespace"], metadata["name"])
        if (kind.plural, metadata["namespace"], metadata["name"]) in self._cluster.objects:
            raise _error(HTTPStatus.CONFLICT, "AlreadyExists")
        return self._cluster.store(kind, obj)

    async def replace(self, kind: ResourceKind, obj: Object) -> Object:
        metadata = obj["metadata"]
        self._check("update", metadata["namespace"], metadata["name"])
        self._cluster.before_replace()
        found = self._found(kind, metadata["namespace"], metadata["name"])
        if found["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise _error(HTTPStatus.CONFLICT, "Conflict")
        return copy.deepcopy(found) if found == obj else self._cluster.store(kind, obj)

    async def delete(self, kind: ResourceKind, namespace: str, name: str, uid: str) -> bool:
        self._check("delete", namespace, name)
        found = self._found(kind, namespace, name)
        if found["metadata"]["uid"] != uid:
            raise _error(HTTPStatus.CONFLICT, "Conflict")
        del self._cluster.objects[kind.plural, namespace, name]
        return True

    def _check(self, verb: str, namespace: str, name: str) -> None:
        self._cluster.requests.append((verb, name))
        if self._cluster.is_away:
            raise error_for_no_response()
        if not self._cluster.may(self._user, verb, namespace):
            raise _error(HTTPStatus.FORBIDDEN, "Forbidden")
        if self._cluster.refusal is not None and verb != "get":
            raise self._cluster.refusal

    def _found(self, kind: ResourceKind, namespace: str, name: str) -> Object:
        found = self._cluster.objects.get((kind.plural, namespace, name))
        if found is None:
            raise _error(HTTPStatus.NOT_FOUND, "NotFound")
        return found


def error_for_no_response() -> ApiError:
    """Return the error of a request that had no response."""
    return ApiError(0, {"message": "connection refused"}, "request")


def _error(code: HTTPStatus, reason: str) -> ApiError:
    return error_for(code, {"reason": reason, "message": f"the server says {reason}"}, "request")


def _tell(tables: RestTables, obj: Object) -> None:
    if obj["kind"] == "ModelInstance":
        tables.put_instance(copy.deepcopy(obj))
    else:
        tables.put_template(copy.deepcopy(obj))


def control_call(
    cluster: Cluster,
    operation: Operation,
    *,
    user: str = "alice",
    body: Any = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    **variables: str,
) -> ControlCall:
    """Return a request of a user."""
    return ControlCall(
        operation,
        variables,
        MultiDict(query or {}),
        CIMultiDictProxy(CIMultiDict(headers or {})),
        b"" if body is None else json.dumps(body).encode(),
        Caller(user, "", (), {}, user.encode()),
        cluster.client(user),
    )


async def answered(
    run: Callable[[ControlCall], Any], call: ControlCall
) -> tuple[int, Any, Mapping[str, str]]:
    """Return status, body and headers of the response to a request."""
    try:
        response: web.Response = await run(call)
    except Failure as failure:
        shaped = response_of(failure, Family.PLATFORM)
        return shaped.status, json.loads(shaped.body), shaped.headers
    text = response.text or ""
    is_json = response.content_type == "application/json"
    return response.status, json.loads(text) if is_json else text, response.headers
