"""Callers of the gateway as the real API server knows them: audiences, roles, revocation, and its absence."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from multidict import CIMultiDict

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.models import Model
from model_operator.gateway.identity import Identity
from model_operator.gateway.identity_settings import IdentitySettings
from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection
from model_operator.kube.kubeconfig import load_configuration
from tests.cluster.control_plane import ControlPlane
from tests.cluster.gateway.callers import grant
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.kubeconfig import token_kubeconfig, write_kubeconfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster

OURS = "modeloperator.dev"
# The API server itself keeps a token for ten seconds.
REVOKED_SECONDS = 30.0


@asynccontextmanager
async def identity(kubeconfig: Path, **settings: Any) -> AsyncIterator[Identity]:
    connection = Connection(lambda: load_configuration(kubeconfig, None), 15)
    given = IdentitySettings(**{"allowed_seconds": 1, "denied_seconds": 1, **settings})
    found = Identity(ApiClient(connection), given, time.monotonic, time.time)
    try:
        yield found
    finally:
        await found.close()
        await connection.close()


def application(api: KubeApi, name: str = "app") -> None:
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})


def token(api: KubeApi, *audiences: str, name: str = "app", secret: str = "") -> str:
    spec: dict[str, Any] = {"audiences": list(audiences), "expirationSeconds": 3600}
    if secret:
        uid = api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}})["metadata"][
            "uid"
        ]
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Secret", "name": secret, "uid": uid}
    path = f"/api/v1/namespaces/{api.namespace}/serviceaccounts/{name}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(api.request("POST", path, body=body)["status"]["token"])


async def reason(found: Identity, key: str) -> FailureReason | None:
    try:
        await found.authenticate(bearer(key))
    except Failure as failure:
        return failure.reason
    return None


def bearer(key: str) -> CIMultiDict[str]:
    return CIMultiDict({"Authorization": f"Bearer {key}"})


async def eventually(condition: Any, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 -- the condition is the API server's
            await asyncio.sleep(0.1)


async def test_which_audiences_are_accepted(cluster: Cluster, api: KubeApi) -> None:
    application(api)
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    async with identity(cluster.kubeconfig) as found:
        user = f"system:serviceaccount:{api.namespace}:app"
        for audiences in ([OURS], [], [OURS, "other"], ["https://kubernetes.default.svc", OURS]):
            assert (await found.authenticate(bearer(token(api, *audiences)))).username == user
        for audience in ("vault", "modeloperator.dev.example.com"):
            assert await reason(found, token(api, audience)) is FailureReason.UNAUTHENTICATED
        assert await reason(found, token(api, OURS)[:-4] + "AAAA") is FailureReason.UNAUTHENTICATED
        # No JSON Web Token: an authenticator that knows no audiences.
        if static := config["users"][0]["user"].get("token"):
            assert "system:masters" in (await found.authenticate(bearer(static))).groups


async def test_another_audience_keeps_keys_of_gateways_apart(cluster: Cluster, api: KubeApi) -> None:
    application(api)
    async with identity(cluster.kubeconfig, audience="models.example.com") as found:
        assert await reason(found, token(api, "models.example.com")) is None
        assert await reason(found, token(api, OURS)) is FailureReason.UNAUTHENTICATED


async def test_a_role_may_name_the_models(cluster: Cluster, api: KubeApi) -> None:
    application(api)
    grant(api, "app", api.namespace, models=["qwen"])
    models = [Model(api.namespace, name, "1", 0, ()) for name in ("gemma", "qwen", "llama")]
    async with identity(cluster.kubeconfig) as found:
        caller = await found.authenticate(bearer(token(api, OURS)))
        await eventually(lambda: found.may_execute(caller, api.namespace, "qwen"))
        assert not await found.may_execute(caller, api.namespace, "gemma")
        assert not await found.may_execute(caller, "default", "qwen")
        assert [each.name for each in await found.filter(caller, models)] == ["qwen"]


async def test_a_role_may_be_for_all_models_of_the_namespace(cluster: Cluster, api: KubeApi) -> None:
    application(api)
    grant(api, "app", api.namespace)
    models = [Model(api.namespace, "qwen", "1", 0, ()), Model("default", "qwen", "2", 0, ())]
    async with identity(cluster.kubeconfig) as found:
        caller = await found.authenticate(bearer(token(api, OURS)))
        await eventually(lambda: found.may_execute(caller, api.namespace, ""))
        assert await found.filter(caller, models) == models[:1]


async def test_a_deleted_secret_revokes_the_token(cluster: Cluster, api: KubeApi) -> None:
    application(api)
    key = token(api, OURS, secret="app")
    async with identity(cluster.kubeconfig) as found:
        assert await reason(found, key) is None
        api.delete("Secret", "app")

        async def is_revoked() -> bool:
            return await reason(found, key) is FailureReason.UNAUTHENTICATED

        await eventually(is_revoked, REVOKED_SECONDS)


async def test_the_api_server_refuses_the_key_of_a_model(
    cluster: Cluster, api: KubeApi, tmp_path: Path
) -> None:
    application(api)
    key = token(api, OURS)
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    write_kubeconfig(tmp_path / "config", token_kubeconfig(config["clusters"][0]["cluster"], key))
    async with identity(cluster.kubeconfig) as found:
        assert await reason(found, key) is None
    with pytest.raises(KubeApiError) as caught:
        KubeApi(tmp_path / "config").list("ConfigMap")
    assert caught.value.code == 401


async def test_known_keys_outlive_the_api_server(control_plane: ControlPlane) -> None:
    with ControlPlane.start(bare=True) as private:
        api = KubeApi(private.kubeconfig)
        application(api)
        grant(api, "app", api.namespace, models=["qwen"])
        key, new = token(api, OURS), token(api, OURS)
        api.close()
        async with identity(private.kubeconfig, grace_seconds=20) as found:
            caller = await found.authenticate(bearer(key))
            await eventually(lambda: found.may_execute(caller, "default", "qwen"))
            assert not await found.may_execute(caller, "default", "gemma")
            await asyncio.to_thread(private.stop)
            lost = time.monotonic()
            while time.monotonic() < lost + 5:
                again = await found.authenticate(bearer(key))
                assert await found.may_execute(again, "default", "qwen")
                assert await reason(found, new) is FailureReason.AUTHENTICATION_UNAVAILABLE
                await asyncio.sleep(0.1)
            with pytest.raises(Failure) as caught:
                await found.may_execute(caller, "default", "gemma")
            assert caught.value.reason is FailureReason.AUTHENTICATION_UNAVAILABLE

            async def is_over() -> bool:
                return await reason(found, key) is FailureReason.AUTHENTICATION_UNAVAILABLE

            await eventually(is_over, 40)
