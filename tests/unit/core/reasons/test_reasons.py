"""The closed list of reasons."""

from __future__ import annotations

import re

import pytest

from model_operator.core.reasons.reasons import POD_REASONS, PRECEDENCE, Reason

every_reason = pytest.mark.parametrize("reason", Reason)


def test_precedence() -> None:
    assert [reason.name for reason in PRECEDENCE] == [
        "Terminating",
        "TemplateNotFound",
        "TemplateNotShared",
        "TemplateRevisionNotFound",
        "TemplateInvalid",
        "InvalidParameters",
        "ModelTypeMismatch",
        "NameConflict",
        "DeploymentRejected",
        "OperatorForbidden",
        "QuotaExceeded",
        "Contested",
        "PodsRejected",
        "ImagePullFailed",
        "ContainerConfigError",
        "VolumeNotReady",
        "ResourceClaimNotReady",
        "Unschedulable",
        "OOMKilled",
        "CrashLooping",
        "ProbeFailing",
        "ProgressDeadlineExceeded",
        "Deploying",
        "RolledOut",
        "ScaledToZero",
        "Suspended",
        "NotDeployed",
        "ExternallyHosted",
    ]


def test_two_reasons_are_never_the_same() -> None:
    # Members of an Enum with equal values would be one member of two names.
    assert len(Reason) == len(Reason.__members__)


@every_reason
def test_a_reason_is_ready_or_says_what_to_do(reason: Reason) -> None:
    assert bool(reason.value.next_step) is not reason.ready
    assert not (reason.ready and reason.stalled)


@every_reason
def test_what_is_stalled_names_who_must_act(reason: Reason) -> None:
    assert not reason.stalled or reason.value.actor is not None


@every_reason
def test_what_only_pods_tell_is_transient_until_the_deadline(reason: Reason) -> None:
    told_by_pods = reason in POD_REASONS or reason is Reason.PodsRejected
    assert reason.value.stalls_late is told_by_pods
    assert not (reason.stalled and reason.value.stalls_late)


@every_reason
def test_sentences_are_whole(reason: Reason) -> None:
    assert reason.value.meaning.endswith(".")
    assert reason.value.next_step.endswith(".") or not reason.value.next_step
    assert re.fullmatch("[A-Z][A-Za-z]*", reason.name), "the API server wants CamelCase"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (Reason.RolledOut, "It runs."),
        (Reason.Deploying, "It runs."),
        (Reason.InvalidParameters, "It runs. Action (user): fix the listed fields."),
    ],
)
def test_message(reason: Reason, message: str) -> None:
    assert reason.value.sentence("It runs.") == message
