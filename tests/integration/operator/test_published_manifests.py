"""Published manifests as templates: all are accepted, roll out, and are found by their Services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.kube_api import KubeApi
from tests.cluster.waiting import wait_for
from tests.examples import published

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def equipped(api: KubeApi, cluster_api: KubeApi, namespace: str) -> Iterator[KubeApi]:
    """Give a namespace with everything that the manifests need."""
    needs = published.cluster_needs(namespace)
    for obj in needs:
        cluster_api.apply(obj)
    for obj in published.namespaced_needs():
        api.apply(obj)
    yield api
    for obj in reversed(needs):
        cluster_api.delete(obj["kind"], obj["metadata"]["name"])


@pytest.mark.usefixtures("operator")
def test_all_roll_out(equipped: KubeApi) -> None:
    for template, instance in published.pairs():
        equipped.apply(template)
        equipped.apply(instance)

    for name in published.PORTS:
        equipped.wait_for_condition("ModelInstance", name, "Ready", deadline=120)

    def served() -> dict[str, set[int]]:
        return {
            name: {
                port["port"]
                for found in equipped.list("EndpointSlice", labels=f"kubernetes.io/service-name={name}")
                for port in found["ports"] or ()
                if any(endpoint["conditions"].get("ready") for endpoint in found["endpoints"] or ())
            }
            for name in published.PORTS
        }

    expected = {name: {port} for name, port in published.PORTS.items()}
    wait_for(lambda: served() == expected)
    for template, _ in published.pairs():
        equipped.wait_for_condition("ModelTemplate", template["metadata"]["name"], "Ready")
