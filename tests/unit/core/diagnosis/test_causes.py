"""The cause that is told of a Deployment's pods: see ``cases.yaml``."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.diagnosis.cause import Diagnosis
from model_operator.core.diagnosis.deployment_pods import REVISION, DeploymentPods, group_pods
from model_operator.core.diagnosis.evidence import Evidence

CASES = yaml.safe_load(Path(__file__).with_name("cases.yaml").read_text())
every_case = pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["name"].replace(" ", "_")) for case in CASES]
)
PROBE = {"httpGet": {"path": "/readyz", "port": 5005}}
CONTAINER = {
    "name": "model",
    "image": "ghcr.io/example/model:1",
    "resources": {"limits": {"memory": "1Gi"}},
    "readinessProbe": PROBE,
    # As it is rendered for half an hour.
    "startupProbe": {**PROBE, "periodSeconds": 5, "failureThreshold": 360},
}


def deployment(replicas: int, case: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a Deployment; ``strategy`` and ``rejected`` of a case concern it."""
    case = case or {}
    made: dict[str, Any] = {
        "metadata": {"uid": "d", "annotations": {REVISION: "2"}},
        "spec": {"replicas": replicas, "strategy": case.get("strategy", {"type": "RollingUpdate"})},
    }
    if "rejected" in case:
        condition = {"type": "ReplicaFailure", "status": "True", "message": case["rejected"]}
        made["status"] = {"observedGeneration": 1, "conditions": [condition]}
    return made


def replica_set(uid: str, revision: str) -> dict[str, Any]:
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "uid": "d", "controller": True}
    return {"metadata": {"uid": uid, "annotations": {REVISION: revision}, "ownerReferences": [owner]}}


SETS = [replica_set("new", "2"), replica_set("old", "1")]


def pod(number: int, given: dict[str, Any]) -> dict[str, Any]:
    """Return the pod that a case describes."""
    revision, uid = given.get("revision", "new"), f"p{number}"
    metadata = {
        "name": f"demo-{revision}-{uid}",
        "uid": uid,
        "creationTimestamp": given.get("created", "2026-01-01T08:00:00Z"),
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": revision, "controller": True}
        ],
    }
    if given.get("ending"):
        metadata["deletionTimestamp"] = "2026-01-01T09:00:00Z"
    metadata |= given.get("metadata", {})
    container = {**CONTAINER, **given.get("container", {})}
    node = {} if given.get("homeless") else {"nodeName": "n"}
    spec = {**node, "containers": [container], **given.get("spec", {})}
    return {"metadata": metadata, "spec": spec, "status": {**_status(given), **given.get("status", {})}}


