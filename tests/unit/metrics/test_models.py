"""What is shipped to watch models fits the pods that are rendered, and its queries can be read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from model_operator.api import ModelInstance
from model_operator.core.objects.ownership import DEPLOYMENT_LABEL, INSTANCE_LABEL
from model_operator.core.rendering.render import render
from model_operator.core.templates.parsing import parse_template
from tests.cluster.cluster import MANIFESTS
from tests.unit.metrics.shipped import DOCUMENTS, OVERLAY, nodes, selectors

FOLDER = OVERLAY / "models"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
TARGETS = [
    (panel["title"], target["expr"], target["legendFormat"])
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
]
ADDED = {"model_instance", "model_deployment", "namespace", "pod"}
"""Labels of each series: those that the PodMonitor adds, and Prometheus."""
OWN = {"finished_reason", "le"}
"""Labels of the servers' own that the queries use."""
RECORDED = Path(__file__).with_name("vllm_metrics.txt")
"""From ``/metrics`` of vLLM 0.28 on a CPU; of each histogram two buckets and that of all."""
SAMPLES = sorted((MANIFESTS.parent / "samples").glob("*.yaml"))


def monitor() -> dict[str, Any]:
    obj: dict[str, Any] = yaml.safe_load((FOLDER / "podmonitor.yaml").read_text())
    return obj


def rendered_pods() -> list[dict[str, Any]]:
    """Give the pod template of each sample."""
    pods = []
    for path in SAMPLES:
        objects = [obj for obj in yaml.safe_load_all(path.read_text()) if obj and "spec" in obj]
        templates = {obj["metadata"]["name"]: obj for obj in objects if obj["kind"].endswith("Template")}
        for obj in objects:
            name = obj["spec"].get("model_template_id")
            if obj["kind"] == "ModelInstance" and name in templates:
                made = render(parse_template(templates[name]), ModelInstance.model_validate(obj))
                assert not made.violations
                pods += [each.deployment.manifest["spec"]["template"] for each in made.deployments]
    assert len(pods) > 3
    return pods


def test_each_worker_is_found_with_a_port_and_its_names() -> None:
    spec = monitor()["spec"]
    assert spec["namespaceSelector"] == {"any": True}
    ports = {endpoint["port"] for endpoint in spec["podMetricsEndpoints"]}
    for pod in rendered_pods():
        labels = pod["metadata"]["labels"]
        assert spec["selector"]["matchLabels"].items() <= labels.items()
        assert {INSTANCE_LABEL, DEPLOYMENT_LABEL} <= labels.keys()
        (model,) = (each for each in pod["spec"]["containers"] if each["name"] == "model")
        assert ports & {port["name"] for port in model["ports"]}


def test_the_labels_of_pods_become_those_of_series() -> None:
    def meta(label: str) -> str:
        return "__meta_kubernetes_pod_label_" + re.sub("[^a-zA-Z0-9_]", "_", label)

    for endpoint in monitor()["spec"]["podMetricsEndpoints"]:
        named = {each["targetLabel"]: each["sourceLabels"] for each in endpoint["relabelings"]}
        assert named == {
            "model_instance": [meta(INSTANCE_LABEL)],
            "model_deployment": [meta(DEPLOYMENT_LABEL)],
        }


@pytest.mark.parametrize(("title", "expression", "legend"), TARGETS)
def test_queries_can_be_read_and_select_by_what_there_is(title: str, expression: str, legend: str) -> None:
    filled = expression.replace("$__rate_interval", "5m")
    for variable in ("$namespace", "$instance"):
        filled = filled.replace(variable, ".*")
    parsed = promql.parse(filled)
    documented = (DOCUMENTS / "metrics.md").read_text()
    for selector in selectors(parsed):
        assert selector.name is not None, title
        assert {matcher.name for matcher in selector.matchers.matchers} <= ADDED
        series = selector.name.removesuffix("_bucket")
        assert selector.name == "up" or f"`{series}`" in documented, series
    grouped = {
        label
        for node in nodes(parsed)
        if isinstance(node, promql.AggregateExpr) and node.modifier
        for label in node.modifier.labels
    }
    assert grouped <= ADDED | OWN
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= grouped


def test_vllm_has_the_series_that_are_queried() -> None:
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(RECORDED.read_text()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    queried = {name for _, expression, _ in TARGETS for name in re.findall(r"vllm:\w+", expression)}

    assert queried <= labels.keys()
    assert {label for name in queried for label in labels[name]} >= OWN
