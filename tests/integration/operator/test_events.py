"""Events as kubectl shows them: over a whole life, repeated, and after a restart."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml

from model_operator.core.reasons.reasons import READY_TEXT
from tests.cluster.kube_api import KubeApi
from tests.cluster.waiting import wait_for
from tests.examples.objects import deploy_held, edit_bundle, instance, start_pods, template
from tests.fixtures.cluster import PrivateOperator

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object
    from tests.cluster.kubectl import Kubectl

EVENT = "Event.events.k8s.io"


def events(api: KubeApi, name: str = "minilm", kind: str = "ModelInstance") -> list[Object]:
    """Give our events about an object, the oldest first."""
    found = [
        event
        for event in api.list(EVENT)
        if (event["regarding"]["kind"], event["regarding"]["name"]) == (kind, name)
    ]
    return sorted(found, key=lambda event: str(event["eventTime"]))


def reasons(api: KubeApi, name: str = "minilm", kind: str = "ModelInstance") -> list[str]:
    return [event["reason"] for event in events(api, name, kind)]


def described(kubectl: Kubectl, api: KubeApi, resource: str) -> list[tuple[str, str, str, str]]:
    """Give type, reason, source and message of each event that ``kubectl describe`` shows."""
    text = kubectl("describe", resource, "--namespace", api.namespace).stdout
    lines = text.partition("\nEvents:")[2].splitlines()[3:]
    return [
        (row[0], row[1], row[-2], row[-1])
        for row in (re.split(r"\s{2,}", line.strip()) for line in lines)
        if len(row) > 3
    ]


def happened(api: KubeApi, *expected: str, name: str = "minilm", kind: str = "ModelInstance") -> None:
    """Wait until just this has happened to an object, in any order; the same within minutes is one Event."""
    wait_for(
        lambda: _times(api, name, kind) == Counter(expected),
        message=f"events {sorted(expected)} of {kind} {name}; {_times(api, name, kind)}",
    )


def _times(api: KubeApi, name: str, kind: str) -> Counter[str]:
    """Count how often each thing has happened; one Event may tell of children and of what followed."""
    counts: Counter[str] = Counter()
    for event in events(api, name, kind):
        count = event.get("series", {}).get("count", 1)
        counts[event["reason"]] += count
        verb = event["note"].partition(" ")[0]
        if verb in ("Created", "Updated", "Deleted") and event["reason"] != f"Child{verb}":
            counts[f"Child{verb}"] += count
    return counts


CREATION = ["ChildCreated", "Deploying", "RolledOut"]


@pytest.mark.usefixtures("operator")
def test_whole_life_in_kubectl_describe(api: KubeApi, kubectl: Kubectl) -> None:
    deploy_held(api)
    happened(api, *CREATION)
    happened(api, "TemplateValid", name="encoder", kind="ModelTemplate")
    source = "model-operator"
    shown = described(kubectl, api, "modelinstance/minilm")
    # What was done to children and the state that followed may be one Event.
    assert {row[:3] for row in shown} <= {("Normal", reason, source) for reason in CREATION}
    told = [note for _, _, _, note in shown]
    assert [note.startswith("Created Deployment minilm and Service minilm.") for note in told].count(
        True
    ) == 1
    assert [note.endswith(READY_TEXT) for note in told].count(True) == 1

    edit_bundle(api, tag="v2")
    start_pods(api)
    life = [*CREATION, "ChildUpdated", "Deploying", "RolledOut"]
    happened(api, *life)
    of_template = ("TemplateValid", "TemplateEdited", "RolloutComplete")
    happened(api, *of_template, name="encoder", kind="ModelTemplate")
    revision = api.get("ModelTemplate", "encoder")["status"]["latest_revision"]
    note = f"Revision {revision} affects 1 instance; see condition RolledOut for progress."
    rolled_out = ("Normal", "TemplateEdited", source, note)
    assert rolled_out in described(kubectl, api, "modeltemplate/encoder")
    note = f"Updated Deployment minilm for revision {revision} of ModelTemplate encoder."
    (updated,) = [event for event in events(api) if event["note"].startswith(note)]
    deployment = api.get("Deployment", "minilm")["metadata"]
    assert (updated["related"]["kind"], updated["related"]["uid"]) == ("Deployment", deployment["uid"])

    parameters = {"MODEL_NAME": "other", "BATCH_SIZE": 0}
    api.apply(instance(model_creation_parameters=parameters))
    life += ["InvalidParameters"]
    happened(api, *life)
    (row,) = [row for row in described(kubectl, api, "modelinstance/minilm") if row[0] == "Warning"]
    assert row[1] == "InvalidParameters"
    assert "BATCH_SIZE" in row[3]

    api.apply(instance(model_creation_parameters=parameters | {"BATCH_SIZE": 4}))
    start_pods(api)
    life += ["ChildUpdated", "Deploying", "RolledOut"]
    happened(api, *life)
    note = "Updated Deployment minilm for generation 3 of the instance."
    assert any(event["note"].startswith(note) for event in events(api))

    api.apply(instance(deployments=[]))
    life += ["NotDeployed", "ChildDeleted"]
    happened(api, *life)
    # What an instance goes through after the roll-out is no part of it.
    happened(api, *of_template, name="encoder", kind="ModelTemplate")
    # RolledOut, three times in a few seconds, is one Event, unless it is told with an update.
    assert [event["note"] for event in events(api)].count(READY_TEXT) <= 1
    assert max(len(event["note"].encode()) for event in events(api)) <= 1024


@pytest.mark.usefixtures("operator")
def test_repeats_become_one_event(api: KubeApi, kubectl: Kubectl) -> None:
    deploy_held(api)
    happened(api, *CREATION)
    for number in range(4):
        api.patch("Service", "minilm", {"spec": {"selector": {"app": f"other-{number}"}}})
        wait_for(lambda: "app" not in api.get("Service", "minilm")["spec"]["selector"])
    wait_for(
        lambda: (
            [e.get("series", {}).get("count") for e in events(api) if e["reason"] == "ChildUpdated"] == [4]
        )
    )
    text = kubectl("describe", "modelinstance/minilm", "--namespace", api.namespace).stdout
    (line,) = [line for line in text.splitlines() if "ChildUpdated" in line]
    assert "(x4 over " in line
    assert "Updated Service minilm because it differed from its desired state." in line


def test_restart_adds_no_event(private_api: KubeApi, private_operator: PrivateOperator) -> None:
    operator = private_operator()
    deploy_held(private_api)
    happened(private_api, *CREATION)
    happened(private_api, "TemplateValid", name="encoder", kind="ModelTemplate")
    # By then the template's count has settled, too.
    wait_for(lambda: private_api.get("ModelTemplate", "encoder")["status"]["updated_instance_count"] == 1)
    operator.stop()
    before = {event["metadata"]["uid"]: event for event in private_api.list(EVENT)}

    private_operator()
    private_api.apply(instance("witness"))
    start_pods(private_api, "witness")
    happened(private_api, *CREATION, name="witness")
    after = {
        event["metadata"]["uid"]: event
        for event in private_api.list(EVENT)
        if event["regarding"]["name"] != "witness" and event.get("reportingController") == "model-operator"
    }
    assert after == {uid: event for uid, event in before.items() if uid in after}
    # One of the template; of the instance, those about children and about Deploying may be one.
    assert len(CREATION) <= len(after) <= len(CREATION) + 1


def test_what_has_just_happened_is_told_before_the_end(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    private_api.apply(template())
    private_api.wait_for_condition("ModelTemplate", "encoder", "Ready")
    operator.stop()
    assert reasons(private_api, "encoder", "ModelTemplate") == ["TemplateValid"]


@pytest.mark.usefixtures("operator")
def test_cluster_template_s_events_are_found_by_kubectl(api: KubeApi, kubectl: Kubectl) -> None:
    obj = template(f"encoder-{api.namespace}")
    obj["kind"] = "ClusterModelTemplate"
    name = obj["metadata"]["name"]
    kubectl("apply", "-f", "-", input=yaml.safe_dump(obj))
    try:
        wait_for(
            lambda: (
                "TemplateValid"
                in kubectl("describe", f"clustermodeltemplate/{name}").stdout.partition("Events:")[2]
            )
        )
    finally:
        kubectl("delete", "clustermodeltemplate", name)


@pytest.mark.usefixtures("operator")
def test_roll_out_of_an_edit_is_counted_on_the_template(api: KubeApi, kubectl: Kubectl) -> None:
    api.apply(template())
    for name in ("one", "two", "three"):
        api.apply(instance(name))
    _counts(api, 3, 3, 0)
    api.wait_for_condition("ModelTemplate", "encoder", "RolledOut", reason="AllUpdated")
    since = api.get("ModelTemplate", "encoder")["metadata"]["resourceVersion"]

    api.apply(instance("three", replicas=0, model_creation_parameters={"MODEL_NAME": "m", "BATCH_SIZE": -1}))
    _counts(api, 3, 2, 1)
    obj = api.wait_for_condition("ModelTemplate", "encoder", "RolledOut", "False", reason="InstancesStalled")
    assert any(each["type"] == "Ready" and each["status"] == "True" for each in obj["status"]["conditions"])
    edit_bundle(api, tag="v2")
    wait_for(lambda: api.get("ModelTemplate", "encoder")["status"]["observedGeneration"] == 2)
    _counts(api, 3, 2, 1)
    api.apply(instance("three"))
    kubectl(
        "wait", "--for=condition=RolledOut", "modeltemplate/encoder", "--timeout=60s", "-n", api.namespace
    )
    _counts(api, 3, 3, 0)

    for version in api.versions("ModelTemplate", "encoder", since):
        status, generation = version["status"], version["metadata"]["generation"]
        ready = {each["type"]: each["status"] for each in status["conditions"]}
        assert ready["Ready"] == "True"
        if status["observedGeneration"] == generation == 2 and ready["RolledOut"] == "True":
            assert status["updated_instance_count"] == status["instance_count"] == 3


def _counts(api: KubeApi, instances: int, updated: int, stalled: int) -> None:
    names = ("instance_count", "updated_instance_count", "stalled_instance_count")
    wait_for(
        lambda: (
            [api.get("ModelTemplate", "encoder")["status"].get(name) for name in names]
            == [instances, updated, stalled]
        )
    )
