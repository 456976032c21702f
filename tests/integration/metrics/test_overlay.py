"""The overlays for Prometheus, as kustomize makes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from tests.cluster.cluster import MANIFESTS

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

Objects = dict[tuple[str, str], dict[str, Any]]


def _build(cluster: Cluster, folder: str) -> Objects:
    text = cluster.kubectl("kustomize", MANIFESTS.parent / folder).stdout
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in yaml.safe_load_all(text)}


def test_it_adds_five_objects_and_changes_nothing(cluster: Cluster) -> None:
    base, overlay = (_build(cluster, folder) for folder in ("overlays/default", "overlays/prometheus"))
    added = {key: overlay.pop(key) for key in overlay.keys() - base.keys()}

    assert overlay == base
    assert added.keys() == {
        ("PodMonitor", "model-operator"),
        ("PrometheusRule", "model-operator"),
        ("ConfigMap", "model-operator-dashboard"),
        ("PodMonitor", "model-operator-models"),
        ("ConfigMap", "model-operator-models-dashboard"),
    }
    (content,) = added["ConfigMap", "model-operator-dashboard"]["data"].values()
    assert json.loads(content)["title"] == "model-operator"
    assert {obj["metadata"]["namespace"] for obj in added.values()} == {"model-operator"}


def test_that_of_the_gateway_has_three_objects(cluster: Cluster) -> None:
    built = _build(cluster, "overlays/prometheus/gateway")

    assert built.keys() == {
        ("PodMonitor", "model-operator-gateway"),
        ("PrometheusRule", "model-operator-gateway"),
        ("ConfigMap", "model-operator-gateway-dashboard"),
    }
    (content,) = built["ConfigMap", "model-operator-gateway-dashboard"]["data"].values()
    assert json.loads(content)["title"] == "model-operator gateway"
    assert {obj["metadata"]["namespace"] for obj in built.values()} == {"model-operator"}
