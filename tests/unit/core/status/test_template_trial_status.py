"""The status of a template that was tried on the API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.api import ModelTemplateStatus
from model_operator.core.planning.dry_run import DryRunResult, SkipReason
from model_operator.core.status.rollout_counts import InstanceCounts
from model_operator.core.status.template import template_status
from model_operator.core.templates.parsing import parse_template

TEMPLATE = yaml.safe_load((Path(__file__).parents[2] / "core" / "template.yaml").read_text())
NOW = "2026-01-01T09:00:00Z"
VALID = "Instances can be made from the template."
DETAIL = "no example for parameter A; add `examples`"
SKIPPED = DryRunResult(skipped=SkipReason.NO_EXAMPLES, detail=DETAIL)
REFUSAL = "The API server refuses the rendered Pod: no PriorityClass with name gold was found."
NEXT_STEP = (
    "Action (template owner): fix the template, or create what it needs; failures that depend on the cluster "
    "are retried automatically."
)


def conditions(trial: DryRunResult | None, **spec: Any) -> list[tuple[str, str, str, str]]:
    template = parse_template({**TEMPLATE, "spec": {**TEMPLATE["spec"], **spec}})
    status = template_status(template, {}, InstanceCounts(), NOW, trial)
    ModelTemplateStatus.model_validate(status)
    return [
        (condition["type"], condition["status"], condition["reason"], condition["message"])
        for condition in status["conditions"]
        if condition["type"] != "RolledOut"
    ]


@pytest.mark.parametrize(
    ("trial", "reason", "message"),
    [
        (None, "TemplateValid", VALID),
        (DryRunResult(), "TemplateValid", VALID),
        (SKIPPED, "TemplateValidUntested", f"{VALID} Not checked by a dry run: {DETAIL}."),
    ],
)
def test_ready(trial: DryRunResult | None, reason: str, message: str) -> None:
    assert conditions(trial) == [("Ready", "True", reason, message)]


def test_refused() -> None:
    assert conditions(DryRunResult(REFUSAL)) == [
        ("Ready", "False", "PodTemplateRejected", f"{REFUSAL} {NEXT_STEP}"),
        ("Stalled", "True", "PodTemplateRejected", f"{REFUSAL} {NEXT_STEP}"),
    ]


def test_a_rule_that_the_template_breaks_comes_first() -> None:
    reasons = [reason for _, _, reason, _ in conditions(DryRunResult(REFUSAL), strategy={"type": "Sudden"})]

    assert set(reasons) == {"TemplateInvalid"}
