"""A small synchronous client for tests: objects are plain dicts, kinds are found by name, errors are loud."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import kubernetes
import yaml

from model_operator.core.values.json_values import wire_json
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Object = dict[str, Any]
Objects = list[Object]

REQUEST_SECONDS = 30.0
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class KubeApiError(Exception):
    """The API server refused a request.

    Attributes
    ----------
    code
        The HTTP status.
    reason
        The reason of the ``Status``, such as ``NotFound``.
    message
        Its message.
    causes
        Its causes: dicts of ``field``, ``message``, ``reason``.
    """

    def __init__(self, request: str, code: int, body: str) -> None:
        try:
            status = json.loads(body)
        except ValueError:
            status = {"message": body}
        self.code = code
        self.reason: str = status.get("reason", "")
        self.message: str = status.get("message", "")
        self.causes: Objects = (status.get("details") or {}).get("causes") or []
        super().__init__(f"{request}: {code} {self.reason}: {self.message}")


@dataclass(frozen=True)
class Resource:
    """Where a kind is served: `root` is ``/api/v1`` or ``/apis/GROUP/VERSION``."""

    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Give the path of a collection, an object or its subresource; every namespace's for None."""
        middle = ["namespaces", namespace] if self.namespaced and namespace else []
        return "/".join([self.root, *middle, self.plural, *filter(None, [name, subresource])])


