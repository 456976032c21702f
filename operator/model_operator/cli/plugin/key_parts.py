"""The parts of a key in the cluster: created as a whole or not at all, listed, and deleted."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from model_operator.cli.plugin.cluster import Cluster
from model_operator.cli.plugin.queries import QueryError
from model_operator.core.diagnosis.pod_events import moment
from model_operator.core.gateway.access import EXECUTE, EXECUTE_VERB
from model_operator.core.gateway.keys import (
    API_KEY_LABEL,
    EXPIRES_ANNOTATION,
    Grant,
    Key,
    account_name,
    granted_namespaces,
    is_part,
    key_facts,
    role,
    role_binding,
    role_name,
    secret,
    service_account,
    token_request,
)
from model_operator.core.inspection.facts import name_of
from model_operator.kube.client import Object
from model_operator.kube.clock import utc_now
from model_operator.kube.errors import (
    ApiUnavailableError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
)
from model_operator.kube.resources import (
    MODEL_INSTANCES,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    ResourceKind,
)

Part = tuple[ResourceKind, str, str]
"""Kind, namespace and name of an object."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key.

    Attributes
    ----------
    key
        What it is for.
    token
        The key itself.
    expires, requested
        When it expires, and when it was to.
    """

    key: Key
    token: str
    expires: datetime.datetime
    requested: datetime.datetime

    @property
    def models(self) -> str:
        """The models, for people."""
        named = [f"{grant.namespace}/{model}" for grant in self.key.grants for model in grant.models]
        return ", ".join(named) or f"all models of namespace {self.key.namespace}"


async def create_key(cluster: Cluster, key: Key, seconds: int) -> Issued:
    """Create the parts of a key and return its token.

    Parameters
    ----------
    cluster
        The cluster.
    key
        What to create.
    seconds
        Its lifetime.

    Raises
    ------
    QueryError
        A permission or a model is missing, the key exists, or the cluster failed; the message says what is
        left of the key, if anything is.
    """
    await _check_permissions(cluster, key)
    for grant in key.grants:
        for model in grant.models:
            await cluster.in_namespace(grant.namespace).instance(model)
    try:
        with _writing(cluster, "create", SERVICE_ACCOUNTS, key.namespace):
            account = await cluster.client.create(SERVICE_ACCOUNTS, service_account(key))
    except QueryError as error:
        if isinstance(error.__cause__, ConflictError):
            raise QueryError(await _exists(cluster, key)) from error
        if isinstance(error.__cause__, ApiUnavailableError):
            raise QueryError(f"{error}; {_remains(key, [])}") from error
        raise
    try:
        return await _completed(cluster, key, seconds, account)
    except (QueryError, asyncio.CancelledError) as error:
        # Nothing must be left of a key that was not printed: also after Ctrl-C, and of a request without a
        # response.
        _, left = await _deleted(cluster, key.name, [grant.namespace for grant in key.grants])
        message = str(error) or "interrupted"
        raise QueryError(
            f"{message}; {_remains(key, left) if left else 'no part of the key is left'}"
        ) from error


async def known_keys(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    """Return what is known of the keys of a namespace, or of all.

    Parameters
    ----------
    cluster
        The cluster.
    namespace
        Their namespace; empty for all.
    """
    accounts = await cluster.all(SERVICE_ACCOUNTS, namespace, labels=API_KEY_LABEL)
    bound: set[tuple[str, str]] | None = None
    # Without the permission to list Secrets, a key that was revoked by deleting its Secret looks as before.
    with suppress(QueryError):
        secrets = await cluster.all(SECRETS, namespace, labels=API_KEY_LABEL, metadata_only=True)
        bound = {(each["metadata"]["namespace"], name_of(each)) for each in secrets}
    found = [
        key_facts(each, is_revoked=bound is not None and _place(each) not in bound)
        for each in accounts
        if name_of(each) == account_name(each["metadata"]["labels"][API_KEY_LABEL])
    ]
    return sorted(found, key=lambda each: (each["namespace"], each["name"]))


async def revoke_key(cluster: Cluster, name: str) -> tuple[list[str], list[str]]:
    """Delete the parts of a key.

    Parameters
    ----------
    cluster
        The cluster.
    name
        Name of the key, in the cluster's namespace.

    Returns
    -------
    tuple
        The parts that were deleted, and for each that was not, why.

    Raises
    ------
    QueryError
        Its ServiceAccount cannot be read.
    """
    account = await _part(cluster, (SERVICE_ACCOUNTS, cluster.namespace, account_name(name)), name)
    return await _deleted(cluster, name, granted_namespaces(account) if account else [])


async def _completed(cluster: Cluster, key: Key, seconds: int, account: Object) -> Issued:
    """Create all parts but the ServiceAccount, and the token."""

    async def make(kind: ResourceKind, obj: Object) -> Object:
        with _writing(cluster, "create", kind, obj["metadata"]["namespace"]):
            return await cluster.client.create(kind, obj)

    for grant in key.grants:
        await make(ROLES, role(key, grant, account))
        await make(ROLE_BINDINGS, role_binding(key, grant, account))
    bound = await make(SECRETS, secret(key, account))
    requested = utc_now() + datetime.timedelta(seconds=seconds)
    with _writing(cluster, "create", SERVICE_ACCOUNTS, key.namespace):
        spec = token_request(key, seconds, bound)
        status = await cluster.client.request_token(key.namespace, key.account, spec)
    expires = str(status["expirationTimestamp"])
    with _writing(cluster, "patch", SERVICE_ACCOUNTS, key.namespace):
        patch = {"metadata": {"annotations": {EXPIRES_ANNOTATION: expires}}}
        await cluster.client.patch(SERVICE_ACCOUNTS, key.namespace, key.account, patch)
    return Issued(key, str(status["token"]), moment(expires), requested)


async def _deleted(cluster: Cluster, key: str, granted: Iterable[str]) -> tuple[list[str], list[str]]:
    """Delete the parts of a key.

    Parameters
    ----------
    cluster, key
        The cluster, and the name of the key in its namespace.
    granted
        Namespaces in which it has Roles.

    Returns
    -------
    tuple
        As for `revoke_key`.
    """
    own = cluster.namespace
    # The Secret first, which ends the key; the ServiceAccount last, as it names the namespaces of the Roles.
    parts: list[Part] = [(SECRETS, own, account_name(key))]
    for kind in (ROLE_BINDINGS, ROLES):
        parts += [(kind, where, role_name(own, key, where)) for where in sorted({own, *granted})]
    deleted: list[str] = []
    kept: list[str] = []
    for part in parts:
        await _delete(cluster, part, key, deleted, kept)
    account = (SERVICE_ACCOUNTS, own, account_name(key))
    if kept:
        kept.append(f"{_shown(account)}: is deleted after the others")
    else:
        await _delete(cluster, account, key, deleted, kept)
    return deleted, kept


async def _delete(cluster: Cluster, part: Part, key: str, deleted: list[str], kept: list[str]) -> None:
    kind, namespace, name = part
    try:
        obj = await _part(cluster, part, key)
        if obj is None:
            return
        try:
            with cluster.query_errors("delete", kind, namespace):
                await cluster.client.delete(kind, namespace, name, obj["metadata"]["uid"])
        except QueryError as error:
            if not isinstance(error.__cause__, NotFoundError):
                raise
    except QueryError as error:
        kept.append(f"{_shown(part)}: {error}")
    else:
        deleted.append(_shown(part))


def _remains(key: Key, left: Sequence[str]) -> str:
    what = f"left: {'; '.join(left)}" if left else "its ServiceAccount may have been created"
    return f"{what}. Action (user): kubectl model key revoke {key.name} --namespace {key.namespace}"


@contextmanager
def _writing(cluster: Cluster, verb: str, kind: ResourceKind, namespace: str) -> Iterator[None]:
    """Turn the errors of a write into messages: the permission is there, so a refusal has another reason."""
    try:
        with cluster.query_errors(verb, kind, namespace):
            yield
    except QueryError as error:
        cause = error.__cause__
        if isinstance(cause, ForbiddenError) and cause.code != HTTPStatus.UNAUTHORIZED:
            said = cause.status.get("message") or f"HTTP {cause.code}"
            raise QueryError(f"the cluster refused to {verb} a {kind.kind}: {said}") from cause
        raise


async def _exists(cluster: Cluster, key: Key) -> str:
    part = (SERVICE_ACCOUNTS, key.namespace, key.account)
    if await _part(cluster, part, key.name) is None:
        return f"{_shown(part)} exists and is no key: choose another name"
    return (
        f"there is already a key {key.name} in namespace {key.namespace}: choose another name, or revoke it "
        f"first: kubectl model key revoke {key.name} --namespace {key.namespace}"
    )


async def _part(cluster: Cluster, part: Part, key: str) -> Object | None:
    """Return a part of a key of the cluster's namespace; None if there is none, or an object of another."""
    kind, namespace, name = part
    try:
        with cluster.query_errors("get", kind, namespace):
            found = await cluster.client.get(kind, namespace, name)
    except QueryError as error:
        if isinstance(error.__cause__, NotFoundError):
            return None
        raise
    return found if is_part(found, cluster.namespace, key) else None


