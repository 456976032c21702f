"""Checks before the start of the gateway: one clear line instead of endless errors."""

from __future__ import annotations

from typing import Final

from model_operator.api import API_VERSION
from model_operator.gateway.settings import GatewaySettings
from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection
from model_operator.kube.errors import NotFoundError, StartupError
from model_operator.kube.resources import (
    ACCESS_REVIEWS,
    ENDPOINT_SLICES,
    MODEL_INSTANCES,
    TOKEN_REVIEWS,
    ResourceKind,
)
from model_operator.process.start_errors import startup_errors

_WATCHED: Final = (MODEL_INSTANCES, ENDPOINT_SLICES)
_CREATED: Final = (TOKEN_REVIEWS, ACCESS_REVIEWS)


async def check_cluster(client: ApiClient, connection: Connection, settings: GatewaySettings) -> None:
    """Check that the API server responds, the CRDs are installed and the permissions suffice.

    Raises
    ------
    StartupError
        When something is missing; the message is one line that says what to do.
    """
    with startup_errors(connection.server):
        await client.get_path("/version")
        await _check_crd(client)
        for kind in _WATCHED:
            for verb in ("list", "watch"):
                for namespace in settings.namespaces or [""]:
                    await _check_permission(client, verb, kind, namespace)
        for kind in _CREATED:
            await _check_permission(client, "create", kind, "")


async def _check_crd(client: ApiClient) -> None:
    try:
        discovered = await client.get_path(f"/apis/{API_VERSION}")
    except NotFoundError:
        discovered = {}
    if MODEL_INSTANCES.plural not in {resource["name"] for resource in discovered.get("resources", [])}:
        raise StartupError(f"the CRD {MODEL_INSTANCES} is missing; install it with: kubectl apply -f crds/")


async def _check_permission(client: ApiClient, verb: str, kind: ResourceKind, namespace: str) -> None:
    if not await client.is_allowed(verb, kind, namespace):
        where = f"in namespace {namespace}" if namespace else "in all namespaces"
        raise StartupError(
            f"permission missing: {verb} {kind} {where}; grant it to the gateway by a ClusterRole, as "
            "manifests/overlays/gateway does"
        )
