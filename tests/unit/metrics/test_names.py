"""What alert rules and dashboards name is what the operator and the gateway expose."""

from __future__ import annotations

from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from model_operator.api import RolloutState, TemplateKind
from model_operator.controller.metrics.catalog import PREFIX
from model_operator.controller.metrics.instruments import Decision, Port, Posting, Result
from model_operator.gateway.calls import RetryCause
from model_operator.gateway.metrics.declared import CONVENTIONS, TOKEN_USAGE
from model_operator.metrics.declaration import Metric, MetricType
from tests.cluster.cluster import MANIFESTS, OPERATOR_NAMESPACE
from tests.unit.metrics.shipped import GATEWAY, OPERATOR, PROGRAMS, Program, Query, nodes, selectors

TARGET = frozenset({"namespace", "pod"})
"""Labels that Prometheus adds to what a PodMonitor finds."""
METRICS = [metric for program in PROGRAMS for metric in program.metrics]
BY_SERIES = {series: metric for metric in METRICS for series in metric.series}
PROCESS = {
    sample.name
    for family in ProcessCollector(registry=CollectorRegistry()).collect()
    for sample in family.samples
}
QUERIES = [query for program in PROGRAMS for query in program.queries()]
VALUES: dict[str, set[str]] = {
    "result": {*Result, *Posting},
    "decision": {*Decision},
    "verb": {"get", "list", "watch", "create", "update", "patch", "delete", "apply"},
    "kind": {"ModelInstance", *TemplateKind},
    "port": {*Port},
    "cause": {*RetryCause},
    "state": {"waiting", "active", "delayed", "ready", "set_aside", *RolloutState},
    "gen_ai_token_type": {"input", "output"},
}
"""The values of labels that have a fixed few."""


def labels_of(selector: promql.VectorSelector) -> set[str]:
    assert selector.name is not None
    if selector.name in PROCESS:
        return {*TARGET}
    labels = {*BY_SERIES[selector.name].labels, *TARGET}
    return labels | {"le"} if selector.name.endswith("_bucket") else labels


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_names_and_labels_in_promql_exist(query: Query) -> None:
    expression = promql.parse(query.expression)
    found = selectors(expression)
    assert found
    for selector in found:
        for matcher in selector.matchers.matchers:
            assert matcher.name in labels_of(selector), f"{selector.name} has no label {matcher.name}"
            if matcher.name in VALUES:
                assert set(matcher.value.split("|")) <= VALUES[matcher.name]
    for node in nodes(expression):
        if isinstance(node, promql.AggregateExpr) and node.modifier:
            for selector in selectors(node):
                missing = {*node.modifier.labels} - labels_of(selector)
                assert not missing, f"{selector.name} has no label {missing}"


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.place)
def test_texts_beside_promql_mention_labels_of_its_result(query: Query) -> None:
    grouped = [
        {*node.modifier.labels}
        for node in nodes(promql.parse(query.expression))
        if isinstance(node, promql.AggregateExpr) and node.modifier
    ]
    assert query.mentioned <= set().union(*grouped)


def test_counters_are_only_used_by_their_increase_and_nothing_else_is() -> None:
    for query in QUERIES:
        parts = nodes(promql.parse(query.expression))
        ranges = [node.vector_selector.name for node in parts if isinstance(node, promql.MatrixSelector)]
        growing = {name for name in ranges if name}
        plain = {name for selector in selectors(promql.parse(query.expression)) if (name := selector.name)}
        counters = {
            name
            for name in plain
            if name == "process_cpu_seconds_total"
            or (name in BY_SERIES and BY_SERIES[name].type is not MetricType.GAUGE)
        }
        assert counters == growing, query.place


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_each_metric_is_shown_or_watched_by_its_program(program: Program) -> None:
    used = {
        selector.name for query in program.queries() for selector in selectors(promql.parse(query.expression))
    }
    assert not [metric.name for metric in program.metrics if not used & {*metric.series}]
    assert used <= PROCESS | {series for metric in program.metrics for series in metric.series}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_metric_follows_the_conventions(metric: Metric) -> None:
    assert metric.name.startswith((PREFIX, CONVENTIONS))
    assert metric.name.endswith("_total") == (metric.type is MetricType.COUNTER)
    if metric.type is MetricType.HISTOGRAM and metric is not TOKEN_USAGE:
        assert metric.name.endswith("_seconds")
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.help.endswith(".")


def test_no_label_of_the_operator_can_have_many_values() -> None:
    allowed = {
        "code", "decision", "kind", "port", "python_version", "reason", "resource", "result", "state", "type",
        "verb", "version", "webhook",
    }  # fmt: skip
    assert {label for metric in OPERATOR.metrics for label in metric.labels} <= allowed


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_pod_monitor_finds_its_program_and_port(program: Program) -> None:
    spec = program.manifest("podmonitor.yaml")["spec"]
    folder = MANIFESTS.parent / ("base" if program is OPERATOR else program.name)
    (deployment,) = yaml.safe_load_all((folder / "deployment.yaml").read_text())
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    (endpoint,) = spec["podMetricsEndpoints"]

    assert spec["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in container["ports"]}
    assert endpoint["path"] == "/metrics"


@pytest.mark.parametrize(
    ("program", "resources"),
    [
        (OPERATOR, ["../default", "podmonitor.yaml", "rules.yaml", "models"]),
        (GATEWAY, ["podmonitor.yaml", "rules.yaml"]),
    ],
    ids=["operator", "gateway"],
)
def test_overlay_has_the_monitor_the_rules_and_the_dashboard(program: Program, resources: list[str]) -> None:
    kustomization = program.manifest("kustomization.yaml")
    assert kustomization["resources"] == resources
    assert kustomization["namespace"] == OPERATOR_NAMESPACE
    (generated,) = kustomization["configMapGenerator"]
    (file,) = generated["files"]
    assert (program.folder / file.partition("=")[2]).exists()
    assert generated["options"]["labels"] == {"grafana_dashboard": "1"}


def test_alert_names_are_unique() -> None:
    names = [rule["alert"] for program in PROGRAMS for rule in program.alert_rules()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_panels_of_the_dashboard_do_not_overlap(program: Program) -> None:
    taken: set[tuple[int, int]] = set()
    panels: list[dict[str, Any]] = program.dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(column < 24 for column, _ in cells)
        taken |= cells
