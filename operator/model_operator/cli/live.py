"""The live objects of the instances that are rendered: read once, never written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from model_operator.core.objects.ownership import controller_key, instance_key
from model_operator.core.offline.collection import Collection
from model_operator.core.offline.rendered import Identity, Snapshot
from model_operator.core.templates.sharing import grant_of
from model_operator.kube.client import ApiClient, Object
from model_operator.kube.connection import Connection
from model_operator.kube.errors import ForbiddenError, NotFoundError
from model_operator.kube.kubeconfig import load_configuration
from model_operator.kube.resources import (
    CHILD_KINDS,
    CLUSTER_MODEL_TEMPLATE_REVISIONS,
    CLUSTER_MODEL_TEMPLATES,
    MODEL_INSTANCES,
    MODEL_TEMPLATE_REVISIONS,
    MODEL_TEMPLATES,
    NAMESPACES,
    ResourceKind,
)
from model_operator.settings import OperatorSettings


async def take_snapshot(settings: OperatorSettings, collection: Collection) -> Snapshot:
    """Return the live objects of the instances of a collection.

    Parameters
    ----------
    settings
        The cluster and the credentials.
    collection
        The instances; only their namespaces are read, and the templates of those that they name.

    Raises
    ------
    StartupError
        There is no usable kubeconfig.
    ApiError
        The cluster does not respond, or reading the instances or their children is forbidden.
    """
    connection = Connection(
        lambda: load_configuration(settings.kubeconfig, settings.context), settings.request_timeout_seconds
    )
    try:
        return await _read(ApiClient(connection), collection)
    finally:
        await connection.close()


async def _read(client: ApiClient, collection: Collection) -> Snapshot:
    snapshot = Snapshot()
    wanted = {manifest.identity for manifest in collection.instances}
    namespaces = sorted({namespace for _, namespace, _ in wanted})
    for namespace in namespaces:
        async for instance in client.list(MODEL_INSTANCES, namespace):
            if _identity(instance) in wanted:
                snapshot.instances[_identity(instance)] = instance
    for namespace in sorted({*namespaces, *_homes(collection)}):
        snapshot.templates += await _readable(client, MODEL_TEMPLATES, namespace)
        snapshot.revisions += await _readable(client, MODEL_TEMPLATE_REVISIONS, namespace)
    snapshot.templates += await _readable(client, CLUSTER_MODEL_TEMPLATES)
    snapshot.revisions += await _readable(client, CLUSTER_MODEL_TEMPLATE_REVISIONS)
    given = (manifest.obj for manifest in collection.templates)
    if any(grant_of(template).selector is not None for template in (*given, *snapshot.templates)):
        snapshot.labels = await _labels(client, namespaces)
    owners = {
        instance_key(instance["metadata"]["namespace"], instance["metadata"]["uid"])
        for instance in snapshot.instances.values()
    }
    for namespace in namespaces:
        for kind in CHILD_KINDS:
            async for child in client.list(kind, namespace):
                if controller_key(child) in owners:
                    snapshot.children.append(child)
    return snapshot


async def _labels(client: ApiClient, namespaces: Iterable[str]) -> dict[str, Mapping[str, str]]:
    """Return the labels of those of the namespaces that are readable."""
    found: dict[str, Mapping[str, str]] = {}
    for namespace in namespaces:
        with suppress(ForbiddenError, NotFoundError):
            read = await client.get(NAMESPACES, "", namespace)
            found[namespace] = read["metadata"].get("labels") or {}
    return found


def _homes(collection: Collection) -> Iterator[str]:
    """Yield the namespaces of the templates that instances name with their namespace."""
    for manifest in collection.instances:
        home = manifest.obj["spec"].get("model_template_namespace")
        if isinstance(home, str) and home:
            yield home


async def _readable(client: ApiClient, kind: ResourceKind, namespace: str = "") -> list[Object]:
    """Return templates or revisions; none where that is forbidden: the files may hold them."""
    try:
        return [each async for each in client.list(kind, namespace)]
    except (ForbiddenError, NotFoundError):
        return []


def _identity(obj: Mapping[str, Any]) -> Identity:
    metadata = obj["metadata"]
    return obj["kind"], metadata.get("namespace", ""), metadata.get("name", "")
