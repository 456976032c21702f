"""Requests to the API server: only the kinds of requests that the operator needs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypedDict, Unpack
from urllib.parse import urlencode

import aiohttp

from model_operator.core.objects.ownership import MANAGER
from model_operator.core.values.json_reading import read_json
from model_operator.core.values.json_values import wire_json
from model_operator.kube.connection import Connection
from model_operator.kube.errors import ApiUnavailableError, error_for
from model_operator.kube.paging import PAGE, PageSize, TooLargeError, read_bounded
from model_operator.kube.resources import OWN_ACCESS_REVIEWS, SERVICE_ACCOUNTS, ResourceKind

_ONLY_CREATE = "1"
"""A resource version that no object has: the API server ignores it on creation and answers 409 when the
object exists."""
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METADATA_ONE_BY_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_WATCH_SECONDS = 240
_WATCH_GRACE_SECONDS = 10
_LARGEST_OBJECT = 4 * 1024 * 1024
"""Bytes. A line of a watch is read as one piece: an object of at most 1.5 MiB (etcd's limit), as JSON."""
Object = dict[str, Any]
"""An object as the API server sends it."""


class Selection(TypedDict, total=False):
    """Which objects of a kind to list or watch; by default all that match its label selector.

    Attributes
    ----------
    metadata_only
        Whether to request ``metadata`` only, which is cheap.
    labels, fields
        Selectors; the label selector replaces the kind's.
    page
        Objects per page of a list, at most.
    requests
        Maximum number of requests of a list, each of at most `PAGE_BYTES`; objects beyond are left out. By
        default all objects are listed.
    """

    metadata_only: bool
    labels: str
    fields: str
    page: int
    requests: int


class ApiClient:
    """Reads and writes objects.

    All methods raise :class:`~model_operator.kube.errors.ApiError`.

    Parameters
    ----------
    connection
        The session to use.
    permit
        Called before each write: returns the seconds within which the write must complete, or raises an error
        that ends the process. None means that writes are always permitted.
    token
        Bearer token of the user that the requests are made for, over an anonymous connection. None for the
        credentials of the process.
    manager
        The field manager of creations and replacements.
    warnings
        Takes the headers ``Warning`` of the responses, which are for the user.
    """

    def __init__(
        self,
        connection: Connection,
        permit: Callable[[], float] | None = None,
        *,
        token: str | None = None,
        manager: str = MANAGER,
        warnings: list[str] | None = None,
    ) -> None:
        self._connection = connection
        self._permit = permit
        self._credentials = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._manager = manager
        self._warnings = warnings

    async def get_path(self, path: str) -> Object:
        """Return the response of the server at a path such as ``/version``."""
        return await self._request("GET", path)

    async def get(self, kind: ResourceKind, namespace: str, name: str) -> Object:
        """Return one object."""
        return await self._request("GET", kind.object_path(namespace, name))

    async def next_change(self, kind: ResourceKind, namespace: str, name: str, resource_version: str) -> None:
        """Wait until an object changes from the given version, or the server ends the watch."""
        changes = self.watch(kind, namespace, resource_version, fields=f"metadata.name={name}")
        async with contextlib.aclosing(changes):
            async for _ in changes:
                return

    async def list(
        self, kind: ResourceKind, namespace: str = "", **selection: Unpack[Selection]
    ) -> AsyncIterator[Object]:
        """Yield the objects of a kind, in pages.

        Parameters
        ----------
        kind
            Kind to list.
        namespace
            Namespace to list; empty means all namespaces.
        selection
            See :class:`Selection`.
        """
        async for items, _ in self.pages(kind, namespace, **selection):
            for item in items:
                yield item

    async def pages(
        self, kind: ResourceKind, namespace: str = "", **selection: Unpack[Selection]
    ) -> AsyncIterator[tuple[Sequence[Object], str]]:
        """Yield the objects of a kind page by page, each with the resource version of the whole list.

        The arguments are those of :meth:`list`.
        """
        params = _selectors(kind, selection)
        headers = {"Accept": _METADATA_ONLY} if selection.get("metadata_only") else {}
        size = PageSize(selection.get("page", PAGE))
        for _ in range(requests) if (requests := selection.get("requests")) else itertools.count():
            params["limit"] = str(size.limit)
            try:
                page = await self._request(
                    "GET",
                    kind.path(namespace),
                    query=_query(params),
                    headers=headers,
                    max_bytes=size.max_bytes,
                )
            except TooLargeError:
                size.shrink()
                continue
            size.grow()
            params["continue"] = page["metadata"].get("continue", "")
            yield _items(kind, page), page["metadata"]["resourceVersion"]
            if not params["continue"]:
                return

    async def list_to_watch(
        self, kind: ResourceKind, namespace: str = "", **selection: Unpack[Selection]
    ) -> tuple[Sequence[Object], str]:
        """Return the objects of a kind and the version of the list, from which :meth:`watch` continues.

        The arguments are those of :meth:`list`.
        """
        found: list[Object] = []
        version = ""
        async for items, listed in self.pages(kind, namespace, **selection):
            found += items
            version = listed
        return found, version

    async def watch(
        self,
        kind: ResourceKind,
        namespace: str,
        resource_version: str,
        **selection: Unpack[Selection],
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """Yield the changes after a version: ``ADDED``, ``MODIFIED`` or ``DELETED``, and the object.

        The watch ends when the server ends it, every few minutes. The other arguments are those of
        :meth:`list`.

        Raises
        ------
        ApiError
            With code 410 when the version is too old and a new list is needed.
        """
        path = kind.path(namespace)
        params = {
            "watch": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(_WATCH_SECONDS),
            **_selectors(kind, selection),
        }
        url = self._connection.url(path, _query(params))
        attempt = f"watch {path}"
        accept = _METADATA_ONE_BY_ONE if selection.get("metadata_only") else "application/json"
        try:
            async with await self._connection.request(
                "GET",
                url,
                headers={"Accept": accept},
                timeout=aiohttp.ClientTimeout(total=_WATCH_SECONDS + _WATCH_GRACE_SECONDS),
                read_bufsize=_LARGEST_OBJECT,
            ) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise error_for(response.status, _parse(await response.read()), attempt)
                async for line in response.content:
                    event = _parse(line)
                    changed = event.get("object") or {}
                    if event.get("type") == "ERROR":
                        code = changed.get("code") or HTTPStatus.INTERNAL_SERVER_ERROR
                        raise error_for(code, changed, attempt)
                    if "type" not in event:
                        raise ApiUnavailableError(
                            0, {"message": "the watch ended in the middle of an event"}, attempt
                        )
                    yield event["type"], {**changed, "apiVersion": kind.api_version, "kind": kind.kind}
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            cause = str(error) or type(error).__name__
            raise ApiUnavailableError(0, {"message": cause}, attempt) from error

    async def apply(
        self,
        kind: ResourceKind,
        obj: Mapping[str, Any],
        *,
        force: bool,
        dry_run: bool = False,
        manager: str = MANAGER,
    ) -> Object:
        """Create or update an object by server-side apply.

        Parameters
        ----------
        kind
            Kind of the object.
        obj
            The fields to own. With ``metadata.uid`` the request is refused for any other object, with
            ``metadata.resourceVersion`` for any other version.
        force
            Whether to take over fields of other managers; only for objects that the operator owns.
        dry_run
            Whether the server only validates the request and stores nothing.
        manager
            The field manager.

        Raises
        ------
        ConflictError
            When another manager owns such a field (without force), or uid or version differ.
        """
        metadata = obj["metadata"]
        return await self._request(
            "PATCH",
            kind.object_path(metadata.get("namespace", ""), metadata["name"]),
            query=_write_query(manager, dry_run=dry_run, force=force),
            headers={"Content-Type": "application/apply-patch+yaml"},
            body=obj,
        )

    async def apply_new(self, kind: ResourceKind, obj: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """Create an object by server-side apply, and never change an existing one.

        An apply without force is not enough: it would merge uncontested fields into a foreign object.

        Raises
        ------
        ConflictError
            When an object of that name exists.
        """
        metadata = {**obj["metadata"], "resourceVersion": _ONLY_CREATE}
        return await self.apply(kind, {**obj, "metadata": metadata}, force=False, dry_run=dry_run)

    async def patch_status(
        self, kind: ResourceKind, namespace: str, name: str, status: Mapping[str, Any], resource_version: str
    ) -> Object:
        """Merge a patch into an object's status if the object still has the given version.

        Parameters
        ----------
        kind, namespace, name
            The object.
        status
            Merge patch of ``status``.
        resource_version
            Version that the status was computed from; any other version is a conflict, and so is a recreated
            object of the same name.
        """
        return await self._request(
            "PATCH",
            kind.object_path(namespace, name, "status"),
            query=_write_query(MANAGER),
            headers={"Content-Type": "application/merge-patch+json"},
            body={"metadata": {"resourceVersion": resource_version}, "status": status},
        )

    async def create(self, kind: ResourceKind, obj: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """Create an object; an existing name is a conflict, a missing namespace is not found.

        Parameters
        ----------
        kind, obj
            The object to create.
        dry_run
            Whether the server only validates the request and stores nothing.
        """
        path = kind.path(obj["metadata"].get("namespace", ""))
        query = _write_query(self._manager, dry_run=dry_run)
        return await self._request("POST", path, query=query, body=obj)

    async def replace(
        self, kind: ResourceKind, obj: Mapping[str, Any], *, manager: str | None = None
    ) -> Object:
        """Write back an object that was read; if it has changed since, that is a conflict.

        Parameters
        ----------
        kind, obj
            The object.
        manager
            The field manager; None for that of the client.
        """
        metadata = obj["metadata"]
        path = kind.object_path(metadata.get("namespace", ""), metadata["name"])
        return await self._request("PUT", path, query=_write_query(manager or self._manager), body=obj)

    async def patch(
        self,
        kind: ResourceKind,
        namespace: str,
        name: str,
        patch: Mapping[str, Any],
        resource_version: str | None = None,
    ) -> Object:
        """Apply a strategic merge patch to an object of a built-in kind.

        Parameters
        ----------
        kind, namespace, name
            The object.
        patch
            The fields to change; list items are matched by their merge key, such as ``name``. The operator
            owns only the changed fields afterwards (operation ``Update``).
        resource_version
            Version that was read; any other is a conflict. None where the operator is the only writer.
        """
        version = {} if resource_version is None else {"metadata": {"resourceVersion": resource_version}}
        return await self._request(
            "PATCH",
            kind.object_path(namespace, name),
            query=_write_query(MANAGER),
            headers={"Content-Type": "application/strategic-merge-patch+json"},
            body={**patch, **version},
        )

    async def delete(
        self, kind: ResourceKind, namespace: str, name: str, uid: str, version: str | None = None
    ) -> bool:
        """Delete the object with that uid in the background; a recreated one of that name is a conflict.

        Parameters
        ----------
        kind, namespace, name, uid
            The object.
        version
            Its ``metadata.resourceVersion``, if a change since must be a conflict, too.

        Returns
        -------
        bool
            Whether the object was removed; False while finalizers keep it.
        """
        preconditions = {"uid": uid} if version is None else {"uid": uid, "resourceVersion": version}
        body = {"preconditions": preconditions, "propagationPolicy": "Background"}
        answer = await self._request("DELETE", kind.object_path(namespace, name), body=body)
        # The API server returns the object while finalizers keep it. For a removed object it returns a Status
        # or the last version of the object, depending on the kind.
        return not answer.get("metadata", {}).get("finalizers")

    async def is_allowed(
        self, verb: str, kind: ResourceKind, namespace: str, subresource: str = "", name: str = ""
    ) -> bool:
        """Return whether a request is permitted (SelfSubjectAccessReview), for all objects without a name."""
        attributes = {
            "verb": verb,
            "group": kind.group,
            "resource": kind.plural,
            "subresource": subresource,
            "namespace": namespace,
            "name": name,
        }
        status = await self.review(OWN_ACCESS_REVIEWS, {"resourceAttributes": attributes})
        return bool(status["allowed"])

    async def review(self, kind: ResourceKind, spec: Mapping[str, Any]) -> Object:
        """Return the ``status`` of a review, a question that the API server answers and does not store.

        Parameters
        ----------
        kind
            TokenReview, SubjectAccessReview or SelfSubjectAccessReview.
        spec
            The question.

        Raises
        ------
        ApiUnavailableError
            Also when the response is no review.
        """
        path = kind.path()
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": spec}
        answer = await self._request("POST", path, body=body)
        if not isinstance(status := answer.get("status"), dict):
            raise ApiUnavailableError(0, {"message": "the response is no review"}, f"POST {path}")
        return status

    async def request_token(self, namespace: str, service_account: str, spec: Mapping[str, Any]) -> Object:
        """Return the ``status`` of a TokenRequest: a new token of a ServiceAccount, and when it expires.

        Parameters
        ----------
        namespace, service_account
            The ServiceAccount.
        spec
            Audiences, lifetime, and the object that the token is bound to.
        """
        path = SERVICE_ACCOUNTS.object_path(namespace, service_account, "token")
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self._request("POST", path, body=body)
        status: Object = answer["status"]
        return status

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        max_bytes: int | None = None,
    ) -> Object:
        """Send one request and return the body; raise when it has more than `max_bytes` bytes."""
        attempt = f"{method} {path}"
        seconds = None if method == "GET" or self._permit is None else self._permit()
        all_headers = {"Accept": "application/json", **self._credentials, **(headers or {})}
        if body is not None:
            all_headers.setdefault("Content-Type", "application/json")
        try:
            async with (
                asyncio.timeout(seconds),
                await self._connection.request(
                    method,
                    self._connection.url(path, query),
                    headers=all_headers,
                    data=None if body is None else wire_json(body),
                ) as response,
            ):
                content = await read_bounded(response, max_bytes)
                if self._warnings is not None:
                    self._warnings += response.headers.getall("Warning", ())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            cause = str(error) or type(error).__name__
            raise ApiUnavailableError(0, {"message": cause}, attempt) from error
        answer = _parse(content)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise error_for(response.status, answer, attempt, response.headers.get("Retry-After", ""))
        return answer


def _selectors(kind: ResourceKind, selection: Selection) -> dict[str, str]:
    labels = selection.get("labels") or kind.label_selector
    selectors = {"labelSelector": labels, "fieldSelector": selection.get("fields", "")}
    return {key: value for key, value in selectors.items() if value}


def _items(kind: ResourceKind, page: Object) -> list[Object]:
    """Return the items of a list with their kind, which the API server omits."""
    # A metadata-only list without items has null.
    return [{**item, "apiVersion": kind.api_version, "kind": kind.kind} for item in page["items"] or []]


def _query(params: Mapping[str, str]) -> str:
    return urlencode(params, errors="surrogatepass")


@functools.cache
def _write_query(manager: str, *, dry_run: bool = False, force: bool | None = None) -> str:
    """Return the query of a write, which is one of few."""
    params = {"fieldManager": manager}
    if force is not None:
        params["force"] = "true" if force else "false"
    if dry_run:
        params["dryRun"] = "All"
    return _query(params)


def _parse(content: bytes) -> Object:
    try:
        answer = read_json(content)
    except ValueError:
        return {"message": content[:200].decode(errors="replace")}
    return answer if isinstance(answer, dict) else {"message": str(answer)[:200]}
