"""Create an object over the REST API: its account, and the answer when its name is taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from model_operator.core.gateway.access import (
    CREATE_MODELS,
    CREATE_TEMPLATES,
    LIST_MODELS,
    LIST_TEMPLATES,
    Action,
)
from model_operator.core.gateway.failures import NO_RETRY, Failure, FailureReason, invalid
from model_operator.core.gateway.naming import shown
from model_operator.core.gateway.rest.creation_repeats import is_repeat, with_idempotency_key
from model_operator.core.gateway.rest.entries import BODY, Entry
from model_operator.gateway.identity import Identity
from model_operator.gateway.rest.control_call import ControlCall, api_failure
from model_operator.gateway.rest.rest_tables import RestTables
from model_operator.kube.errors import ApiError, ConflictError, ForbiddenError, NotFoundError
from model_operator.kube.resources import MODEL_INSTANCES, MODEL_TEMPLATES, ResourceKind

Object = dict[str, Any]

_NAMESPACE: Final = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_COUNT: Final = re.compile("[0-9]{1,9}")
_RETRY_COUNT, _IDEMPOTENCY_KEY = "x-stainless-retry-count", "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Creatable:
    """What is created.

    Attributes
    ----------
    kind
        Its kind.
    noun
        What people call it.
    create, list
        The permissions of its kind.
    instead
        What a user may do with the one that has the name.
    """

    kind: ResourceKind
    noun: str
    create: Action
    list: Action
    instead: str


MODELS: Final = Creatable(MODEL_INSTANCES, "model", CREATE_MODELS, LIST_MODELS, "change that model by PATCH")
TEMPLATES: Final = Creatable(
    MODEL_TEMPLATES, "template", CREATE_TEMPLATES, LIST_TEMPLATES, "delete that template"
)


class Creation:
    """Creates objects with the token of the caller.

    Parameters
    ----------
    tables
        What the gateway knows.
    identity
        What callers may do.
    clock
        Time now, in UTC.
    """

    def __init__(self, tables: RestTables, identity: Identity, clock: Callable[[], datetime]) -> None:
        self._tables = tables
        self._identity = identity
        self._clock = clock

    async def account(
        self, call: ControlCall, account: str, what: Creatable, wrong: Sequence[Entry] = ()
    ) -> tuple[str, bool]:
        """Return the namespace of an account, and whether the caller may create such objects in it.

        Parameters
        ----------
        call
            The request.
        account
            Its account.
        what
            What is created.
        wrong
            What is wrong with the body by itself. Unless the caller may create such objects there, it is
            reported at once: beside an account that the caller may not know of as beside one that does not
            exist.

        Raises
        ------
        Failure
            ``INVALID`` for an account that does not exist, or is that of several namespaces.
        """
        namespaces = self._tables.accounts.namespaces_of(account)
        if not namespaces:
            # One that has just been created may not have been watched yet.
            if not _NAMESPACE.fullmatch(account) or not self._tables.may_be_account(account):
                raise _no_account(account, what, wrong)
            namespaces = frozenset({account})
        allowed = await self._identity.allowed_namespaces(call.caller, what.create, namespaces)
        usable = sorted(each for each in namespaces if allowed is None or each in allowed)
        if len(usable) > 1:
            message = (
                f"{len(usable)} namespaces in which you may create {what.noun}s have this account: "
                f"{', '.join(usable)}; use the name of one of them"
            )
            raise invalid(*wrong, Entry((BODY, "account_id"), message, "account_ambiguous", account))
        if usable:
            return usable[0], True
        (namespace, *others) = namespaces
        if others:
            raise _no_account(account, what, wrong)
        if wrong:
            may_list = await self._identity.may(call.caller, what.list, namespace)
            raise invalid(*wrong) if may_list else _no_account(account, what, wrong)
        return namespace, False

    async def create(
        self,
        call: ControlCall,
        what: Creatable,
        wanted: Object,
        *,
        account: str,
        may_create: bool,
        body: Mapping[str, Any],
    ) -> Object:
        """Create an object; the same creation again gives the same object.

        Parameters
        ----------
        call
            The request.
        what
            What is created.
        wanted
            The object.
        account, may_create
            The account of the request, and what `account` says of it.
        body
            The body of the request, whose values the entries of a failure show.

        Raises
        ------
        Failure
            What the API server refuses; ``CONFLICT`` when another object has the name.
        """
        wanted = with_idempotency_key(wanted, call.headers.get(_IDEMPOTENCY_KEY, ""))
        try:
            return await call.client.create(what.kind, wanted)
        except ConflictError as error:
            return await self._repeated(call, what, wanted, error)
        except NotFoundError as error:
            raise _no_account(account, what) from error
        except ForbiddenError as error:
            namespace = wanted["metadata"]["namespace"]
            # A key that the API server has just ceased to accept says nothing of the account.
            is_hidden = error.code == HTTPStatus.FORBIDDEN and not may_create
            if is_hidden and not await self._identity.may(call.caller, what.list, namespace):
                raise _no_account(account, what) from error
            raise api_failure(error, body) from error
        except ApiError as error:
            raise api_failure(error, body) from error

    async def _repeated(
        self, call: ControlCall, what: Creatable, wanted: Object, error: ConflictError
    ) -> Object:
        """Return the object that the same creation made before; otherwise the name is taken."""
        metadata = wanted["metadata"]
        try:
            existing = await call.client.get(what.kind, metadata["namespace"], metadata["name"])
        except NotFoundError:
            # It was deleted between the two requests.
            raise api_failure(error) from error
        except ForbiddenError as refused:
            raise _taken(metadata["name"], what) from refused
        except ApiError as failed:
            raise api_failure(failed) from failed
        if existing["metadata"].get("deletionTimestamp"):
            raise Failure(
                FailureReason.CONFLICT,
                f"a {what.noun} of the name {shown(metadata['name'])} is being deleted. Action (user): try "
                "again when its workers have ended.",
                headers={"Retry-After": "1"},
            )
        if is_repeat(
            existing,
            wanted,
            call.caller.username,
            retry_count=_count(call.headers.get(_RETRY_COUNT, "")),
            idempotency_key=call.headers.get(_IDEMPOTENCY_KEY, ""),
            now=self._clock(),
        ):
            return existing
        raise _taken(metadata["name"], what)


def _no_account(account: str, what: Creatable, wrong: Sequence[Entry] = ()) -> Failure:
    message = (
        f"there is no such account, or you may not create {what.noun}s in it: expected the name of a "
        "namespace, or the value of its label modeloperator.dev/account-id"
    )
    return invalid(*wrong, Entry((BODY, "account_id"), message, "account_not_found", account))


def _taken(name: str, what: Creatable) -> Failure:
    return Failure(
        FailureReason.CONFLICT,
        f"a {what.noun} of the name {shown(name)} exists in this account. Action (user): choose another "
        f"name, or {what.instead}.",
        headers=NO_RETRY,
    )


def _count(text: str) -> int:
    return int(text) if _COUNT.fullmatch(text) else 0
