"""Every lie that a status or a child may tell is caught, and said clearly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.life.judge import judge
from tests.unit.life.edits import FAR, at, change_condition, conditions, entry, meta, status
from tests.unit.life.true_life import Edit, condition, deployment, history, instance, service, told

if TYPE_CHECKING:
    from tests.life.history import Object


def at_property(obj: Object, name: str) -> Object:
    found: Object = obj["spec"]["model_creation_parameters_schema"]["properties"][name]
    return found


def stalled(obj: Object) -> None:
    obj["status"]["conditions"][2] |= {"type": "Stalled"}


FORM: dict[str, tuple[list[Edit], str]] = {
    "generation of the future": ([status(16, observedGeneration=2)], "runs ahead of generation 1"),
    "generation of the past": ([status(28, observedGeneration=1)], "observedGeneration goes back from 2"),
    "condition of the future": (
        [change_condition(16, "Ready", observedGeneration=2)],
        "condition Ready is about a later generation",
    ),
    "another id": ([status(16, id="other")], "id changes from 'uid-instance' to 'other'"),
    "id of a namesake": ([status(14, id="other")], "id is other, the uid is uid-instance"),
    "another creation": ([status(14, created_at=FAR)], "created_at is 2026-01-01T12"),
    "account dropped": ([status(28, account_id=None)], "account_id changes from 'here' to None"),
    "Reconciling while Ready": (
        [conditions(16, lambda all_: all_.append(condition("Reconciling", True, 1, 9)))],
        "Ready together with Reconciling",
    ),
    "Reconciling and Stalled": (
        [conditions(14, lambda all_: all_.append(condition("Stalled", True, 1, 8)))],
        r"instead of one of Reconciling and Stalled: \['Reconciling', 'Stalled'\]",
    ),
    "neither Ready nor on the way": ([conditions(19, list.pop)], "instead of one of Reconciling and Stalled"),
    "Reconciling kept when false": (
        [conditions(16, lambda all_: all_.append(condition("Reconciling", False, 1, 9)))],
        "Reconciling is there without being true",
    ),
    "twice the same": (
        [conditions(16, lambda all_: all_.append(all_[1]))],
        "a type of condition is there twice",
    ),
    "no Ready": ([conditions(16, lambda all_: all_.pop(0))], "there is no Ready condition"),
    "Available lost": ([conditions(16, list.pop)], "condition Available disappears"),
    "time moved": (
        [change_condition(28, "Ready", lastTransitionTime=FAR)],
        "lastTransitionTime of Ready moves though it stays True",
    ),
    "time gone back": (
        [change_condition(23, "Ready", lastTransitionTime="2026-01-01T07:00:00Z")],
        "lastTransitionTime of Ready goes back",
    ),
    "nobody must act": (
        [change_condition(19, "Ready", reason="CrashLooping", message="It failed.")],
        "does not end with an action as reason CrashLooping needs: 'It failed.'",
    ),
    "name of a pod": (
        [change_condition(19, "Ready", message="Pod minilm-75bd6d8f9c-xk2bz fails.")],
        "tells what changes by itself: m-75bd6d8f9c-xk2bz",
    ),
    "written outside the status": (
        [meta(16, managedFields=[{"manager": "model-operator"}])],
        "the operator has written outside the status",
    ),
    "template's generation of the future": ([status(10, observedGeneration=7)], "runs ahead of generation 1"),
}

CLAIMS: dict[str, tuple[list[Edit], str]] = {
    "a status written blindly": (
        [at(26, "ModelInstance", instance(2, told(1, 2, ready=11, available=12), replicas=2))],
        "newly told, but status is about generation 1",
    ),
    "a condition left behind": (
        [change_condition(26, "Available", observedGeneration=1)],
        "newly told, but Available is about generation 1",
    ),
    "a template of long ago": (
        [at(18, "ModelInstance", instance(1, told(1, 1, ready=9, available=10)))],
        "the template has long been another than generation 1",
    ),
    "a broken template Ready": (
        [(17, lambda obj: at_property(obj, "BATCH_SIZE").update(type="intger"))],
        "the template is broken, Ready tells otherwise",
    ),
    "a right template not Ready": (
        [
            change_condition(17, "Ready", status="False"),
            conditions(17, lambda all_: all_.append(condition("Stalled", True, 2, 8))),
            change_condition(17, "Ready", message="It is wrong. Action (template owner): fix it."),
        ],
        "the template is right, Ready tells otherwise",
    ),
    "Ready before the first roll-out": (
        [at(14, "ModelInstance", instance(1, told(1, 1, ready=8, workers=(0, 0))))],
        "Ready, but Deployment minilm has not been rolled out since its pods changed",
    ),
    "Ready by the counts of the generation before": (
        [at(19, "ModelInstance", instance(1, told(1, 2, ready=9)))],
        "Ready, but Deployment minilm has not been rolled out since its pods changed",
    ),
    "Ready with an old worker left": (
        [at(21, "ModelInstance", instance(1, told(1, 2, ready=11, workers=(2, 1))))],
        "Ready, but Deployment minilm has not been rolled out",
    ),
    "Ready for a template that is not applied": (
        [at(18, "ModelInstance", instance(1, told(1, 2, ready=9)))],
        "Ready, but Deployment minilm runs other pods",
    ),
    "Ready with an entry that is not": (
        [entry(16, status="UPDATE_IN_PROGRESS")],
        "Ready, but the entry minilm is not READY",
    ),
    "an entry READY too early": (
        [entry(21, status="READY")],
        "minilm is READY, but Deployment minilm has not been rolled out",
    ),
    "Ready when the only worker is lost": (
        [
            at(27, "Deployment", deployment(3, "second", replicas=2, counts=(2, 2, 0))),
            at(28, "ModelInstance", instance(2, told(2, 2, ready=11, workers=(2, 0)), replicas=2)),
        ],
        "Ready, but Deployment minilm has other pods, or none that is available",
    ),
    "Ready taken back for scaling": (
        [at(26, "ModelInstance", instance(2, told(2, 2, since=12), replicas=2))],
        "Ready is taken back though the same pods are asked for and still serve",
    ),
    "Ready with wrong parameters": (
        [
            at(24, "ModelInstance", wrong := instance(2, told(1, 2, ready=11), model_creation_parameters={})),
            at(26, "ModelInstance", {**wrong, "status": told(2, 2, ready=11)}),
        ],
        "Ready, but the parameters are wrong",
    ),
    "Stalled while it gets on": ([(21, stalled)], "Stalled, but nothing has to be done by a human"),
    "errors without a fault": (
        [status(21, validation_errors=[{"loc": ["spec"]}])],
        "validation_errors, but the parameters are right",
    ),
    "a template that never was": (
        [at(16, "ModelInstance", instance(1, told(1, 7, ready=9)))],
        "there has been no template",
    ),
    "a template of the past": (
        [at(28, "ModelInstance", instance(2, told(2, 1, since=12, workers=(2, 2)), replicas=2))],
        "the template's generation goes back from 2 to 1",
    ),
    "workers that are not there": (
        [entry(16, replicas=2), status(16, replicas=2)],
        r"minilm is said to have \(2, 1\) workers, ready ones; there were \[\(1, 1\)\]",
    ),
    "workers hidden": (
        [entry(28, ready_replicas=0), status(28, ready_replicas=0)],
        r"minilm is said to have \(2, 0\) workers, ready ones; there were \[\(2, 2\)\]",
    ),
    "a wrong sum": (
        [status(28, ready_replicas=1)],
        "ready_replicas is 1, that of its deployments together is 2",
    ),
    "another url": ([status(28, url="http://other")], "url is http://other, that of the first deployment"),
    "url of nobody": (
        [entry(28, url="http://other"), status(28, url="http://other")],
        "the url of minilm is http://other; Service minilm is there",
    ),
    "a hidden deployment": (
        [status(16, deployments=[], replicas=0, ready_replicas=0, url=None)],
        "Deployment minilm is hidden",
    ),
    "Available for nothing": (
        [at(14, "ModelInstance", instance(1, told(1, 1, available=8, workers=(0, 0))))],
        "Available, but no worker was available",
    ),
    "what serves is hidden": (
        [at(19, "ModelInstance", instance(1, told(1, 2, since=10, available=None)))],
        "not Available, but a worker was available all the time",
    ),
    "a wrong number": ([status(28, deployment_count=2)], "deployment_count is 2, there were 1 to 1"),
    "deletion that is not told": (
        [
            at(28, "ModelInstance", going := instance(2, told(2, 2, ready=11), replicas=2)),
            (28, lambda obj: obj["metadata"].update(deletionTimestamp=FAR)),
            at(29, "ModelInstance", {**going, "status": told(2, 2, ready=11, workers=(2, 2))}),
        ],
        "it is being deleted and does not tell",
    ),
}

CHILDREN: dict[str, tuple[list[Edit], str]] = {
    "of nobody": ([meta(12, ownerReferences=[])], "no instance that was there then is its controller"),
    "of an instance to come": (
        [meta(12, ownerReferences=[{"uid": "uid-later", "controller": True}])],
        "no instance that was there then is its controller",
    ),
    "a tracking label": (
        [(12, lambda obj: obj["metadata"]["labels"].update(team="search"))],
        r"its labels \['team'\] are copied from the instance",
    ),
    "without our label": ([meta(12, labels={})], "its labels are {}"),
    "an owner that goes first": (
        [(12, lambda obj: obj["metadata"]["ownerReferences"][0].update(blockOwnerDeletion=False))],
        "does not block the owner's deletion",
    ),
    "a selector of more": (
        [(12, lambda obj: obj["spec"]["selector"].update(edition="first"))],
        "its selector is",
    ),
    "a port by number": (
        [(12, lambda obj: obj["spec"].update(ports=[{"targetPort": 5005}]))],
        "it does not target the port by its name",
    ),
    "pods that nobody asked for": (
        [at(18, "Deployment", deployment(2, "third", observed=1, counts=(1, 1, 1)))],
        "nobody has asked for what it runs",
    ),
    "fewer workers than asked for": (
        [at(25, "Deployment", deployment(3, "second", replicas=0, observed=2, counts=(1, 1, 1)))],
        "nobody has asked for what it runs, or for so many workers",
    ),
    "the last worker goes": (
        [at(20, "Deployment", deployment(2, "second", counts=(1, 1, 0)))],
        "with it goes the model's last worker",
    ),
    "a Deployment that is asked for is removed": (
        [(27, lambda obj: obj["metadata"].update(deletionTimestamp=FAR))],
        "it is removed though it is asked for",
    ),
    "a Service that is asked for is removed": (
        [at(29, "Service", service()), meta(29, deletionTimestamp=FAR)],
        "it is removed though it is asked for",
    ),
    "removed while the parameters are wrong": (
        [
            at(29, "ModelInstance", instance(3, told(2, 2, ready=11), model_creation_parameters={})),
            at(30, "Service", service()),
            meta(30, deletionTimestamp=FAR),
        ],
        "it is removed though the parameters are wrong",
    ),
    "removed before the other name is there": (
        [
            at(29, "ModelInstance", instance(3, told(2, 2, ready=11), deployments=[{"name": "b"}])),
            at(30, "Service", service()),
            meta(30, deletionTimestamp=FAR),
        ],
        "it is removed before minilm-b is there",
    ),
    "removed before the other name serves": (
        [
            at(29, "ModelInstance", instance(3, told(2, 2, ready=11), deployments=[{"name": "b"}])),
            at(30, "Deployment", deployment(1, "second", name="minilm-b")),
            meta(30, creationTimestamp=FAR),
            at(31, "Service", service()),
            meta(31, deletionTimestamp=FAR),
        ],
        "it is removed before minilm-b is rolled out",
    ),
    "changed though its instance is going": (
        [
            at(28, "ModelInstance", ending := instance(2, told(2, 2, since=12, workers=(2, 2)), replicas=2)),
            (28, lambda obj: obj["metadata"].update(deletionTimestamp=FAR)),
            change_condition(28, "Ready", reason="Terminating"),
            at(29, "Deployment", deployment(4, "second", replicas=2, observed=3, counts=(2, 2, 2))),
        ],
        "it is changed though its instance is known to be going",
    ),
}


def test_nothing_is_wrong_with_a_true_life() -> None:
    assert judge(history()) == []


@pytest.mark.parametrize(
    ("edits", "caught"),
    [
        pytest.param(*lie, id=name.replace(" ", "_"))
        for lies in (FORM, CLAIMS, CHILDREN)
        for name, lie in lies.items()
    ],
)
def test_a_lie_is_caught(edits: list[Edit], caught: str) -> None:
    last = max(revision for revision, _ in edits)

    faults = judge(history(*edits, end=last), since=last - 1)

    assert any(re.search(caught, fault) for fault in faults), faults
    assert all(f"(version {last}" in fault for fault in faults)


def test_what_was_true_a_moment_ago_may_be_told_but_not_what_was_true_long_ago() -> None:
    late = [
        at(16, "Deployment", deployment(1, "first", counts=(1, 1, 0))),
        at(17, "ModelInstance", instance(1, told(1, 1, ready=9))),
    ]

    def faults(seconds: float) -> list[str]:
        return judge(history(*late, seconds=seconds, end=17), since=16)

    assert faults(0.1) == []
    assert any("or none that is available" in fault for fault in faults(60))


def test_ready_may_not_be_taken_back_for_what_was_before_it() -> None:
    taken_back = at(26, "ModelInstance", instance(2, told(2, 2, since=12), replicas=2))

    (fault,) = judge(history(taken_back, seconds=0.1, end=26), since=25)

    assert "Ready is taken back" in fault


def test_a_roll_out_of_the_same_pods_before_others_does_not_count() -> None:
    back = [
        at(24, "ModelTemplate", history().with_generation("ModelTemplate", "uid-template", 1).obj),  # type: ignore[union-attr]
        (24, lambda obj: obj["metadata"].update(generation=3)),
        at(25, "Deployment", deployment(3, "first", observed=2, counts=(1, 1, 1))),
        at(26, "ModelInstance", instance(1, told(1, 3, ready=11))),
    ]

    faults = judge(history(*back, seconds=0.1, end=26), since=25)

    assert any("has not been rolled out since its pods changed" in fault for fault in faults), faults
