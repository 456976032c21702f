"""The decision before any write: what is to run, or why nothing may change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.planning.plan import Plan, find_problem, make_plan, malformed, summarize
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.violations import Violation
from tests.unit.core.values.rfc7386 import apply_merge_patch

HERE = Path(__file__).parent
TEMPLATE = yaml.safe_load((HERE.parent / "template.yaml").read_text())


def cases(kind: str) -> list[Any]:
    content = yaml.safe_load((HERE / "plans.yaml").read_text())
    return [pytest.param(case, id=case["name"].replace(" ", "_")) for case in content if kind in case]


def plan(spec: dict[str, Any], change: dict[str, Any] | None) -> Plan:
    """Return the plan for an instance, the template being the one in the file but for some changes."""
    instance, violations = parse_instance({"metadata": {"name": "demo", "namespace": "team"}, "spec": spec})
    if violations:
        return malformed(violations)
    template = None if change is None else parse_template(apply_merge_patch(TEMPLATE, change))
    made = make_plan(instance, template, RenderSettings())
    assert find_problem(instance, template, RenderSettings()) == (made.problem, made.violations)
    return made


@pytest.mark.parametrize("case", cases("exists"))
def test_what_is_to_exist(case: dict[str, Any]) -> None:
    found = plan(case["spec"], case.get("template", {}))

    assert found.rendering is not None
    children = [f"{child.kind}/{child.name}" for child in found.rendering.children]
    assert children == case["exists"]
    assert found.problem is None
    assert found.violations == ()


@pytest.mark.parametrize("case", cases("problem"))
def test_why_nothing_may_change(case: dict[str, Any]) -> None:
    found = plan(case["spec"], case.get("template", {}))

    assert found.rendering is None, "what serves is left as it is"
    assert found.problem is not None
    assert found.problem.reason.name == case["problem"]
    assert found.problem.detail.startswith(case["detail"])
    assert found.problem.detail.endswith(".")


def test_the_same_input_gives_the_same_plan() -> None:
    spec = {"model_template_id": "embed", "model_creation_parameters": {"MODEL_ID": "x"}}

    assert plan(spec, {}).rendering == plan(spec, {}).rendering


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "spec.a0: is wrong."),
        (2, "spec.a0: is wrong; spec.a1: is wrong."),
        (10, "; ".join(f"spec.a{number}: is wrong" for number in range(10)) + "."),
        (12, "; ".join(f"spec.a{number}: is wrong" for number in range(10)) + "; and 2 more."),
    ],
)
def test_summary(count: int, text: str) -> None:
    violations = tuple(Violation(("spec", f"a{number}"), "is wrong", "t") for number in range(count))

    assert summarize(violations) == text
