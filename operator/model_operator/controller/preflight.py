"""Checks before the start: one clear line for the operator administrator instead of endless errors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from model_operator.api import API_VERSION
from model_operator.controller.scope import Scope
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import NotFoundError, StartupError
from model_operator.kube.resources import (
    CHILD_KINDS,
    CLUSTER_MODEL_TEMPLATE_REVISIONS,
    CLUSTER_MODEL_TEMPLATES,
    MODEL_INSTANCES,
    MODEL_TEMPLATE_REVISIONS,
    MODEL_TEMPLATES,
    REVISION_KINDS,
    ResourceKind,
)
from model_operator.process.start_errors import startup_errors

_WATCH = ("list", "watch")
# `get` reads a revision whose name is taken.
_KEEP = ("get", *_WATCH, "create", "delete")
_NEEDED: tuple[tuple[ResourceKind, str, tuple[str, ...]], ...] = (
    # `get`: orphans are adopted only after the live instance was read.
    (MODEL_INSTANCES, "", ("get", *_WATCH)),
    (MODEL_INSTANCES, "status", ("patch",)),
    # Setting blockOwnerDeletion on a child requires permission to update its owner's finalizers.
    (MODEL_INSTANCES, "finalizers", ("update",)),
    (MODEL_TEMPLATES, "", _WATCH),
    (MODEL_TEMPLATES, "status", ("patch",)),
    (MODEL_TEMPLATE_REVISIONS, "", _KEEP),
    *((kind, "", ("get", *_WATCH, "create", "patch", "delete")) for kind in CHILD_KINDS),
)
_NEEDED_CLUSTER_WIDE: tuple[tuple[ResourceKind, str, tuple[str, ...]], ...] = (
    (CLUSTER_MODEL_TEMPLATES, "", _WATCH),
    (CLUSTER_MODEL_TEMPLATES, "status", ("patch",)),
)
_NEEDED_TO_STORE_CLUSTER_WIDE: tuple[tuple[ResourceKind, str, tuple[str, ...]], ...] = (
    (CLUSTER_MODEL_TEMPLATE_REVISIONS, "", _KEEP),
)
_NEEDED_FOR_ADMISSION: tuple[tuple[ResourceKind, str, tuple[str, ...]], ...] = (
    # A template is read from the API server before an instance is denied because of it.
    (MODEL_TEMPLATES, "", ("get",)),
)
_NEEDED_FOR_ADMISSION_CLUSTER_WIDE: tuple[tuple[ResourceKind, str, tuple[str, ...]], ...] = (
    (CLUSTER_MODEL_TEMPLATES, "", ("get",)),
)


async def check_cluster(
    client: ApiClient, server: str, scope: Scope, *, admission: bool
) -> Sequence[ResourceKind]:
    """Check that the server responds, the CRDs are installed and the permissions suffice.

    Parameters
    ----------
    client
        Requests.
    server
        URL to name in errors.
    scope
        The namespaces to be served.
    admission
        Whether the webhooks are enabled, which need more permissions.

    Returns
    -------
    sequence of ResourceKind
        The kinds that can be watched. An operator for some namespaces works without ClusterModelTemplates
        when it has no permission for them.

    Raises
    ------
    StartupError
        When something is missing; the message is one line that says what to do.
    """
    with startup_errors(server):
        await client.get_path("/version")
        await _check_crds(client)
        await _check_permissions(client, scope, _NEEDED + (_NEEDED_FOR_ADMISSION if admission else ()))
        # Before the templates, so that none seems to lack the revisions that it has.
        watched = [MODEL_TEMPLATE_REVISIONS]
        cluster_wide = _NEEDED_CLUSTER_WIDE + (_NEEDED_FOR_ADMISSION_CLUSTER_WIDE if admission else ())
        if not scope.namespaces:
            await _check_permissions(client, scope, cluster_wide + _NEEDED_TO_STORE_CLUSTER_WIDE)
            watched += [CLUSTER_MODEL_TEMPLATE_REVISIONS, CLUSTER_MODEL_TEMPLATES]
        elif await _has_permissions(client, cluster_wide):
            watched.append(CLUSTER_MODEL_TEMPLATES)
    return [*watched, MODEL_TEMPLATES, MODEL_INSTANCES, *CHILD_KINDS]


async def _has_permissions(
    client: ApiClient, needed: Sequence[tuple[ResourceKind, str, tuple[str, ...]]]
) -> bool:
    """Return whether the operator has permissions in the whole cluster."""
    try:
        await _check_permissions(client, Scope([], []), needed)
    except StartupError:
        return False
    return True


async def _check_crds(client: ApiClient) -> None:
    try:
        discovered = await client.get_path(f"/apis/{API_VERSION}")
    except NotFoundError:
        discovered = {}
    served = {resource["name"] for resource in discovered.get("resources", [])}
    custom = (MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES, MODEL_INSTANCES, *REVISION_KINDS)
    missing = [str(kind) for kind in custom if kind.plural not in served]
    if missing:
        raise StartupError(
            f"CRDs are missing: {', '.join(missing)}; install them with: kubectl apply -f crds/"
        )


async def _check_permissions(
    client: ApiClient, scope: Scope, needed: Sequence[tuple[ResourceKind, str, tuple[str, ...]]]
) -> None:
    questions = [
        (verb, kind, subresource, namespace)
        for kind, subresource, verbs in needed
        for verb in verbs
        for namespace in (scope.namespaces or [""])
    ]
    answers = await asyncio.gather(
        *(client.is_allowed(verb, kind, namespace, sub) for verb, kind, sub, namespace in questions)
    )
    for allowed, (verb, kind, subresource, namespace) in zip(answers, questions, strict=True):
        if not allowed:
            what = f"{kind}/{subresource}" if subresource else str(kind)
            where = f"in namespace {namespace}" if namespace else "in all namespaces"
            raise StartupError(
                f"permission missing: {verb} {what} {where}; grant it to the operator by a (Cluster)Role"
            )
