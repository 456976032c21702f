"""What hangs below what, and how the lines differ by what is live, old, leaving or somebody else's."""

from __future__ import annotations

import datetime
from typing import Any

from model_operator.cli.terminal import columns
from model_operator.core.inspection.explanation import explain
from model_operator.core.inspection.facts import Facts, name_of
from model_operator.core.inspection.tree import Tone, instance_tree

NOW = datetime.datetime(2026, 1, 1, 0, 1, tzinfo=datetime.UTC)
TIME = "2026-01-01T00:00:00Z"
REVISION = "deployment.kubernetes.io/revision"


INSTANCE = ("modeloperator.dev/v1alpha1", "ModelInstance")
DEPLOYMENT = ("apps/v1", "Deployment")
REPLICA_SET = ("apps/v1", "ReplicaSet")


def obj(
    name: str,
    owner: str = "",
    revision: str = "",
    controller: tuple[str, str] = DEPLOYMENT,
    **parts: Any,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": "team-a", "uid": name, "creationTimestamp": TIME}
    if owner:
        version, kind = controller
        metadata["ownerReferences"] = [
            {"apiVersion": version, "kind": kind, "uid": owner, "controller": True}
        ]
    if revision:
        metadata["annotations"] = {REVISION: revision}
    return {"metadata": metadata, **parts}


def deployment(name: str, owner: str = "minilm", *, revision: str = "2", ready: int = 1) -> dict[str, Any]:
    spec = {"replicas": 2}
    status = {"readyReplicas": ready, "observedGeneration": 1}
    return obj(name, owner, revision, INSTANCE, spec=spec, status=status)


def pod(name: str, owner: str, *, ready: bool = True, **status: Any) -> dict[str, Any]:
    conditions = [{"type": kind, "status": str(ready)} for kind in ("Ready", "ContainersReady")]
    conditions.append({"type": "PodScheduled", "status": "True"})
    containers = [{"name": "model", "ready": ready, "state": {"running": {"startedAt": TIME}}}]
    held = {"conditions": conditions, "containerStatuses": containers, **status}
    return obj(
        name,
        owner,
        "",
        REPLICA_SET,
        spec={"nodeName": "node", "containers": [{"name": "model"}]},
        status=held,
    )


def leaving(given: dict[str, Any]) -> dict[str, Any]:
    return {**given, "metadata": {**given["metadata"], "deletionTimestamp": TIME}}


def instance(*entries: dict[str, Any], ready: bool = False, reason: str = "Deploying") -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready), "reason": reason, "message": "So it is."}]
    bound = {"kind": "ClusterModelTemplate", "name": "encoder", "uid": "t", "generation": 1}
    status = {
        "observedGeneration": 0,
        "conditions": conditions,
        "deployments": list(entries),
        "template": bound,
    }
    return obj("minilm", spec={}, status=status)


def drawn(facts: Facts) -> list[str]:
    return columns([line.texts for line in instance_tree(facts, NOW)])


def test_revisions_and_pods_that_come_and_go() -> None:
    entry = {"name": "minilm", "status": "UPDATE_IN_PROGRESS", "url": "http://minilm.team-a.svc"}
    facts = Facts(
        instance(entry),
        [deployment("minilm")],
        [obj("old", "minilm", "1"), obj("new", "minilm", "2"), obj("other", "somebody", "2")],
        [
            pod("old-a", "old"),
            leaving(pod("old-b", "old")),
            pod("new-a", "new", ready=False),
            pod("new-b", "new"),
            pod("stray", "other"),
        ],
    )

    assert drawn(facts) == [
        "ModelInstance/minilm   Deploying            1/2   60s   ClusterModelTemplate encoder",
        "└─ Deployment/minilm   UPDATE_IN_PROGRESS   1/2   60s   http://minilm.team-a.svc",
        "   ├─ Pod/new-a        Starting             0/1   60s",
        "   ├─ Pod/new-b        Ready                1/1   60s",
        "   ├─ Pod/old-a        Ready                1/1   60s   old revision",
        "   └─ Pod/old-b        Terminating          1/1   60s   old revision",
    ]


def test_several_deployments_in_the_order_of_the_status() -> None:
    entries: list[dict[str, Any]] = [
        {"name": "minilm-b", "status": "READY", "url": "http://minilm-b.team-a.svc"},
        {
            "name": "minilm-a",
            "status": "UPDATE_PENDING",
            "problem": {"reason": "Deploying", "detail": "Deployment minilm-a is being created."},
        },
    ]
    facts = Facts(
        instance(*entries),
        [deployment("minilm-z"), deployment("minilm-b"), deployment("minilm-y", owner="somebody")],
        [obj("set", "minilm-b", "2")],
        [pod("worker", "set")],
    )

    lines = instance_tree(facts, NOW)

    assert [line.name for line in lines] == [
        "ModelInstance/minilm",
        "├─ Deployment/minilm-b",
        "│  └─ Pod/worker",
        "├─ Deployment/minilm-a",
        "└─ Deployment/minilm-z",
    ]
    assert [line.tone for line in lines] == [Tone.BUSY, Tone.GOOD, Tone.GOOD, Tone.BUSY, Tone.PLAIN]
    assert lines[3].texts[1:] == ("UPDATE_PENDING", "-", "-", "Deployment minilm-a is being created.")


