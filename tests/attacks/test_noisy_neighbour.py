"""What somebody does in a namespace of theirs delays nobody in another.

Work is counted and not seconds: how many keys of the noisy namespace come before the one of the quiet one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.cluster.kube_api import KubeApi
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.waiting import wait_for
from tests.examples.objects import TEMPLATE, container, edit_bundle, instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.cluster import PrivateOperator

NOISY = 120
"""Instances of the noisy namespace: all of them are to be reconciled when their template is edited."""
WORKERS = "2"
"""So that the order of keys decides, and not how many requests the API server takes at a time."""


@pytest.fixture
def quiet(cluster_api: KubeApi) -> Iterator[KubeApi]:
    """Give a client for another namespace that only this test's operator serves."""
    for name in fresh_namespace(cluster_api, "mo-private"):
        yield cluster_api.in_namespace(name)


def test_churn_of_a_template_delays_no_other_namespace(
    private_api: KubeApi, quiet: KubeApi, private_operator: PrivateOperator
) -> None:
    noisy = private_api
    for api in (noisy, quiet):
        api.apply(TEMPLATE)
    names = [f"m{number:03}" for number in range(NOISY)]
    with ThreadPoolExecutor(4) as pool:
        # Without workers: their pods would be most of the load.
        list(pool.map(lambda name: noisy.apply(instance(name, replicas=0)), names))
    private_operator("--namespace", quiet.namespace, environment={"MODEL_OPERATOR_WORKERS": WORKERS})
    wait_for(lambda: len(noisy.list("Deployment")) == NOISY, 120, "all of the noisy namespace are deployed")
    wait_for(
        lambda: noisy.get("ModelTemplate", "encoder")["status"].get("updated_instance_count") == NOISY,
        120,
        "all of the noisy namespace are settled",
    )

    edit_bundle(noisy, tag="v2")
    quiet.apply(instance("new", replicas=0))
    wait_for(lambda: quiet.find("Deployment", "new"), 60, "the new instance has its Deployment")
    done = sum(container(each)["image"].endswith(":v2") for each in noisy.list("Deployment"))

    # First in, first out, it would be all of them.
    assert done < NOISY / 2, f"{done} of {NOISY} keys of the noisy namespace came before"
    wait_for(
        lambda: all(container(each)["image"].endswith(":v2") for each in noisy.list("Deployment")),
        120,
        "the noisy namespace is served, too",
    )
