"""What the garbage collector overlooks goes all the same: on a control plane that has none."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from model_operator.controller.reconcile.stale_children import GC_GRACE_SECONDS, GC_GRACE_WITHOUT_OWNER
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for
from tests.examples.objects import TEMPLATE, instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

CHILDREN = ("Deployment", "Service")
SLACK_SECONDS = 60.0
"""For a machine that is busy with other tests."""


@pytest.fixture(scope="module")
def bare_cluster() -> Iterator[ControlPlane]:
    """Give a control plane without controllers."""
    with ControlPlane.start(bare=True) as cluster:
        yield cluster


@pytest.fixture
def bare_api(bare_cluster: ControlPlane) -> Iterator[KubeApi]:
    """Give a client for its default namespace."""
    api = KubeApi(bare_cluster.kubeconfig).in_namespace("default")
    wait_for(lambda: api.is_served("ModelInstance"), message="ModelInstances are served")
    yield api
    api.close()


@pytest.fixture
def run_operator(
    bare_cluster: ControlPlane, tmp_path: Path
) -> Iterator[Callable[[], AbstractContextManager[OperatorProcess]]]:
    """Give a function that starts an operator there; the log is shown when the test fails."""
    log, kubeconfig = tmp_path / "operator.log", bare_cluster.operator_kubeconfig()
    yield lambda: OperatorProcess.start(kubeconfig, log=log)
    print(log.read_text())


def create(api: KubeApi, name: str) -> None:
    api.apply(instance(name))
    for kind in CHILDREN:
        wait_for(lambda kind=kind: api.find(kind, name), message=f"{kind} {name}")  # type: ignore[misc]


@pytest.mark.timeout(360)
def test_children_of_instances_that_are_gone_are_cleared_away(
    bare_api: KubeApi, run_operator: Callable[[], AbstractContextManager[OperatorProcess]]
) -> None:
    api, names = bare_api, ("gone", "gone-meanwhile", "again", "shared")
    api.apply(TEMPLATE)
    with run_operator():
        for name in names:
            create(api, name)
    before = {name: api.get("Deployment", name)["metadata"] for name in names}
    other = {"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "of-somebody-else"}
    owners = {"metadata": {"ownerReferences": [*before["shared"]["ownerReferences"], other]}}
    api.patch("Deployment", "shared", owners)
    api.delete("ModelInstance", "gone-meanwhile", propagation="Background")
    with run_operator():
        for name in ("gone", "again", "shared"):
            api.delete("ModelInstance", name, propagation="Background")
        create(api, "again")

        # The names are there at once; the children are new only when the earlier ones are gone.
        wait_for(
            lambda: (
                (found := api.find("Deployment", "again"))
                and found["metadata"]["uid"] != before["again"]["uid"]
            ),
            GC_GRACE_SECONDS + SLACK_SECONDS,
        )
        for kind, name in itertools.product(CHILDREN, ("gone", "gone-meanwhile")):
            api.wait_until_gone(kind, name, deadline=GC_GRACE_WITHOUT_OWNER + SLACK_SECONDS)
        api.wait_until_gone("Service", "shared")
    assert api.get("Deployment", "shared")["metadata"]["uid"] == before["shared"]["uid"]
    owner = api.get("ModelInstance", "again")["metadata"]["uid"]
    for kind in CHILDREN:
        assert api.get(kind, "again")["metadata"]["ownerReferences"][0]["uid"] == owner
