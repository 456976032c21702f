"""What others do to the Secret, the webhook configurations and our rights, and what becomes of it."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
import yaml

from model_operator.controller.webhooks.certificate import SECRET_NAME, ServingCertificate
from model_operator.core.webhooks.certificate import read_authorities
from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection
from model_operator.kube.errors import StartupError
from model_operator.kube.kubeconfig import load_configuration
from tests.cluster.kube_api import Object
from tests.integration.certificates.setting import KINDS, Setting, eventually, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster


async def _refusal(setting: Setting, part: str) -> str:
    """Give the error of a start, once it contains `part`: rights go with a delay."""
    seen = ""
    async with asyncio.timeout(30):
        while part not in seen:
            try:
                await setting.certificate().ensure()
            except StartupError as error:
                seen = str(error)
    return seen


async def test_only_ca_bundle_is_ours(setting: Setting) -> None:
    before = setting.live()
    await setting.certificate().ensure()
    after = setting.live()
    (ours,) = [e for e in after["metadata"]["managedFields"] if e["manager"] == "model-operator"]
    only: Object = {"f:clientConfig": {"f:caBundle": {}}}
    assert ours["operation"] == "Update"
    assert ours["fieldsV1"]["f:webhooks"] == {
        f'k:{{"name":"{name}.certificates.test"}}': only for name in ("one", "two")
    }
    for webhook in after["webhooks"]:
        del webhook["clientConfig"]["caBundle"]
    assert after["webhooks"] == before["webhooks"]


async def test_an_apply_without_the_field_changes_nothing(setting: Setting) -> None:
    for kind in KINDS:
        setting.api.apply(setting.configuration(kind), manager="gitops")
    await setting.certificate().ensure()
    before = setting.bundle()
    for kind in KINDS:
        setting.api.apply(setting.configuration(kind, port=2), manager="gitops")
    assert setting.bundle() == before != b""


async def test_an_apply_may_remove_and_rename_a_webhook(setting: Setting) -> None:
    """Owning more of an item than one field would keep a stump of it, and the apply would be refused."""
    setting.api.delete(KINDS[0], setting.name)
    setting.api.apply(setting.configuration(KINDS[0]), manager="gitops")
    certificate = setting.certificate()
    await certificate.ensure()
    renamed = setting.configuration(KINDS[0], names=("two", "three"))
    setting.api.apply(renamed, manager="gitops")
    names = [webhook["name"] for webhook in setting.live()["webhooks"]]
    assert names == ["two.certificates.test", "three.certificates.test"]
    await certificate.ensure()
    assert read_authorities(setting.bundle())


async def test_a_reset_bundle_is_put_back(setting: Setting) -> None:
    certificate = setting.certificate()
    await certificate.ensure()
    before = setting.bundle()
    async with running(certificate):
        for kind in KINDS:
            version = setting.live(kind)["metadata"]["resourceVersion"]
            replaced = setting.configuration(kind)
            replaced["metadata"]["resourceVersion"] = version
            setting.api.replace(replaced)
        await eventually(lambda: setting.bundles() == [before] * 4, "replaced configurations are healed")
        for kind in KINDS:
            setting.api.delete(kind, setting.name)
            setting.api.create(setting.configuration(kind))
        await eventually(lambda: setting.bundles() == [before] * 4, "recreated configurations are healed")
        patch = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "Z2FyYmFnZQ=="}]
        setting.api.patch(KINDS[0], setting.name, patch, patch_type="json")
        await eventually(lambda: setting.bundles() == [before] * 4, "a broken bundle is healed")


async def test_configurations_may_come_later(setting: Setting) -> None:
    for kind in KINDS:
        setting.api.delete(kind, setting.name)
    certificate = setting.certificate()
    await certificate.ensure()
    for kind in KINDS:
        setting.api.create(setting.configuration(kind))
    await certificate.ensure()
    assert setting.shown(certificate) == setting.made()


async def test_a_deleted_secret_is_filled_once_the_manifests_are_applied_again(setting: Setting) -> None:
    certificate = setting.certificate()
    await certificate.ensure()
    first = setting.made()
    async with running(certificate):
        setting.api.delete("Secret", SECRET_NAME)
        await asyncio.sleep(0.3)
        assert setting.api.find("Secret", SECRET_NAME) is None, "the operator may not create it"
        assert setting.shown(certificate) == first, "what it has goes on serving"
        setting.put_secret({})
        await eventually(setting.secret, "the Secret is filled again")
        await eventually(lambda: setting.shown(certificate) != first, "a new certificate is served")
    assert setting.shown(certificate) == setting.made()


async def test_a_missing_secret_ends_the_start_with_what_to_do(setting: Setting) -> None:
    setting.api.delete("Secret", SECRET_NAME)
    message = await _refusal(setting, "missing")
    assert message == (
        f"Secret {SECRET_NAME} is missing in namespace {setting.api.namespace}, and the operator may not "
        "create it; apply the manifests or the chart again, which contain it without data"
    )


@pytest.mark.parametrize("entry", ["ca.crt", "ca.key", "tls.crt", "tls.key"])
@pytest.mark.parametrize("content", [None, b"", b"garbage"])
async def test_a_broken_secret_is_healed(setting: Setting, entry: str, content: bytes | None) -> None:
    running, starting = setting.certificate(), setting.certificate()
    await running.ensure()
    encoded = None if content is None else b64encode(content).decode()
    # Of another type than ours, which must have the tls entries.
    setting.put_secret(setting.secret() | {"mine": b"stays"}, type="Opaque")
    setting.api.patch("Secret", SECRET_NAME, {"data": {entry: encoded}})
    await starting.ensure()
    await running.ensure()
    await running.ensure()
    assert setting.shown(starting) == setting.shown(running) == setting.made()
    assert setting.secret()["mine"] == b"stays"


async def test_an_empty_secret_from_manifests_is_filled(setting: Setting) -> None:
    setting.put_secret({})
    assert "data" not in setting.api.get("Secret", SECRET_NAME)
    certificate = setting.certificate()
    await certificate.ensure()
    assert setting.shown(certificate) == setting.made()


async def test_an_immutable_broken_secret_ends_the_start(setting: Setting) -> None:
    setting.put_secret({"tls.crt": b"garbage"}, immutable=True)
    with pytest.raises(StartupError, match="immutable"):
        await setting.certificate().ensure()


async def test_missing_rights_are_one_clear_error(setting: Setting) -> None:
    namespace = setting.api.namespace
    start = "cannot maintain the webhooks' certificate: GET "
    user = f'User "system:serviceaccount:{namespace}:operator" cannot get resource'
    end = "; grant the permissions of manifests/base"

    setting.api.delete("ClusterRoleBinding", setting.name)
    message = await _refusal(setting, f'{user} "validatingwebhookconfigurations"')
    assert message.startswith(start)
    assert message.endswith(end)
    setting.api.delete("RoleBinding", "model-operator")
    message = await _refusal(setting, f'{user} "secrets" in API group "" in the namespace "{namespace}"')
    assert message.startswith(start)
    assert message.endswith(end)
    assert "\n" not in message


async def test_lost_rights_do_not_end_what_runs(setting: Setting) -> None:
    certificate = setting.certificate()
    await certificate.ensure()
    served = setting.made()
    async with running(certificate):
        setting.api.delete("RoleBinding", "model-operator")
        await _refusal(setting, '"secrets"')
        setting.put_secret({})
        assert setting.shown(certificate) == served
        setting.api.create(next(right for right in setting.rights() if right["kind"] == "RoleBinding"))
        await eventually(setting.secret, "it goes on when it can")


async def test_a_missing_namespace_is_named(cluster: Cluster) -> None:
    connection = Connection(lambda: load_configuration(cluster.kubeconfig, None), 15)
    certificate = ServingCertificate(ApiClient(connection), "nowhere", configuration="none")
    with pytest.raises(StartupError, match="namespace nowhere does not exist"):
        await certificate.ensure()
    await connection.close()


async def test_an_api_server_that_is_away_is_named(tmp_path: Path, cluster: Cluster) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    connection = Connection(lambda: load_configuration(path, None), 15)
    certificate = ServingCertificate(ApiClient(connection), "nowhere", configuration="none")
    with pytest.raises(StartupError, match=r"cannot maintain the webhooks' certificate: GET .*127\.0\.0\.1"):
        await certificate.ensure()
    await connection.close()
