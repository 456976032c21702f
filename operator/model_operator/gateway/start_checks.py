"""Checks before the start of the gateway: one clear line instead of endless errors."""

from __future__ import annotations

from typing import Final

import structlog

from model_operator.api import API_VERSION
from model_operator.gateway.settings import GatewaySettings
from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection
from model_operator.kube.errors import NotFoundError, StartupError
from model_operator.kube.resources import (
    ACCESS_REVIEWS,
    CLUSTER_MODEL_TEMPLATES,
    ENDPOINT_SLICES,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    NAMESPACES,
    TOKEN_REVIEWS,
    ResourceKind,
)
from model_operator.process.start_errors import startup_errors

log = structlog.get_logger(__name__)

_CUSTOM: Final = (MODEL_INSTANCES, MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES)
_WATCHED: Final = (MODEL_INSTANCES, ENDPOINT_SLICES, MODEL_TEMPLATES)
_WATCHED_CLUSTER_WIDE: Final = (CLUSTER_MODEL_TEMPLATES, NAMESPACES)
_WATCH: Final = ("list", "watch")
_CREATED: Final = (TOKEN_REVIEWS, ACCESS_REVIEWS)


async def check_cluster(
    client: ApiClient, connection: Connection, settings: GatewaySettings
) -> frozenset[ResourceKind]:
    """Check that the API server responds, the CRDs are installed and the permissions suffice.

    Returns
    -------
    frozenset of ResourceKind
        The kinds that can be watched. A gateway for some namespaces works without ClusterModelTemplates and
        Namespaces when it has no permission for them.

    Raises
    ------
    StartupError
        When something is missing; the message is one line that says what to do.
    """
    with startup_errors(connection.server):
        await client.get_path("/version")
        await _check_crds(client)
        for kind in _WATCHED:
            for verb in _WATCH:
                for namespace in settings.namespaces or [""]:
                    await _check_permission(client, verb, kind, namespace)
        for kind in _CREATED:
            await _check_permission(client, "create", kind, "")
        return frozenset({*_WATCHED, *await _watched_cluster_wide(client, settings)})


async def _watched_cluster_wide(client: ApiClient, settings: GatewaySettings) -> list[ResourceKind]:
    watched = []
    for kind in _WATCHED_CLUSTER_WIDE:
        try:
            for verb in _WATCH:
                await _check_permission(client, verb, kind, "")
        except StartupError:
            if not settings.namespaces:
                raise
            log.info("not watched, for lack of permission; the REST API works without", kind=str(kind))
        else:
            watched.append(kind)
    return watched


async def _check_crds(client: ApiClient) -> None:
    try:
        discovered = await client.get_path(f"/apis/{API_VERSION}")
    except NotFoundError:
        discovered = {}
    served = {resource["name"] for resource in discovered.get("resources", [])}
    if missing := [str(kind) for kind in _CUSTOM if kind.plural not in served]:
        raise StartupError(
            f"CRDs are missing: {', '.join(missing)}; install them with: kubectl apply -f crds/"
        )


async def _check_permission(client: ApiClient, verb: str, kind: ResourceKind, namespace: str) -> None:
    if not await client.is_allowed(verb, kind, namespace):
        where = f"in namespace {namespace}" if namespace else "in all namespaces"
        raise StartupError(
            f"permission missing: {verb} {kind} {where}; grant it to the gateway by a ClusterRole, as "
            "manifests/overlays/gateway does"
        )