async def _check_permissions(cluster: Cluster, key: Key) -> None:
    """Check beforehand that the user may create all parts, so that all that is missing is named at once.

    Raises
    ------
    QueryError
        Something is missing.
    """
    own = key.namespace
    needed = [
        ("create", SERVICE_ACCOUNTS, own, ""),
        ("patch", SERVICE_ACCOUNTS, own, ""),
        ("create", SERVICE_ACCOUNTS, own, "token"),
        ("create", SECRETS, own, ""),
        *((verb, kind, grant.namespace, "") for grant in key.grants for verb, kind in _GRANTING),
    ]
    allowed = await asyncio.gather(*(_may(cluster, *each) for each in needed))
    missing = [
        f"{verb} {kind}{f'/{part}' if part else ''} in namespace {namespace}"
        for (verb, kind, namespace, part), is_allowed in zip(needed, allowed, strict=True)
        if not is_allowed
    ]
    if missing:
        raise QueryError(
            f"you cannot {', '.join(missing)}. Action (cluster administrator): bind the ClusterRole admin, "
            "which grants that in a namespace"
        )
    refused = [each for grant in key.grants for each in await _not_executable(cluster, grant)]
    if refused:
        raise QueryError(
            f"you cannot {EXECUTE_VERB} {MODEL_INSTANCES}/{EXECUTE} of {', '.join(refused)}, and you can "
            "only grant permissions that you have. Action (cluster administrator): install the roles of the "
            "gateway, which add that permission to edit and admin"
        )


_GRANTING = (("create", ROLES), ("create", ROLE_BINDINGS))


async def _not_executable(cluster: Cluster, grant: Grant) -> list[str]:
    """Return which models of a grant the user may neither execute nor grant otherwise."""
    if await _may(cluster, "escalate", ROLES, grant.namespace, ""):
        return []
    if not grant.models:
        may = await _may(cluster, EXECUTE_VERB, MODEL_INSTANCES, grant.namespace, EXECUTE)
        return [] if may else [f"all models of namespace {grant.namespace}"]
    return [
        f"{grant.namespace}/{model}"
        for model in grant.models
        if not await _may(cluster, EXECUTE_VERB, MODEL_INSTANCES, grant.namespace, EXECUTE, model)
    ]


async def _may(
    cluster: Cluster, verb: str, kind: ResourceKind, namespace: str, subresource: str, name: str = ""
) -> bool:
    with cluster.query_errors("create", kind, namespace):
        return await cluster.client.is_allowed(verb, kind, namespace, subresource, name)


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], name_of(obj)


def _shown(part: Part) -> str:
    kind, namespace, name = part
    return f"{kind.kind} {namespace}/{name}"
