"""What the gateway checks before it starts, and with which of its permissions it can do without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from model_operator.gateway.settings import GatewaySettings
from model_operator.gateway.start_checks import check_cluster
from model_operator.kube.errors import StartupError
from model_operator.kube.resources import (
    CLUSTER_MODEL_TEMPLATES,
    ENDPOINT_SLICES,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    NAMESPACES,
    ResourceKind,
)

if TYPE_CHECKING:
    from model_operator.kube.client import ApiClient
    from model_operator.kube.connection import Connection

CUSTOM = ("modelinstances", "modeltemplates", "clustermodeltemplates")
NAMESPACED = {MODEL_INSTANCES, MODEL_TEMPLATES, ENDPOINT_SLICES}


class Cluster:
    """An API server, and the connection with it."""

    server = "https://cluster.test"

    def __init__(self, denied: frozenset[tuple[str, str, str]], served: tuple[str, ...]) -> None:
        self._denied = denied
        self._served = served

    async def get_path(self, path: str) -> dict[str, Any]:
        del path
        return {"resources": [{"name": name} for name in self._served]}

    async def is_allowed(self, verb: str, kind: ResourceKind, namespace: str) -> bool:
        return (verb, kind.plural, namespace) not in self._denied


async def check(
    *denied: tuple[str, str, str], namespaces: tuple[str, ...] = (), served: tuple[str, ...] = CUSTOM
) -> frozenset[ResourceKind]:
    cluster = Cluster(frozenset(denied), served)
    settings = GatewaySettings(namespaces=list(namespaces))
    return await check_cluster(cast("ApiClient", cluster), cast("Connection", cluster), settings)


async def test_all_kinds_are_watched() -> None:
    assert await check() == {*NAMESPACED, CLUSTER_MODEL_TEMPLATES, NAMESPACES}


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("list", "modelinstances"),
        ("watch", "endpointslices"),
        ("list", "modeltemplates"),
        ("watch", "clustermodeltemplates"),
        ("list", "namespaces"),
        ("create", "tokenreviews"),
        ("create", "subjectaccessreviews"),
    ],
)
async def test_a_missing_permission_is_named(verb: str, kind: str) -> None:
    with pytest.raises(StartupError, match=rf"permission missing: {verb} {kind}\S* in all namespaces"):
        await check((verb, kind, ""))


async def test_for_some_namespaces_permissions_in_each_suffice() -> None:
    cluster_wide = [("list", kind, "") for kind in ("clustermodeltemplates", "namespaces", "modelinstances")]

    assert await check(*cluster_wide, namespaces=("team-a", "team-b")) == NAMESPACED


async def test_for_some_namespaces_one_kind_of_the_cluster_may_be_missing_alone() -> None:
    denied = ("watch", "clustermodeltemplates", "")

    assert await check(denied, namespaces=("team-a",)) == {*NAMESPACED, NAMESPACES}


async def test_a_permission_that_is_missing_in_one_of_some_namespaces_is_named() -> None:
    with pytest.raises(StartupError, match=r"list modeltemplates\S* in namespace team-b"):
        await check(("list", "modeltemplates", "team-b"), namespaces=("team-a", "team-b"))


async def test_missing_crds_are_named() -> None:
    with pytest.raises(StartupError, match=r"CRDs are missing: modeltemplates\S*, clustermodeltemplates"):
        await check(served=("modelinstances",))
