"""The alert rules and the dashboard that are shipped, and the PromQL in them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import promql_parser as promql
import yaml

from model_operator.controller.metrics import catalog as operator_metrics
from model_operator.gateway.metrics import declared as gateway_metrics
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from model_operator.metrics.declaration import Metric

OVERLAY = REPOSITORY / "manifests" / "overlays" / "prometheus"


class Query(NamedTuple):
    """An expression, what it is for, and the labels of its result that texts beside it mention."""

    place: str
    expression: str
    mentioned: frozenset[str]


class Program(NamedTuple):
    """A program with metrics, and what is shipped to watch it."""

    name: str
    folder: Path
    metrics: tuple[Metric, ...]
    document: Path

    def manifest(self, name: str) -> dict[str, Any]:
        """Give the object in a file of the overlay."""
        obj: dict[str, Any] = yaml.safe_load((self.folder / name).read_text())
        return obj

    def alert_rules(self) -> list[dict[str, Any]]:
        """Give the rules of all groups."""
        return [rule for group in self.manifest("rules.yaml")["spec"]["groups"] for rule in group["rules"]]

    def dashboard(self) -> dict[str, Any]:
        """Give the dashboard."""
        model: dict[str, Any] = json.loads((self.folder / "dashboard.json").read_text())
        return model

    def queries(self) -> Iterator[Query]:
        """Give all expressions; what Grafana puts into them is filled in."""
        for rule in self.alert_rules():
            mentioned = re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))
            yield Query(rule["alert"], rule["expr"], frozenset(mentioned))
        for panel in self.dashboard()["panels"]:
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", "5m")
                for variable in ("$namespace", "$model"):
                    expression = expression.replace(variable, ".*")
                mentioned = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
                yield Query(panel["title"], expression, frozenset(mentioned))


DOCUMENTS = REPOSITORY / "docs"
OPERATOR = Program("operator", OVERLAY, operator_metrics.METRICS, DOCUMENTS / "metrics.md")
GATEWAY = Program("gateway", OVERLAY / "gateway", gateway_metrics.METRICS, DOCUMENTS / "gateway.md")
PROGRAMS = (OPERATOR, GATEWAY)


def nodes(expression: promql.Expr) -> list[promql.Expr]:
    """Give all parts of an expression, itself included."""
    found: list[promql.Expr] = []
    promql.walk(expression, found.append)
    return found


def selectors(expression: promql.Expr) -> list[promql.VectorSelector]:
    """Give what an expression selects; those of a range, too."""
    found = nodes(expression)
    ranges = [node.vector_selector for node in found if isinstance(node, promql.MatrixSelector)]
    plain = [node for node in found if isinstance(node, promql.VectorSelector)]
    return list({str(node): node for node in (*plain, *ranges)}.values())
