"""From an identifier in a path to the object as the API server has it now.

An object is read with the caller's own token, so that the answer is the newest version, whichever replica
wrote it, and permissions are those of the cluster. What the caller may not see does not exist for the caller,
unless the identifier itself names the namespace: then the API server's own refusal discloses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, Protocol

from model_operator.core.gateway.access import LIST_MODELS, LIST_TEMPLATES, Action
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.naming import shown
from model_operator.core.gateway.rest.object_names import may_be_object_name
from model_operator.core.gateway.rest.records import Records
from model_operator.core.gateway.rest.template_table import TemplateTable
from model_operator.gateway.identity import Identity
from model_operator.gateway.rest.control_call import ControlCall, api_failure
from model_operator.gateway.rest.rest_tables import RestTables
from model_operator.kube.errors import ApiError, NotFoundError
from model_operator.kube.resources import (
    CLUSTER_MODEL_TEMPLATES,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    ResourceKind,
)

Object = dict[str, Any]

_WATCH_SECONDS: Final = 1.0
"""Time within which the watch brings what another replica has just made."""
_UUID_LENGTH: Final = 36
_DASHES: Final = 4
_PARTS: Final = 2
_SHOWN: Final = 10
_UNSEEN: Final = (FailureReason.NOT_FOUND, FailureReason.FORBIDDEN)
_KINDS: Final = {each.kind: each for each in (MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES)}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an object is; with a uid, no other one of that name."""

    kind: ResourceKind
    namespace: str
    name: str
    uid: str = ""


class _Index(Protocol):
    """What the gateway knows of objects of one kind, and where they are."""

    noun: str
    path: str
    kind: ResourceKind
    action: Action

    def by_uid(self, uid: str) -> _Place | None: ...

    def was_deleted(self, uid: str) -> bool: ...

    def named(self, name: str) -> list[_Place]: ...

    def of_cluster(self, name: str) -> _Place | None: ...


class _Models:
    noun, path, kind, action = "model", "models", MODEL_INSTANCES, LIST_MODELS

    def __init__(self, records: Records) -> None:
        self._records = records
        self.was_deleted = records.was_deleted

    def by_uid(self, uid: str) -> _Place | None:
        found = self._records.by_uid(uid)
        return None if found is None else _Place(self.kind, found.namespace, found.name, uid)

    def named(self, name: str) -> list[_Place]:
        return [_Place(self.kind, each.namespace, name) for each in self._records.named(name)]

    def of_cluster(self, _: str) -> None:
        return None


class _Templates:
    noun, path, kind, action = "template", "model-templates", MODEL_TEMPLATES, LIST_TEMPLATES

    def __init__(self, templates: TemplateTable) -> None:
        self._templates = templates
        self.was_deleted = templates.was_deleted

    def by_uid(self, uid: str) -> _Place | None:
        found = self._templates.with_uid(uid)
        if found is None:
            return None
        metadata = found["metadata"]
        return _Place(_KINDS[found["kind"]], metadata.get("namespace", ""), metadata["name"], uid)

    def named(self, name: str) -> list[_Place]:
        found = (each["metadata"].get("namespace", "") for each in self._templates.named(name))
        return [_Place(self.kind, namespace, name) for namespace in found if namespace]

    def of_cluster(self, name: str) -> _Place:
        return _Place(CLUSTER_MODEL_TEMPLATES, "", name)


