"""The REST API judges instances as the webhook does: the answer is the same while no webhook is installed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from model_operator.core.admission.verdict import SHOWN_VIOLATIONS, invalid
from model_operator.core.gateway.rest.api_refusals import refusal
from model_operator.core.gateway.rest.instance_specs import template_entries
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template
from model_operator.core.values.violations import Violation
from tests.examples.admission.cases import Case, load, templates

TEMPLATES = {
    obj["metadata"]["name"]: parse_template(
        obj | {"metadata": {"namespace": "team-a", "uid": "t", "generation": 1, **obj["metadata"]}}
    )
    for obj in templates()
}
SETTING = "MAX_WORKERS_PER_INSTANCE"


def stored(case: Case) -> dict[str, Any]:
    return case.object | {"metadata": {"namespace": "team-a", **case.object["metadata"]}}


def template_of(obj: dict[str, Any]) -> CompiledTemplate | None:
    return TEMPLATES.get(obj["spec"].get("model_template_id", ""))


def instances(folder: str) -> list[Case]:
    return [case for case in load(folder) if case.kind == "ModelInstance"]


@pytest.mark.parametrize("case", instances("invalid"), ids=str)
def test_what_the_webhook_denies_is_named_with_the_same_paths(case: Case) -> None:
    obj = stored(case)
    entries = template_entries(obj, template_of(obj), lambda path: path)
    violations = tuple(Violation(entry.loc, entry.msg, entry.type) for entry in entries)

    denied = [line for line in case.violations if SETTING not in line and not line.startswith("spec: and ")]
    assert [str(each) for each in violations[:SHOWN_VIOLATIONS]] == denied

    verdict = invalid("ModelInstance", str(case), violations[:SHOWN_VIOLATIONS])
    status = {"reason": verdict.reason, "details": {"causes": [asdict(cause) for cause in verdict.causes]}}
    answered = refusal(422, status, obj["spec"]).entries if denied else ()
    judged = template_entries(obj, template_of(obj))[:SHOWN_VIOLATIONS]
    assert [(each.loc, each.input) for each in answered] == [(each.loc, each.input) for each in judged]


@pytest.mark.parametrize("case", instances("valid"), ids=str)
def test_what_the_webhook_admits_is_right(case: Case) -> None:
    obj = stored(case)
    assert template_entries(obj, template_of(obj)) == ()
