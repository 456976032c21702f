"""What messages of other components mean: see ``messages.yaml``."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.diagnosis.foreign_messages import (
    Lack,
    QuotaUse,
    Shortage,
    is_missing_object,
    missing_claim_template,
    multi_attach,
    node_reasons,
    probe_result,
    pull_fault,
    rejection,
    shortages,
)
from model_operator.core.diagnosis.rejected_pods import explain_rejection
from model_operator.core.reasons.reasons import Reason
from model_operator.core.reasons.refusals import explain_refusal

MESSAGES = yaml.safe_load(Path(__file__).with_name("messages.yaml").read_text())


def each_of(name: str) -> pytest.MarkDecorator:
    rows = [(row["message"], row["means"]) for row in MESSAGES[name]]
    return pytest.mark.parametrize(("message", "means"), rows)


@each_of("probe_result")
def test_probe_result(message: str, means: list[Any] | None) -> None:
    found = probe_result(message)

    assert (None if found is None else [found.probe, found.fault.name, found.code]) == means


@each_of("shortage_of_resources")
def test_shortage_of_resources(message: str, means: list[str]) -> None:
    assert shortages(node_reasons(message)) == {Shortage(Lack.RESOURCE, name) for name in means}


@each_of("other_shortages")
def test_other_shortages(message: str, means: str) -> None:
    assert shortages(node_reasons(f"0/2 nodes are available: 2 {message}.")) == {Shortage(Lack[means])}


@each_of("multi_attach")
def test_multi_attach(message: str, means: dict[str, Any] | None) -> None:
    found = multi_attach(message)

    assert (None if found is None else {"volume": found.volume, "pods": list(found.pods)}) == means


@each_of("pull_fault")
def test_pull_fault(message: str, means: str | None) -> None:
    found = pull_fault(message)

    assert (None if found is None else found.name) == means


@each_of("missing_object")
def test_missing_object(message: str, means: bool) -> None:
    assert is_missing_object(message) is means


@each_of("missing_claim_template")
def test_missing_claim_template(message: str, means: str | None) -> None:
    assert missing_claim_template(message) == means


@each_of("rejection")
def test_rejection(message: str, means: str) -> None:
    assert rejection(message).refuser.name == means


def test_what_a_quota_lacks() -> None:
    asked, used = "requested: pods=1,requests.memory=2Gi", "used: pods=3,requests.memory=7Gi"

    found = rejection(f"exceeded quota: team, {asked}, {used}, limited: pods=3,requests.memory=8Gi")

    gib = Decimal(2) ** 30
    assert found.quota == "team"
    assert dict(found.uses) == {
        "pods": QuotaUse(Decimal(1), Decimal(3), Decimal(3)),
        "requests.memory": QuotaUse(2 * gib, 7 * gib, 8 * gib),
    }


def test_a_quota_has_the_same_actor_for_pods_and_for_other_objects() -> None:
    of_pods = explain_rejection("exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1")
    of_child = explain_refusal(
        403, {"message": 'services "demo" is forbidden: exceeded quota: team'}, "apply it"
    )

    assert of_child.reason is Reason.QuotaExceeded
    assert of_pods.diagnosis.advice == of_child.reason.value.advice
