"""The assessment of an instance: which Deployments need a diagnosis, and what a cause changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model_operator.api import DeploymentState
from model_operator.core.diagnosis.cause import Diagnosis
from model_operator.core.planning.contested_fields import MAX_FIELDS, ContestedField
from model_operator.core.planning.plan import make_plan
from model_operator.core.reasons.reasons import Reason
from model_operator.core.reasons.refusals import Failure
from model_operator.core.status.assessment import Assessment, Observation, assess
from model_operator.core.templates.parsing import parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from tests.unit.controller.objects import instance, template

UNFINISHED = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "conditions": [{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}],
}
COMPLETE = {
    **UNFINISHED,
    "availableReplicas": 1,
    "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
}
CRASH = Diagnosis(Reason.CrashLooping, "container model keeps crashing with hunter22secret.")


def observe(**statuses: dict[str, object]) -> Observation:
    """Return what is seen of `demo` with the entries a and b, and these live Deployments as desired."""
    obj = instance("demo", bound="t1")
    obj["spec"]["deployments"] = [{"name": "a"}, {"name": "b"}]
    obj["spec"]["model_creation_parameters"] = {"NAME": "hunter22secret"}
    live = read_instance(obj)
    known = template("embed")
    known["spec"]["model_creation_parameters_schema"] = {
        "type": "object",
        "properties": {"NAME": {"type": "string"}},
    }
    plan = make_plan(live.resource, parse_template(known), RenderSettings())
    assert plan.rendering is not None
    deployments = {
        rendered.name: {**rendered.deployment.applied, "status": statuses[rendered.entry]}
        for rendered in plan.rendering.deployments
        if rendered.entry in statuses
    }
    return Observation(live, plan, deployments)


def verdicts(assessment: Assessment) -> dict[str, Reason]:
    return {each.name: each.verdict.reason for each in assessment.deployments}


def test_only_a_desired_deployment_in_progress_is_undiagnosed() -> None:
    observation = observe(a=UNFINISHED, b=COMPLETE)
    old = {**observation.deployments["demo-a"], "metadata": {"name": "demo-old", "generation": 1}}
    seen = replace(observation, deployments={**observation.deployments, "demo-old": old})

    assert [live["metadata"]["name"] for live in assess(seen).undiagnosed] == ["demo-a"]


def test_a_cause_changes_the_verdict_on_its_deployment_alone_and_is_redacted() -> None:
    before = assess(observe(a=UNFINISHED, b=UNFINISHED))
    after = before.with_causes({"demo-a": CRASH})

    assert verdicts(before) == {"demo-a": Reason.Deploying, "demo-b": Reason.Deploying}
    assert verdicts(after) == {"demo-a": Reason.CrashLooping, "demo-b": Reason.Deploying}
    assert after.deployments[0].verdict.state is DeploymentState.UPDATE_FAILED
    assert "hunter22secret" not in after.deployments[0].verdict.message
    assert after.deployments[1] is before.deployments[1]


def test_a_cause_of_a_deployment_that_is_complete_or_refused_changes_nothing() -> None:
    complete = assess(observe(a=COMPLETE))
    refused = assess(
        replace(observe(a=UNFINISHED), failures={"demo-a": Failure(Reason.NameConflict, "It is taken.")})
    )

    for assessment in (complete, refused):
        assert assessment.undiagnosed == []
        assert assessment.with_causes({"demo-a": CRASH}) == assessment
    assert complete.with_causes({}) is complete


def test_what_others_wrote_is_redacted_and_bounded() -> None:
    field = ContestedField("Service", 'spec.selector["hunter22secret"]', "hunter22secret")
    refusal = Failure(Reason.PodsRejected, "The value hunter22secret is invalid.")
    seen = replace(
        observe(a=UNFINISHED),
        contested={"demo-a": [field] * (MAX_FIELDS + 1)},
        failures={"demo-b": refusal, "demo-gone": refusal},
    )

    first, *others = assess(seen).deployments

    assert first.verdict.reason is Reason.Contested
    assert len(first.contested) == MAX_FIELDS
    texts = [first.verdict.message, *(f"{each.field} {each.manager}" for each in first.contested)]
    assert not any("hunter22secret" in text for text in [*texts, *(each.verdict.detail for each in others)])
    assert [(each.name, each.is_desired, each.affects_ready) for each in others] == [
        ("demo-b", True, True),
        ("demo-gone", False, True),
    ]


@pytest.mark.parametrize("status", [COMPLETE, UNFINISHED])
def test_the_pod_revision_is_recorded_once_the_live_deployment_was_applied(status: dict[str, object]) -> None:
    observation = observe(a=status)
    assert observation.plan is not None
    assert observation.plan.rendering is not None
    revision = observation.plan.rendering.deployments[0].deployment.pod_revision

    assert [each.pod_revision for each in assess(observation).deployments] == [revision, None]