class KubeApi:
    """The API server as one user sees it, from one namespace.

    Methods take an object's ``kind`` (``"Deployment"``; ``"Event.events.k8s.io"`` where two groups have it)
    and name. Namespaced kinds are looked up in `namespace`.

    Parameters
    ----------
    kubeconfig
        Whom it speaks to, and as whom.
    namespace
        The namespace of everything namespaced; see `in_namespace`.
    """

    def __init__(self, kubeconfig: Path, namespace: str = "default") -> None:
        self.namespace = namespace
        self._client: Any = kubernetes.config.new_client_from_config(  # type: ignore[no-untyped-call]
            config_file=str(kubeconfig)
        )
        self._resources: dict[str, Resource] = {}

    def in_namespace(self, namespace: str) -> Self:
        """Give the same client for another namespace."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, namespace=namespace)
        return other

    def close(self) -> None:
        """Close the connections."""
        self._client.rest_client.pool_manager.clear()

    def get(self, kind: str, name: str) -> Object:
        """Give an object; a `KubeApiError` with ``code`` 404 when there is none."""
        return self.request("GET", self._resource(kind).path(self.namespace, name))

    def find(self, kind: str, name: str) -> Object | None:
        """Give an object, or None when there is none."""
        try:
            return self.get(kind, name)
        except KubeApiError as error:
            if error.code != 404:
                raise
            return None

    def list(self, kind: str, *, labels: str = "") -> Objects:
        """Give all objects of `kind`, or those that the label selector `labels` picks."""
        query = {"labelSelector": labels} if labels else {}
        items: Objects = self.request("GET", self._resource(kind).path(self.namespace), query=query)["items"]
        return items

    def api_version(self, kind: str) -> str:
        """Give the ``apiVersion`` of a kind, which lists leave out of their items."""
        return self._resource(kind).root.removeprefix("/apis/").removeprefix("/api/")

    def versions(self, kind: str, name: str, since: str) -> Objects:
        """Give each version that an object had after the resource version `since`, the oldest first.

        The API server remembers a little over a minute.

        Raises
        ------
        AssertionError
            When it does not tell of all versions up to the present one within some seconds.
        """
        present = self.find(kind, name)
        if present is not None and _version(present) <= int(since):
            return []
        for seconds in (1, 2, 4, 8):
            query = {
                "watch": "true",
                "resourceVersion": since,
                "fieldSelector": f"metadata.name={name}",
                "timeoutSeconds": str(seconds),
            }
            text = self._send("GET", self._resource(kind).path(self.namespace), query=query)
            events = [_watch_event(kind, line) for line in text.splitlines()]
            # A busy server may end a watch before it has told everything.
            if events and _reaches(events[-1], present):
                return [event["object"] for event in events]
        raise AssertionError(f"not all versions of {kind} {self.namespace}/{name} since {since} were told")

    def watch(self, kind: str, since: str, *, seconds: int) -> Iterator[Object]:
        """Yield what happens to objects of `kind` after the resource version `since`, as it happens.

        Ends after some `seconds`; the last event then is a ``BOOKMARK``, whose resource version the next
        watch can begin with.
        """
        query = {
            "watch": "true",
            "resourceVersion": since,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        path = self._resource(kind).path(self.namespace)
        response = self._open("GET", path, query=query, preload_content=False)
        try:
            if response.status != 200:
                raise KubeApiError(f"watch {kind}", response.status, response.data.decode())
            rest = b""
            for chunk in response.stream(None):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield _watch_event(kind, line)
        finally:
            response.close()

    def revision(self, kind: str) -> tuple[str, Objects]:
        """Give all objects of `kind`, and the resource version at which these were all."""
        answer = self.request("GET", self._resource(kind).path(self.namespace))
        return answer["metadata"]["resourceVersion"], answer["items"]

    def is_allowed(
        self, user: str, verb: str, resource: str, *, group: str = "", namespace: str | None = None
    ) -> bool:
        """Tell whether a user may do something, in this client's namespace unless another is given.

        Rights take effect a moment after the objects that grant them or take them away.
        """
        name, _, subresource = resource.partition("/")
        attributes = {
            "group": group,
            "resource": name,
            "subresource": subresource,
            "verb": verb,
            "namespace": self.namespace if namespace is None else namespace,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": user, "resourceAttributes": attributes},
        }
        return bool(self.create(review)["status"]["allowed"])

    def create(self, obj: Object | str, *, dry_run: bool = False) -> Object:
        """Create an object, given as a dict or as YAML."""
        obj = parse(obj)
        path = self._resource(_kind(obj)).path(self._namespace_of(obj))
        return self.request("POST", path, body=obj, query=_dry_run(dry_run))

    def apply(
        self,
        obj: Object | str,
        *,
        manager: str = "tests",
        force: bool = True,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Apply an object server-side, given as a dict or as YAML."""
        obj = parse(obj)
        path = self._resource(_kind(obj)).path(self._namespace_of(obj), obj["metadata"]["name"], subresource)
        query = {"fieldManager": manager, "force": str(force).lower(), **_dry_run(dry_run)}
        return self.request("PATCH", path, body=obj, query=query, content_type=PATCH_TYPES["apply"])

    def apply_all(self, documents: str) -> Objects:
        """Apply each document of a YAML stream, in order."""
        return [self.apply(obj) for obj in yaml.safe_load_all(documents) if obj]

    def replace(self, obj: Object) -> Object:
        """Write back an object that was read: refused (409) when it has changed since."""
        path = self._resource(_kind(obj)).path(self._namespace_of(obj), obj["metadata"]["name"])
        return self.request("PUT", path, body=obj)

    def patch(
        self,
        kind: str,
        name: str,
        patch: Any,
        *,
        patch_type: str = "merge",
        subresource: str = "",
        manager: str = "tests",
    ) -> Object:
        """Patch an object; `patch_type` is one of ``merge``, ``json``, ``strategic``."""
        path = self._resource(kind).path(self.namespace, name, subresource)
        return self.request(
            "PATCH", path, body=patch, query={"fieldManager": manager}, content_type=PATCH_TYPES[patch_type]
        )

    def delete(self, kind: str, name: str, *, propagation: str = "Background") -> None:
        """Ask for an object's deletion; `propagation` is ``Background``, ``Foreground`` or ``Orphan``."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        self.request("DELETE", self._resource(kind).path(self.namespace, name), body=body)

    def condition(self, kind: str, name: str, condition_type: str) -> Object:
        """Give one condition of an object's status, ``{}`` when it has none of that type."""
        return _condition(self.get(kind, name), condition_type)

    def wait_for_condition(
        self,
        kind: str,
        name: str,
        condition_type: str,
        status: str = "True",
        *,
        reason: str | None = None,
        deadline: float = 30.0,
    ) -> Object:
        """Wait until a condition of the object's *present* generation has `status` (and `reason`).

        Returns
        -------
        dict
            The object.

        Raises
        ------
        AssertionError
            After `deadline` seconds; shows the object's status.
        """
        __tracebackhide__ = True

        def met() -> Object:
            obj = self.get(kind, name)
            current = obj.get("status", {})
            # The schemas of an instance would bury the rest.
            shown = yaml.safe_dump(
                {name: part for name, part in current.items() if not name.endswith("_schema")}
            )
            seen = current.get("observedGeneration", obj["metadata"].get("generation"))
            assert seen == obj["metadata"].get("generation"), (
                f"its status is of an older generation:\n{shown}"
            )
            found = _condition(obj, condition_type)
            assert found.get("status") == status, f"its status is\n{shown}"
            assert reason is None or found.get("reason") == reason, f"its status is\n{shown}"
            return obj

        expected = f"{condition_type}={status}" + (f" ({reason})" if reason else "")
        return wait_for(met, deadline, f"{kind} {self.namespace}/{name} has {expected}")

    def is_served(self, kind: str) -> bool:
        """Tell whether there can be objects of a kind: it is established before its storage is there."""
        try:
            self.list(kind)
        except KubeApiError as error:
            assert error.code == HTTPStatus.TOO_MANY_REQUESTS, error  # noqa: PT017 -- any other is to be seen
            return False
        return True

    def wait_until_gone(self, kind: str, name: str, *, deadline: float = 30.0) -> None:
        """Wait until there is no such object any more."""
        wait_for(lambda: self.find(kind, name) is None, deadline, f"{kind} {self.namespace}/{name} is gone")

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        """Send any request and give the answer's JSON.

        Raises
        ------
        KubeApiError
            When the answer is not 2xx.
        """
        text = self._send(method, path, body=body, query=query, content_type=content_type, accept=accept)
        answer: Object = json.loads(text)
        return answer

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> str:
        """Send any request and give the answer's text."""
        response = self._open(method, path, body=body, query=query, content_type=content_type, accept=accept)
        text: str = response.data.decode()
        if not 200 <= response.status < 300:
            raise KubeApiError(f"{method} {path}", response.status, text)
        return text

    def _open(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        preload_content: bool = True,
    ) -> Any:
        """Send any request and give the answer, read to its end or to be streamed."""
        _, url, headers, *_ = self._client.param_serialize(
            method,
            path + (f"?{urlencode(query)}" if query else ""),
            header_params={"Accept": accept, "Content-Type": content_type},
            auth_settings=["BearerToken"],
        )
        # Not by the client's own method, which rewrites some patches and their content types.
        return self._client.rest_client.pool_manager.request(
            method,
            url,
            headers=headers,
            body=None if body is None else wire_json(body),
            timeout=REQUEST_SECONDS,
            retries=False,
            preload_content=preload_content,
        )

    def _namespace_of(self, obj: Object) -> str:
        namespace: str = obj["metadata"].get("namespace", self.namespace)
        return namespace

    def _resource(self, kind: str) -> Resource:
        if kind not in self._resources:
            self._discover()
        if kind not in self._resources:
            raise LookupError(f"the API server serves no kind {kind}.")
        return self._resources[kind]

    def _discover(self) -> None:
        for start in ("/apis", "/api"):  # the core group last: its Event is the one without a group
            for group in self.request("GET", start, accept=DISCOVERY)["items"]:
                name = group.get("metadata", {}).get("name", "")
                # The preferred version comes first, hence last here: it is the one to stay.
                for version in reversed(group["versions"]):
                    root = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
                    for entry in version.get("resources", []):
                        resource = Resource(root, entry["resource"], entry["scope"] == "Namespaced")
                        kind = entry["responseKind"]["kind"]
                        self._resources[kind] = self._resources[f"{kind}.{name}"] = resource


