"""What is told of every failure that a real node has recorded, from its pods to the instance's status."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.diagnosis.cause import Diagnosis
from model_operator.core.diagnosis.deployment_pods import REVISION, group_pods
from model_operator.core.diagnosis.evidence import Evidence
from model_operator.core.objects.drift import APPLIED_HASH
from model_operator.core.planning.plan import make_plan
from model_operator.core.status.assessment import Assessment, Observation, assess
from model_operator.core.status.instance import instance_status
from model_operator.core.templates.parsing import parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from tests.failures.catalog import FAILURES, INSTANCE, Snapshot
from tests.failures.record import load

EXPECTED = yaml.safe_load(Path(__file__).with_name("recorded.yaml").read_text())
MAY_PASS = {
    "unschedulable-cpu",
    "unschedulable-gpu",
    "quota",
    "claim-unbound",
    "startup-probe-fails",
    "readiness-probe-fails",
    "liveness-probe-fails",
    "readiness-deadline",
    "progress-deadline",
    "health-route-missing",
    "server-on-another-port",
    "storage-exceeded",
    # Recorded after the first restart.
    "crash",
    "clean-exit",
    "crash-without-probe",
    "out-of-memory",
    "sidecar-crash",
}
"""Those that an added node, a longer wait, another load or one more start may resolve."""
every_failure = pytest.mark.parametrize("name", FAILURES)


def replica_sets(seen: Snapshot) -> list[dict[str, Any]]:
    """Return the metadata of the one ReplicaSet that the recorded pods are of."""
    metadata = seen.deployment["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "uid": metadata["uid"], "controller": True}
    place = {"namespace": metadata["namespace"]}
    revision = {REVISION: metadata["annotations"][REVISION]}
    uids = {pod["metadata"]["ownerReferences"][0]["uid"] for pod in seen.pods}
    return [
        {"metadata": {**place, "uid": uid, "annotations": revision, "ownerReferences": [owner]}}
        for uid in sorted(uids)
    ]


def find(seen: Snapshot) -> Diagnosis | None:
    """Look as the operator does: at events only of pods that are unclear."""
    workers = group_pods(seen.deployment, replica_sets(seen), seen.pods)
    events = {
        uid: [event for event in seen.events if event["involvedObject"]["uid"] == uid]
        for uid in workers.unclear
    }
    return workers.cause(Evidence(moment_of(seen), events, *claims_of(seen)))


def claims_of(seen: Snapshot) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Return the recorded claims by name, and their events."""
    claims = {claim["metadata"]["name"]: claim for claim in seen.claims}
    events = {
        name: [event for event in seen.events if event["involvedObject"]["uid"] == claim["metadata"]["uid"]]
        for name, claim in claims.items()
    }
    return claims, events


def moment_of(seen: Snapshot) -> datetime.datetime:
    """Return a time after all that was recorded, when what passes by itself in a minute has not passed."""
    times = [each["metadata"]["creationTimestamp"] for each in (*seen.pods, *seen.events, seen.deployment)]
    newest = max(datetime.datetime.fromisoformat(time) for time in times)
    return newest + datetime.timedelta(seconds=90)


def observe(name: str, seen: Snapshot) -> Assessment:
    """Return what the operator knows of a recorded failure before it looks at pods."""
    metadata = {"namespace": name, "uid": "i1", "generation": 1}
    failure = FAILURES[name]
    instance = read_instance({**failure.instance(), "metadata": {**metadata, "name": INSTANCE}, "status": {}})
    template = parse_template({**failure.template(), "metadata": {**metadata, "name": INSTANCE, "uid": "t1"}})
    plan = make_plan(instance.resource, template, RenderSettings())
    assert plan.rendering is not None
    (rendered,) = plan.rendering.deployments
    applied = rendered.deployment.applied_hash
    seen.deployment["metadata"]["annotations"][APPLIED_HASH] = applied
    return assess(Observation(instance, plan, {INSTANCE: seen.deployment}))


@every_failure
def test_what_the_instance_tells(name: str) -> None:
    seen, failure = load(name), FAILURES[name]
    observed = observe(name, seen)
    causes = {}
    if observed.undiagnosed:
        cause = find(seen)
        causes = {INSTANCE: cause} if cause else {}

    status = instance_status(observed.with_causes(causes), "now")

    conditions = {condition["type"]: condition for condition in status["conditions"]}
    ready = conditions["Ready"]
    assert (ready["status"], ready["reason"]) == ("False", failure.reason)
    assert ready["message"] == EXPECTED[name]
    assert ("Stalled" in conditions) is failure.stalls
    assert conditions["Available"]["status"] == "False"
    assert ("failing_since" in status["template"]) is (name not in MAY_PASS)


@every_failure
def test_nothing_in_a_message_differs_from_pod_to_pod(name: str) -> None:
    seen = load(name)
    changing = [
        text
        for pod in seen.pods
        for text in (pod["metadata"]["name"], pod["metadata"]["uid"], pod["status"].get("podIP"))
        if text
    ]

    assert [text for text in changing if text in EXPECTED[name]] == []


def test_every_failure_is_expected() -> None:
    assert list(EXPECTED) == list(FAILURES)


def test_who_is_not_asked_is_blamed_while_it_runs_between_two_crashes() -> None:
    seen = load("crash-without-probe")
    (pod,) = seen.pods
    (status,) = pod["status"]["containerStatuses"]
    again = status["lastState"]["terminated"]["finishedAt"]
    status |= {"ready": True, "started": True, "state": {"running": {"startedAt": again}}}
    for condition in pod["status"]["conditions"]:
        condition["status"] = "True"
    counts = {"readyReplicas": 1, "availableReplicas": 0}

    cause = find(Snapshot(_with_status(seen.deployment, counts), seen.pods, seen.events))

    assert cause is not None
    assert cause.reason.name == "CrashLooping"
    counts["availableReplicas"] = 1
    assert find(Snapshot(_with_status(seen.deployment, counts), seen.pods, seen.events)) is None


def _with_status(deployment: dict[str, Any], counts: dict[str, int]) -> dict[str, Any]:
    return {**deployment, "status": {**deployment["status"], **counts}}