def test_a_pod_without_status() -> None:
    bare = obj("worker", "set", "", REPLICA_SET, spec={"containers": [{"name": "model"}]})
    facts = Facts(instance(), [deployment("minilm")], [obj("set", "minilm", "2")], [bare])

    assert instance_tree(facts, NOW)[-1].texts == ("   └─ Pod/worker", "Starting", "0/1", "60s", "")


def test_why_says_what_is_wrong_with_the_template() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "TemplateInvalid", "message": "No image."}
    stalled = {**ready, "type": "Stalled", "status": "True"}
    template = obj("encoder", status={"conditions": [ready, stalled]})
    template |= {"kind": "ClusterModelTemplate"}
    template["metadata"] |= {"uid": "t", "generation": 1}

    found = explain(Facts(instance(reason="TemplateInvalid"), template=template), NOW)

    assert dict(found.parts)["Where"] == ("ClusterModelTemplate encoder: TemplateInvalid: No image.",)


def test_why_shows_some_of_many_pods() -> None:
    waiting = {"name": "model", "ready": False, "state": {"waiting": {"reason": "ErrImagePull"}}}
    pods = [pod(f"worker-{n}", "set", ready=False, containerStatuses=[waiting]) for n in range(7)]
    entry = {"name": "minilm", "status": "UPDATE_FAILED", "message": "So it is."}
    facts = Facts(
        instance(entry, reason="ImagePullFailed"), [deployment("minilm")], [obj("set", "minilm", "2")], pods
    )

    where = dict(explain(facts, NOW).parts)["Where"]

    assert len(where) == 6
    assert where[0] == "Pod worker-0 of Deployment minilm"
    assert where[-1] == "and 2 more pods of Deployment minilm"


def test_what_only_has_the_label_of_an_instance_is_not_shown() -> None:
    forged = deployment("forged")
    forged["metadata"]["ownerReferences"][0]["apiVersion"] = "example.com/v1"
    elsewhere = deployment("elsewhere")
    elsewhere["metadata"]["namespace"] = "team-b"
    job = obj("job-pod", "set", "", ("batch/v1", "Job"), spec={"containers": [{"name": "model"}]})
    facts = Facts(instance(), [deployment("minilm"), forged, elsewhere], [obj("set", "minilm", "2")], [job])

    assert [name_of(each) for each in facts.own_deployments()] == ["minilm"]
    assert list(facts.pods_of(deployment("minilm"))) == []


def waiting(reason: str = "AwaitingRollout", *entries: dict[str, Any]) -> dict[str, Any]:
    """Return an instance that is Ready and not up to date."""
    given = instance(*entries, ready=True, reason="RolledOut")
    update = {"type": "UpToDate", "status": "False", "reason": reason, "message": "Its turn comes."}
    given["status"]["conditions"].append(update)
    return given


def test_an_instance_that_a_roll_out_has_not_reached() -> None:
    (line,) = instance_tree(Facts(waiting()), NOW)

    assert line.texts[1:2] == ("RolledOut",)
    assert line.detail == "ClusterModelTemplate encoder; not up to date: AwaitingRollout"
    assert line.tone is Tone.GOOD
    found = explain(Facts(waiting("RolloutHalted")), NOW)
    assert found.is_healthy
    assert dict(found.parts)["Update"] == ("RolloutHalted: Its turn comes.",)
    assert "Update" not in dict(explain(Facts(instance(ready=True)), NOW).parts)


def test_why_says_that_a_failing_instance_is_not_up_to_date() -> None:
    given = waiting("Pinned")
    given["status"]["conditions"][0]["status"] = "False"

    found = explain(Facts(given), NOW)

    assert not found.is_healthy
    assert found.parts[-1] == ("Update", ("Pinned: Its turn comes.",))


def test_a_deployment_with_a_revision_of_its_own() -> None:
    entries = [
        {"name": "blue", "status": "READY", "url": "http://blue.team-a.svc", "template_revision": "a" * 12},
        {"name": "green", "status": "READY", "template_revision": "b" * 12},
    ]
    given = instance(*entries, ready=True)
    given["status"]["template"]["revision"] = "b" * 12

    _, blue, green = instance_tree(Facts(given), NOW)

    assert blue.detail == "http://blue.team-a.svc; revision aaaaaaaaaaaa"
    assert green.detail == ""