def parse(obj: Object | str) -> Object:
    """Give an object as a dict; text is read as one YAML document."""
    if isinstance(obj, str):
        obj = yaml.safe_load(obj)
    if not isinstance(obj, dict):
        raise TypeError(
            f"expected one object, got {type(obj).__name__}; for several documents use apply_all."
        )
    return obj


def without_status(obj: Object) -> Object:
    """Give an object but for what controllers say of it, the version included.

    Whatever else is changed shows in it, at least by the managed fields' time.
    """
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    fields = [each for each in metadata.get("managedFields", []) if each.get("subresource") != "status"]
    rest = {key: value for key, value in obj.items() if key != "status"}
    return {**rest, "metadata": {**metadata, "managedFields": fields}}


def _reaches(event: Object, present: Object | None) -> bool:
    """Tell whether a watch has come to an object's present version, or to its end when it is gone."""
    if present is None:
        return bool(event["type"] == "DELETED")
    return _version(event["object"]) >= _version(present)


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


def _watch_event(kind: str, line: str | bytes) -> Object:
    event: Object = json.loads(line)
    if event["type"] == "ERROR":
        raise KubeApiError(f"watch {kind}", event["object"]["code"], json.dumps(event["object"]))
    return event


def _kind(obj: Object) -> str:
    group = obj["apiVersion"].rpartition("/")[0]
    return f"{obj['kind']}.{group}" if group else obj["kind"]


def _condition(obj: Object, condition_type: str) -> Object:
    conditions: Objects = obj.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == condition_type), {})


def _dry_run(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}