def _status(given: dict[str, Any]) -> dict[str, Any]:
    if "unscheduled" in given:
        reason = "SchedulingGated" if given.get("gated") else "Unschedulable"
        told = {"reason": reason, "message": given["unscheduled"]}
        return {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", **told}]}
    if "ended" in given:
        ended = given["ended"]
        condition = {"type": "Ready", "status": "False", "lastTransitionTime": ended["at"]}
        told = {"reason": ended["reason"], "message": ended["message"]}
        return {"phase": "Failed", **told, "conditions": [condition]}
    model = {"name": "model", "ready": False, "started": False, "restartCount": 0, **given.get("model", {})}
    holds = {
        "PodScheduled": True,
        "PodReadyToStartContainers": given.get("started", "model" in given),
        "Ready": given.get("ready", False),
    }
    return {
        "phase": "Running",
        "podIP": "10.1.0.5",
        "podIPs": [{"ip": "10.1.0.5"}],
        "conditions": [{"type": kind, "status": str(value)} for kind, value in holds.items()],
        "containerStatuses": [model] if "model" in given else [],
    }


def events(given: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a pod that a case describes, in no order."""
    defaults = {
        "type": "Warning",
        "lastTimestamp": "2026-01-01T09:00:00Z",
        "involvedObject": {"kind": "Pod", "fieldPath": "spec.containers{model}"},
    }
    return [{**defaults, **event} for event in reversed(given.get("events", []))]


def look(case: dict[str, Any], pods: list[dict[str, Any]]) -> Diagnosis | None:
    """Look at pods as the operator does."""
    made = [pod(number, given) for number, given in enumerate(pods)]
    workers = group_pods(deployment(case.get("replicas", 1), case), SETS, made)
    read = workers.unclear[: len(workers.unclear) - case.get("unread", 0)]
    claims = {name: claim for name, claim in case.get("claims", {}).items() if name in workers.claims}
    return workers.cause(
        Evidence(
            moment_of(case),
            {uid: events(pods[int(uid[1:])]) for uid in read},
            claims,
            {name: case.get("claim_events", {}).get(name, []) for name in claims},
        )
    )


def moment_of(case: dict[str, Any]) -> datetime.datetime:
    """Return the time at which a case is looked at."""
    return datetime.datetime.fromisoformat(case.get("now", "2026-01-01T09:01:00Z"))


def told(cause: Diagnosis | None) -> dict[str, Any] | None:
    if cause is None:
        return None
    advice = {"actor": str(cause.advice.actor), "step": cause.advice.next_step} if cause.advice else {}
    permanent = {"permanent": True} if cause.is_permanent else {}
    return {"reason": cause.reason.name, **permanent, "detail": cause.detail, **advice}


@every_case
def test_cause(case: dict[str, Any]) -> None:
    assert told(look(case, case["pods"])) == case["expected"]


@pytest.mark.parametrize(
    ("case", "moment"),
    [
        pytest.param(case, moment, id=f"{case['name'].replace(' ', '_')}-{number}")
        for case in CASES
        for number, moment in enumerate(case.get("same", []))
    ],
)
def test_the_same_is_told_at_every_moment(case: dict[str, Any], moment: dict[str, Any]) -> None:
    assert told(look(case, [moment])) == case["expected"]


@every_case
def test_the_same_is_told_in_whatever_order_pods_are_listed(case: dict[str, Any]) -> None:
    made = [pod(number, given) for number, given in enumerate(case["pods"])]
    given = {f"p{number}": events(each) for number, each in enumerate(case["pods"])}

    def listed(pods: list[dict[str, Any]]) -> DeploymentPods:
        return group_pods(deployment(case.get("replicas", 1), case), SETS, pods)

    evidence = Evidence(moment_of(case), given)
    assert listed(made).cause(evidence) == listed(made[::-1]).cause(evidence)


def test_without_a_replica_set_of_the_current_revision_nobody_is_blamed() -> None:
    (crash,) = [case for case in CASES if case["name"] == "a server that ends without an error"]
    made = [pod(0, crash["pods"][0])]

    assert (
        group_pods(deployment(1), [replica_set("new", "1")], made).cause(Evidence(moment_of(crash))) is None
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"namespace": "other"},
        {"owner": {"kind": "Job"}},
        {"owner": {"apiVersion": "example.com/v1"}},
        {"owner": {"controller": False}},
        {"ownerReferences": []},
    ],
    ids=["namespace", "kind", "group", "no controller", "no owner"],
)
def test_who_is_not_of_our_replica_set_is_no_worker(changes: dict[str, Any]) -> None:
    crashed = {"model": {"restartCount": 9, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}}
    own, stray = pod(1, crashed), pod(2, crashed)
    assert len(group_pods(deployment(1), SETS, [own]).waiting) == 1
    metadata = stray["metadata"]
    metadata["ownerReferences"][0] |= changes.get("owner", {})
    metadata |= {key: value for key, value in changes.items() if key != "owner"}

    workers = group_pods(deployment(1), SETS, [stray])

    assert (workers.waiting, workers.old, workers.ended, workers.ready) == ((), (), (), ())


@pytest.mark.parametrize(
    "changes", [{"namespace": "other"}, {"owner": {"kind": "StatefulSet"}}, {"owner": {"controller": False}}]
)
def test_a_replica_set_of_another_owner_has_no_workers_of_ours(changes: dict[str, Any]) -> None:
    stray = replica_set("new", "2")
    metadata = stray["metadata"]
    metadata["ownerReferences"][0] |= changes.get("owner", {})
    metadata |= {key: value for key, value in changes.items() if key != "owner"}
    of_it = pod(1, {"model": {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}})

    assert group_pods(deployment(1), [stray], [of_it]).waiting == ()
