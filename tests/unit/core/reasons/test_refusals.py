"""What a refusal by the API server means; messages as Kubernetes 1.36 words them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.reasons.reasons import Reason
from model_operator.core.reasons.refusals import explain_refusal, is_namespace_terminating

PREAMBLE = "failed to create typed patch object (team/demo; apps/v1, Kind=Deployment): "
REFUSALS = yaml.safe_load((Path(__file__).parent / "refusals.yaml").read_text())


@pytest.mark.parametrize(
    "refusal", REFUSALS, ids=lambda refusal: f"{refusal['code']}-{refusal['message'][:30]}"
)
def test_reason(refusal: dict[str, Any]) -> None:
    failure = explain_refusal(refusal["code"], {"message": refusal["message"]}, "apply Deployment demo")

    assert failure.reason is Reason[refusal["reason"]]
    assert failure.detail.startswith("Cannot apply Deployment demo")
    assert failure.detail.endswith(".")


@pytest.mark.parametrize(
    ("code", "message", "detail"),
    [
        (422, "spec: Required", "Cannot apply Service demo: spec: Required."),
        (422, "", "Cannot apply Service demo: HTTP 422."),
        (400, "spec:\n  Required\tvalue\n", "Cannot apply Service demo: spec: Required value."),
        (
            500,
            f"{PREAMBLE}.spec.hostUser: field not declared in schema",
            "Cannot apply Service demo: .spec.hostUser: field not declared in schema.",
        ),
        (
            500,
            f"{PREAMBLE}errors:\n  .spec.a: field not declared in schema\n  .spec.b: expected string",
            "Cannot apply Service demo: .spec.a: field not declared in schema .spec.b: expected string.",
        ),
        (
            500,
            'Internal error occurred: failed calling webhook "w.test": failed to call webhook: refused',
            'Cannot apply Service demo at the moment (failed calling webhook "w.test"); retrying.',
        ),
        (503, "leader 17 lost", "Cannot apply Service demo at the moment (HTTP 503); retrying."),
        (0, "refused", "Cannot apply Service demo at the moment (no answer); retrying."),
    ],
)
def test_detail(code: int, message: str, detail: str) -> None:
    assert explain_refusal(code, {"message": message}, "apply Service demo").detail == detail


def test_a_very_long_message_is_cut() -> None:
    assert len(explain_refusal(422, {"message": "x" * 100_000}, "apply Service demo").detail) < 1100


def test_a_transient_state_is_tried_again_soon_and_what_needs_a_human_rarely() -> None:
    limits = {code: explain_refusal(code, {}, "apply").retry_limit for code in (503, 403, 422)}

    assert limits == {503: 15, 403: 60, 422: 300}


@pytest.mark.parametrize(
    ("code", "details", "terminating"),
    [
        (403, {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}, True),
        (403, {"causes": [{"reason": "Other"}]}, False),
        (403, {}, False),
        (403, None, False),
        (409, {"causes": [{"reason": "NamespaceTerminating"}]}, False),
    ],
)
def test_namespace_terminating(code: int, details: dict[str, Any] | None, terminating: bool) -> None:
    assert is_namespace_terminating(code, {"details": details}) is terminating
    assert not is_namespace_terminating(code, {})


def test_an_autoscaler_from_zero_on_a_cluster_without_it_is_told_by_the_field() -> None:
    causes = [{"field": "spec.minReplicas", "message": "must be greater than or equal to 1"}]
    status = {"message": "is invalid", "details": {"kind": "HorizontalPodAutoscaler", "causes": causes}}

    failure = explain_refusal(422, status, "apply HorizontalPodAutoscaler demo")

    assert failure.reason is Reason.DeploymentRejected
    assert failure.detail == (
        "Cannot apply HorizontalPodAutoscaler demo: min_workers 0 with an autoscaler needs Kubernetes 1.37, "
        "or the feature gate HPAScaleToZero in the API server and the controller manager. Set min_workers to "
        "1, or autoscaler to EXTERNAL."
    )
    other = {**status, "details": {"kind": "Deployment", "causes": causes}}
    assert "1.37" not in explain_refusal(422, other, "apply Deployment demo").detail
