"""What the garbage collector overlooks goes all the same: on a control plane that has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from model_operator.controller.leftovers import PATIENCE_SECONDS, UNHURRIED_SECONDS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for
from tests.integration.operator.examples import INSTANCE, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHILDREN = ("Deployment", "Service")
SLACK_SECONDS = 60.0
"""For a machine that is busy with other tests."""


@pytest.fixture
def bare_api(tmp_path: Path) -> Iterator[KubeApi]:
    """Give the default namespace of a control plane without controllers, with an operator."""
    with ControlPlane.start(bare=True) as cluster:
        api = KubeApi(cluster.kubeconfig).in_namespace("default")
        wait_for(lambda: _is_served(api), message="ModelInstances are served")
        log = tmp_path / "operator.log"
        with OperatorProcess.start(cluster.operator_kubeconfig(), log=log):
            yield api
        print(log.read_text())
        api.close()


def _is_served(api: KubeApi) -> bool:
    try:
        return api.list("ModelInstance") == []
    except KubeApiError:
        return False


def create(api: KubeApi, name: str) -> None:
    obj = yaml.safe_load(INSTANCE)
    obj["metadata"]["name"] = name
    api.apply(obj)
    for kind in CHILDREN:
        wait_for(lambda kind=kind: api.find(kind, name), message=f"{kind} {name}")  # type: ignore[misc]


@pytest.mark.timeout(360)
def test_children_of_instances_that_are_gone_are_cleared_away(bare_api: KubeApi) -> None:
    api = bare_api
    api.apply(TEMPLATE)
    for name in ("gone", "again", "shared"):
        create(api, name)
    before = {name: api.get("Deployment", name)["metadata"] for name in ("again", "shared")}
    other = {"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "of-somebody-else"}
    owners = {"metadata": {"ownerReferences": [*before["shared"]["ownerReferences"], other]}}
    api.patch("Deployment", "shared", owners)
    for name in ("gone", "again", "shared"):
        api.delete("ModelInstance", name, propagation="Background")
    create(api, "again")

    # The names are there at once; the children are new only when the earlier ones are gone.
    wait_for(
        lambda: (
            (found := api.find("Deployment", "again")) and found["metadata"]["uid"] != before["again"]["uid"]
        ),
        deadline=PATIENCE_SECONDS + SLACK_SECONDS,
    )
    for kind, name in [("Deployment", "gone"), ("Service", "gone"), ("Service", "shared")]:
        api.wait_until_gone(kind, name, deadline=UNHURRIED_SECONDS + SLACK_SECONDS)
    assert api.get("Deployment", "shared")["metadata"]["uid"] == before["shared"]["uid"]
    owner = api.get("ModelInstance", "again")["metadata"]["uid"]
    for kind in CHILDREN:
        assert api.get(kind, "again")["metadata"]["ownerReferences"][0]["uid"] == owner