class Lookup:
    """Finds models and templates.

    Parameters
    ----------
    tables
        What the gateway knows.
    identity
        What callers may do.
    """

    def __init__(self, tables: RestTables, identity: Identity) -> None:
        self._tables = tables
        self._identity = identity
        self._models = _Models(tables.records)
        self._templates = _Templates(tables.templates)

    async def model(self, call: ControlCall, identifier: str) -> Object:
        """Return the instance that an identifier means, as it is now.

        Parameters
        ----------
        call
            The request.
        identifier
            Uid, ``namespace/name``, or the name of a model: in the selected account if there is one.

        Raises
        ------
        Failure
            ``NOT_FOUND``; what the API server refuses.
        """
        return await self._found(call, self._models, identifier)

    async def template(self, call: ControlCall, identifier: str, *, for_deletion: bool = False) -> Object:
        """Return the template that an identifier means, as it is now.

        Parameters
        ----------
        call
            The request.
        identifier
            Uid, ``namespace/name``, or a name: of a ModelTemplate, in the selected account if there is one,
            or else of a ClusterModelTemplate.
        for_deletion
            Whether the name of a ClusterModelTemplate, which all accounts use, does not mean it: a client
            that sends the deletion of a ModelTemplate again would delete the other one, too.

        Raises
        ------
        Failure
            ``NOT_FOUND``; what the API server refuses.
        """
        return await self._found(call, self._templates, identifier, of_cluster=not for_deletion)

    async def visible_namespaces(
        self, call: ControlCall, action: Action, namespaces: Collection[str]
    ) -> Callable[[str], bool]:
        """Return whether the caller may see the objects of a namespace.

        Parameters
        ----------
        call
            The request.
        action
            The ``list`` of a kind.
        namespaces
            Those of interest.
        """
        allowed = await self._identity.allowed_namespaces(call.caller, action, namespaces)
        return (lambda _: True) if allowed is None else allowed.__contains__

    async def _found(
        self, call: ControlCall, index: _Index, identifier: str, *, of_cluster: bool = True
    ) -> Object:
        parts = identifier.split("/")
        if len(parts) > _PARTS or not all(may_be_object_name(each) for each in parts):
            raise _missing(index, identifier)
        if len(parts) == _PARTS:
            if not self._tables.may_be_account(parts[0]):
                raise _missing(index, identifier)
            return await _live(call, index, _Place(index.kind, *parts), identifier)
        place = await self._identified(index, identifier) or await self._named(call, index, identifier)
        for each in (place, index.of_cluster(identifier) if of_cluster else None):
            found = None if each is None else await _seen(call, index, each, identifier)
            if found is not None:
                return found
        raise _missing(index, identifier)

    async def _identified(self, index: _Index, identifier: str) -> _Place | None:
        """Return where the object with that uid is."""
        place = index.by_uid(identifier)
        if place is None and _may_be_uid(identifier) and not index.was_deleted(identifier):
            # Another replica may have created it just now.
            place = await self._tables.until(lambda: index.by_uid(identifier), _WATCH_SECONDS)
        return place

    async def _named(self, call: ControlCall, index: _Index, name: str) -> _Place | None:
        """Return where the one object of that name is that the caller may see."""
        if call.account:
            # Also one that another replica has created just now, which the API server alone knows.
            namespaces = self._tables.accounts.namespaces_of(call.account)
            places = [_Place(index.kind, each, name) for each in sorted(namespaces)]
            if len(places) > 1:
                places = [each for each in places if each in index.named(name)]
        else:
            places = index.named(name)
        if not call.account or len(places) > 1:
            namespaces = frozenset(each.namespace for each in places)
            is_visible = await self.visible_namespaces(call, index.action, namespaces)
            places = [each for each in places if is_visible(each.namespace)]
        if len(places) > 1:
            raise _ambiguous(index, name, places)
        return places[0] if places else None


async def _live(call: ControlCall, index: _Index, place: _Place, identifier: str) -> Object:
    """Return an object as it is now."""
    try:
        found = await call.client.get(place.kind, place.namespace, place.name)
    except NotFoundError as error:
        raise _missing(index, identifier) from error
    except ApiError as error:
        raise api_failure(error) from error
    metadata = found["metadata"]
    if metadata.get("deletionTimestamp") or place.uid not in ("", metadata["uid"]):
        raise _missing(index, identifier)
    return found


async def _seen(call: ControlCall, index: _Index, place: _Place, identifier: str) -> Object | None:
    """Return an object whose identifier does not name its namespace: a refusal would disclose it."""
    try:
        return await _live(call, index, place, identifier)
    except Failure as failure:
        if failure.reason in _UNSEEN:
            return None
        raise


def _may_be_uid(identifier: str) -> bool:
    return len(identifier) == _UUID_LENGTH and identifier.count("-") == _DASHES


def _missing(index: _Index, identifier: str) -> Failure:
    return Failure(
        FailureReason.NOT_FOUND,
        f"the {index.noun} {shown(identifier)} does not exist, or you may not see it. Action (user): use its "
        f"id, or namespace/name with the slash as %2F; GET /v4/{index.path} lists what you may see.",
    )


def _ambiguous(index: _Index, name: str, places: list[_Place]) -> Failure:
    ids = sorted(f"{each.namespace}/{each.name}" for each in places)
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return Failure(
        FailureReason.NOT_FOUND,
        f"the name {shown(name)} means {len(ids)} {index.noun}s: {', '.join(ids[:_SHOWN])}{more}. Action "
        "(user): use an id or namespace/name, or select an account by the header x-selected-account-id.",
    )
