"""The fixture of the tests of the webhooks' certificate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from model_operator.controller.webhooks.certificate import SECRET_NAME
from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection
from model_operator.kube.errors import ForbiddenError, NotFoundError
from model_operator.kube.kubeconfig import load_configuration
from model_operator.kube.resources import MUTATING_WEBHOOKS, SECRETS
from tests.cluster.kube_api import KubeApi
from tests.integration.certificates.setting import KINDS, SERVICE_ACCOUNT, Setting

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster


@pytest.fixture
async def setting(cluster: Cluster, api: KubeApi, namespace: str) -> AsyncIterator[Setting]:
    """Give a namespace with webhook configurations and an operator that has its rights."""
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": SERVICE_ACCOUNT}})
    kubeconfig = cluster.service_account_kubeconfig(namespace, SERVICE_ACCOUNT)
    connection = Connection(lambda: load_configuration(kubeconfig, None), 15)
    setting = Setting(api, ApiClient(connection))
    for right in setting.rights():
        api.create(right)
    setting.put_secret({})
    for kind in KINDS:
        api.create(setting.configuration(kind))
    await _until_granted(setting)
    yield setting
    await connection.close()
    for kind in (*KINDS, "ClusterRoleBinding", "ClusterRole"):
        if api.find(kind, setting.name):
            api.delete(kind, setting.name)


async def _until_granted(setting: Setting) -> None:
    """Wait until the API server's authorizer knows the rights."""
    async with asyncio.timeout(30):
        for kind, name in ((SECRETS, SECRET_NAME), (MUTATING_WEBHOOKS, setting.name)):
            while True:
                try:
                    await setting.client.get(kind, setting.api.namespace, name)
                except ForbiddenError:
                    continue
                except NotFoundError:
                    pass
                break
