"""Fixtures for tests of the webhooks and the policy on a real API server.

All of that is cluster-wide, so it is confined to the namespaces of the test that installs it.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import (
    confined,
    policy,
    webhook_configurations,
    webhook_environment,
    write_certificate,
)
from tests.examples.admission.cases import templates
from tests.examples.objects import instance, template

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.shared_run import SharedRun

LABEL = "modeloperator.dev/admission"


@dataclass
class Admission:
    """The webhooks and the policy for some namespaces, and the operator that serves these.

    Attributes
    ----------
    name
        Prefix of the namespaces; cluster templates are judged if theirs begin so too.
    api, warn, deny
        Clients as administrator for a namespace without the label, and with each of its values.
    """

    name: str
    api: KubeApi
    warn: KubeApi
    deny: KubeApi
    kubeconfig: Path
    certificates: Path
    port: int
    log: Path
    operator: OperatorProcess | None = None

    @property
    def namespaces(self) -> list[str]:
        """The three namespaces."""
        return [api.namespace for api in (self.api, self.warn, self.deny)]

    def start(self) -> None:
        """Start the operator, and wait until the API server calls it."""
        self.operator = OperatorProcess.start(
            self.kubeconfig,
            *(word for namespace in self.namespaces for word in ("--namespace", namespace)),
            log=self.log,
            environment=webhook_environment(self.port, self.certificates),
        )
        probe = template("probe", image="$(parameters.UNDECLARED)")
        for api in (self.warn, self.deny, self.api):
            wait_for(lambda api=api: _is_refused(api, probe), message=f"webhooks for {api.namespace}")  # type: ignore[misc]

    def stop(self) -> None:
        """Stop the operator."""
        if self.operator is not None and self.operator.running:
            self.operator.stop()


@pytest.fixture(scope="session")
def admission(
    cluster_api: KubeApi, shared_run: SharedRun, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Admission]:
    """Give webhooks, policy and operator for all tests that leave them as they are.

    The templates of the cases are in all three namespaces.
    """
    with _installed(cluster_api, shared_run, tmp_path_factory.mktemp("admission")) as installed:
        installed.start()
        for api in (installed.api, installed.warn, installed.deny):
            for obj in templates():
                api.create(obj)
        yield installed


@pytest.fixture
def private_admission(cluster_api: KubeApi, shared_run: SharedRun, tmp_path: Path) -> Iterator[Admission]:
    """Give webhooks and policy whose operator the test starts and stops itself."""
    with _installed(cluster_api, shared_run, tmp_path) as installed:
        yield installed


@contextmanager
def _installed(cluster_api: KubeApi, shared_run: SharedRun, folder: Path) -> Iterator[Admission]:
    name = f"mo-private-{secrets.token_hex(4)}"
    apis = {value: cluster_api.in_namespace(f"{name}-{value or 'plain'}") for value in ("", "warn", "deny")}
    for value, api in apis.items():
        metadata = {"name": api.namespace, "labels": {LABEL: value} if value else {}}
        cluster_api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    (port,) = free_ports(1)
    authority = write_certificate(folder)
    installed = Admission(
        name=name,
        api=apis[""],
        warn=apis["warn"],
        deny=apis["deny"],
        kubeconfig=shared_run.operator_kubeconfig,
        certificates=folder,
        port=port,
        log=folder / "operator.log",
    )
    objects = confined([*webhook_configurations(port, authority), *policy()], name, installed.namespaces)
    for obj in objects:
        cluster_api.create(obj)
    # Until the API server enforces the policy; it also does while no operator runs.
    forged = instance("forged")
    forged["metadata"]["annotations"] = {"modeloperator.dev/created-by-user-id": "somebody-else"}
    for api in apis.values():
        wait_for(lambda api=api: _is_refused(api, forged), message=f"the policy for {api.namespace}")  # type: ignore[misc]
    try:
        yield installed
    finally:
        installed.stop()
        for obj in objects:
            cluster_api.delete(obj["kind"], obj["metadata"]["name"])
        for namespace in installed.namespaces:
            cluster_api.delete("Namespace", namespace)


def _is_refused(api: KubeApi, obj: dict[str, object]) -> bool:
    try:
        api.create(obj, dry_run=True)
    except KubeApiError as error:
        return error.code in {403, 422}
    return False
