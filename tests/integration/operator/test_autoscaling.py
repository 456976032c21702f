"""The autoscaler and the Deployment's number of workers, judged by every version that the Deployment had.

The control plane's own autoscaler runs, without metrics: it keeps the number within its bounds. What it would
do on a metric the tests do in its place, through the scale subresource and under its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.kube_api import KubeApi
from tests.cluster.waiting import wait_for
from tests.examples.objects import container, edit_bundle, instance, ready, template
from tests.fixtures.cluster import PrivateOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.kube_api import Object

AUTOSCALER = "HorizontalPodAutoscaler"
BUDGET = "PodDisruptionBudget"
OPERATOR, HELPER, CONTROLLER = "model-operator", "model-operator-replicas", "kube-controller-manager"


def autoscaled(**endpoint: Any) -> Object:
    """Give the template with bounds of 2 and 6 workers, or others."""
    obj = template()
    obj["spec"]["vendor_configuration"]["endpoint_config"] |= {"min_workers": 2, "max_workers": 6, **endpoint}
    return obj


def edit_endpoint(api: KubeApi, **fields: Any) -> None:
    patch = {"spec": {"vendor_configuration": {"endpoint_config": fields}}}
    api.patch("ModelTemplate", "encoder", patch)


def deploy(api: KubeApi, *, endpoint: dict[str, Any] | None = None, **spec: Any) -> str:
    """Apply template and instance, wait until it is ready, and give the version before both."""
    since: str = api.apply(autoscaled(**(endpoint or {})))["metadata"]["resourceVersion"]
    api.apply(instance(**spec))
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    return since


def scale(api: KubeApi, workers: int) -> None:
    """Do what the autoscaler does on a metric, and wait until the workers are there."""
    patch = {"spec": {"replicas": workers}}
    api.patch("Deployment", "minilm", patch, subresource="scale", manager=CONTROLLER)
    wait_until_running(api, workers)


def wait_until_running(api: KubeApi, workers: int) -> None:
    wait_for(
        lambda: api.get("Deployment", "minilm")["status"].get("readyReplicas") == workers,
        message=f"{workers} workers are ready",
    )


def counts(api: KubeApi, since: str) -> list[int]:
    """Give the numbers of workers that the Deployment was to have, one after the other."""
    found = [version["spec"]["replicas"] for version in api.versions("Deployment", "minilm", since)]
    return [count for index, count in enumerate(found) if index == 0 or found[index - 1] != count]


def owners(api: KubeApi) -> set[str]:
    """Give the field managers that own the Deployment's number of workers."""
    fields = api.get("Deployment", "minilm")["metadata"]["managedFields"]
    return {each["manager"] for each in fields if "f:replicas" in each["fieldsV1"].get("f:spec", {})}


def has_autoscaler(api: KubeApi) -> bool:
    return api.find(AUTOSCALER, "minilm") is not None


def rolled_out(api: KubeApi, tag: str) -> Callable[[], bool]:
    """Give a check whether all workers have the image of that tag."""

    def check() -> bool:
        live = api.get("Deployment", "minilm")
        status = live["status"]
        assert container(live)["image"].endswith(f":{tag}")
        assert status["observedGeneration"] == live["metadata"]["generation"]
        replicas = live["spec"]["replicas"]
        return bool(status.get("updatedReplicas") == status.get("availableReplicas") == replicas)

    return check


@pytest.mark.usefixtures("operator")
def test_it_begins_with_the_least_and_leaves_the_number_to_the_autoscaler(api: KubeApi) -> None:
    since = deploy(api, endpoint={"scaling_metric": "requests_in_flight", "per_worker": 4})

    spec = api.get(AUTOSCALER, "minilm")["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "minilm"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    target = {"type": "AverageValue", "averageValue": "4"}
    pods = {"metric": {"name": "requests_in_flight"}, "target": target}
    assert spec["metrics"] == [{"type": "Pods", "pods": pods}]
    assert api.get(BUDGET, "minilm")["spec"]["maxUnavailable"] == "50%"
    wait_for(lambda: owners(api) == {HELPER})
    assert counts(api, since) == [2]


@pytest.mark.usefixtures("operator")
def test_what_it_chooses_stays_through_changes_and_is_no_change_of_ready(api: KubeApi) -> None:
    since = deploy(api)
    start = api.get("ModelInstance", "minilm")["metadata"]["resourceVersion"]
    scale(api, 5)
    wait_for(lambda: api.get("ModelInstance", "minilm")["status"]["ready_replicas"] == 5)
    assert owners(api) == {CONTROLLER}
    history = api.versions("ModelInstance", "minilm", start)
    assert [ready(one) for one in history if ready(one)["status"] != "True"] == []
    assert api.get("ModelInstance", "minilm")["status"]["deployments"][0]["replicas"] == 5

    edit_bundle(api, tag="v2")
    wait_for(rolled_out(api, "v2"))
    scale(api, 3)

    assert counts(api, since) == [2, 5, 3]
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")


@pytest.mark.usefixtures("operator")
def test_turning_it_on_keeps_what_runs(api: KubeApi) -> None:
    since = deploy(api, replicas=4)
    assert not has_autoscaler(api)
    assert owners(api) == {OPERATOR}

    api.patch("ModelInstance", "minilm", {"spec": {"replicas": None}})

    wait_for(lambda: has_autoscaler(api))
    wait_for(lambda: owners(api) == {HELPER})
    edit_bundle(api, tag="v2")
    wait_for(rolled_out(api, "v2"))
    assert counts(api, since) == [4]


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("workers", [0, 1])
def test_turning_it_on_with_too_few_raises_them_at_once(api: KubeApi, workers: int) -> None:
    since = deploy(api, replicas=workers)

    api.patch("ModelInstance", "minilm", {"spec": {"replicas": None}})

    wait_until_running(api, 2)
    assert counts(api, since) == [workers, 2]
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("spec", "endpoint", "fixed"),
    [
        pytest.param({"replicas": 5}, {}, 5, id="pinned to what runs"),
        pytest.param({"replicas": 7}, {}, 7, id="pinned above its bounds"),
        pytest.param({"replicas": 1}, {}, 1, id="pinned below its bounds"),
        pytest.param({}, {"max_workers": 2}, 2, id="one bound"),
        pytest.param({}, {"max_workers": 4, "min_workers": 4}, 4, id="one other bound"),
    ],
)
def test_turning_it_off_goes_straight_to_the_fixed_number(
    api: KubeApi, spec: dict[str, Any], endpoint: dict[str, Any], fixed: int
) -> None:
    since = deploy(api)
    scale(api, 5)

    if spec:
        api.patch("ModelInstance", "minilm", {"spec": spec})
    else:
        edit_endpoint(api, **endpoint)

    api.wait_until_gone(AUTOSCALER, "minilm")
    wait_until_running(api, fixed)
    assert counts(api, since) == [2, 5, *([fixed] if fixed != 5 else [])]
    wait_for(lambda: OPERATOR in owners(api))
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    assert (api.find(BUDGET, "minilm") is not None) == (fixed > 1)


@pytest.mark.usefixtures("operator")
def test_on_and_off_and_on_again(api: KubeApi) -> None:
    since = deploy(api)
    scale(api, 4)
    api.patch("ModelInstance", "minilm", {"spec": {"replicas": 4}})
    api.wait_until_gone(AUTOSCALER, "minilm")
    wait_for(lambda: OPERATOR in owners(api))
    api.patch("ModelInstance", "minilm", {"spec": {"replicas": None}})
    wait_for(lambda: has_autoscaler(api))
    wait_for(lambda: OPERATOR not in owners(api))
    assert counts(api, since) == [2, 4]


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        pytest.param({"min_workers": 5}, [2, 4, 5], id="the least is more"),
        pytest.param({"max_workers": 3}, [2, 4, 3], id="the most is less"),
        pytest.param({"min_workers": 1, "max_workers": 9}, [2, 4], id="both are wider"),
    ],
)
def test_other_bounds_reach_the_autoscaler(
    api: KubeApi, endpoint: dict[str, int], expected: list[int]
) -> None:
    since = deploy(api)
    scale(api, 4)

    edit_endpoint(api, **endpoint)

    wanted = {"min_workers": 2, "max_workers": 6, **endpoint}
    bounds = [wanted["min_workers"], wanted["max_workers"]]
    wait_for(
        lambda: (
            [api.get(AUTOSCALER, "minilm")["spec"][key] for key in ("minReplicas", "maxReplicas")] == bounds
        )
    )
    wait_until_running(api, expected[-1])
    assert counts(api, since) == expected


@pytest.mark.usefixtures("operator")
def test_workers_that_somebody_scales_away_come_back(api: KubeApi) -> None:
    deploy(api)
    api.patch("Deployment", "minilm", {"spec": {"replicas": 0}}, subresource="scale", manager="kubectl")
    wait_until_running(api, 2)


@pytest.mark.parametrize("workers", [2, 4], ids=["just created", "pinned"])
@pytest.mark.parametrize("is_held", [False, True], ids=["nothing done", "number held"])
def test_an_operator_that_ended_while_turning_it_on(
    private_api: KubeApi, private_operator: PrivateOperator, workers: int, is_held: bool
) -> None:
    operator = private_operator()
    since = deploy(private_api, replicas=workers)
    operator.kill()
    private_api.patch("ModelInstance", "minilm", {"spec": {"replicas": None}})
    if is_held:
        private_api.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "minilm"},
                "spec": {"replicas": workers},
            },
            manager=HELPER,
            force=False,
        )

    private_operator()

    wait_for(lambda: has_autoscaler(private_api))
    wait_for(lambda: owners(private_api) == {HELPER})
    assert counts(private_api, since) == [workers]


@pytest.mark.usefixtures("operator")
def test_the_number_stays_while_the_autoscaler_cannot_be_created(api: KubeApi) -> None:
    hard = {"count/horizontalpodautoscalers.autoscaling": "0"}
    api.create(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": hard}}
    )
    wait_for(lambda: api.get("ResourceQuota", "none").get("status", {}).get("hard") == hard)
    since = api.apply(autoscaled())["metadata"]["resourceVersion"]
    api.apply(instance(replicas=4))
    api.wait_for_condition("ModelInstance", "minilm", "Ready")

    api.patch("ModelInstance", "minilm", {"spec": {"replicas": None}})

    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="QuotaExceeded")
    assert f"Cannot apply {AUTOSCALER} minilm" in ready(obj)["message"]
    assert api.condition("ModelInstance", "minilm", "Available")["status"] == "True"
    assert owners(api) == {HELPER}
    api.delete("ResourceQuota", "none")
    wait_for(lambda: has_autoscaler(api), deadline=90)
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert counts(api, since) == [4]


@pytest.mark.parametrize("is_gone", [False, True], ids=["nothing done", "autoscaler deleted"])
def test_an_operator_that_ended_while_turning_it_off(
    private_api: KubeApi, private_operator: PrivateOperator, is_gone: bool
) -> None:
    operator = private_operator()
    since = deploy(private_api)
    scale(private_api, 4)
    operator.kill()
    private_api.patch("ModelInstance", "minilm", {"spec": {"replicas": 5}})
    if is_gone:
        private_api.delete(AUTOSCALER, "minilm")

    private_operator()

    wait_until_running(private_api, 5)
    private_api.wait_until_gone(AUTOSCALER, "minilm")
    assert counts(private_api, since) == [2, 4, 5]


def test_what_it_chose_while_the_operator_was_away(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    since = deploy(private_api)
    operator.stop()
    scale(private_api, 6)
    edit_bundle(private_api, tag="v2")
    private_operator()
    wait_for(rolled_out(private_api, "v2"))
    assert counts(private_api, since) == [2, 6]


@pytest.mark.usefixtures("operator")
def test_an_autoscaler_that_cannot_be_deleted_yet_keeps_choosing(api: KubeApi) -> None:
    since = deploy(api)
    scale(api, 4)
    api.patch(AUTOSCALER, "minilm", {"metadata": {"finalizers": ["example.com/hold"]}})
    wait_for(lambda: api.get(AUTOSCALER, "minilm")["metadata"].get("finalizers"))
    api.patch("ModelInstance", "minilm", {"spec": {"replicas": 3}})
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="Deploying")
    assert f"{AUTOSCALER} minilm is still being deleted" in ready(obj)["message"]
    edit_bundle(api, tag="v2")
    wait_for(rolled_out(api, "v2"))
    scale(api, 5)

    api.patch(AUTOSCALER, "minilm", {"metadata": {"finalizers": None}})

    wait_until_running(api, 3)
    assert counts(api, since) == [2, 4, 5, 3]
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")


@pytest.mark.usefixtures("operator")
def test_each_entry_has_its_own_bounds(api: KubeApi) -> None:
    api.apply(autoscaled(scaling_metric="queue_length", min_workers=1))
    workers = {"min_workers": 3, "max_workers": 4, "per_worker": 7}
    entries = [
        {"name": "a"},
        {"name": "b", "vendor_configuration": workers},
        {"name": "c", "vendor_configuration": {"max_workers": 1}},
    ]
    api.apply(instance(deployments=entries))
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    found = {each["metadata"]["name"]: each["spec"] for each in api.list(AUTOSCALER)}
    bounds = {
        name: (
            spec["minReplicas"],
            spec["maxReplicas"],
            spec["metrics"][0]["pods"]["target"]["averageValue"],
        )
        for name, spec in found.items()
    }
    assert bounds == {"minilm-a": (1, 6, "10"), "minilm-b": (3, 4, "7")}
    assert {each["metadata"]["name"] for each in api.list(BUDGET)} == {"minilm-a", "minilm-b"}
    assert api.get("Deployment", "minilm-c")["spec"]["replicas"] == 1

    api.apply(instance(deployments=entries[:1]))
    for kind in ("Deployment", "Service", AUTOSCALER, BUDGET):
        for name in ("minilm-b", "minilm-c"):
            api.wait_until_gone(kind, name)
        assert api.find(kind, "minilm-a")


USERS_AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: minilm, labels: {owner: somebody}}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: theirs}, maxReplicas: 3}
"""
USERS_BUDGET = """
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: minilm, labels: {owner: somebody}}
spec: {minAvailable: 1, selector: {matchLabels: {app: theirs}}}
"""


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("theirs", [USERS_AUTOSCALER, USERS_BUDGET], ids=[AUTOSCALER, BUDGET])
def test_a_name_that_is_taken_is_told_and_the_model_serves_all_the_same(api: KubeApi, theirs: str) -> None:
    before = api.create(theirs)
    kind = before["kind"]
    api.apply(autoscaled())
    api.apply(instance())

    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="NameConflict")
    assert f"{kind} minilm already exists and is not owned by this instance" in ready(obj)["message"]
    api.wait_for_condition("ModelInstance", "minilm", "Available")
    wait_until_running(api, 2)
    for other in {AUTOSCALER, BUDGET} - {kind}:
        assert api.get(other, "minilm")["metadata"]["ownerReferences"]
    after = api.get(kind, "minilm")
    assert (after["spec"], after["metadata"]["labels"]) == (before["spec"], before["metadata"]["labels"])
    edit_bundle(api, tag="v2")
    wait_for(rolled_out(api, "v2"))

    api.delete(kind, "minilm")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", deadline=60)
    assert api.get(kind, "minilm")["metadata"]["ownerReferences"]


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("kind", "edit"),
    [
        (AUTOSCALER, {"maxReplicas": 9}),
        (AUTOSCALER, {"metrics": []}),
        (AUTOSCALER, {"scaleTargetRef": {"kind": "StatefulSet"}}),
        (BUDGET, {"maxUnavailable": "100%"}),
        (BUDGET, {"selector": {"matchLabels": {"app": "other"}}}),
        (BUDGET, {"unhealthyPodEvictionPolicy": None}),
    ],
)
def test_edited_by_hand_they_are_repaired_and_deleted_they_come_back(
    api: KubeApi, kind: str, edit: dict[str, Any]
) -> None:
    deploy(api)
    wanted = api.get(kind, "minilm")["spec"]
    uid = api.patch(kind, "minilm", {"spec": edit})["metadata"]["uid"]
    wait_for(lambda: api.get(kind, "minilm")["spec"] == wanted)
    api.delete(kind, "minilm")
    wait_for(lambda: (api.find(kind, "minilm") or {"metadata": {"uid": uid}})["metadata"]["uid"] != uid)


@pytest.mark.usefixtures("operator")
def test_behavior_that_somebody_gives_the_autoscaler_stays(api: KubeApi) -> None:
    deploy(api)
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 30}}
    api.patch(AUTOSCALER, "minilm", {"spec": {"behavior": behavior}})
    edit_endpoint(api, max_workers=5)
    wait_for(lambda: api.get(AUTOSCALER, "minilm")["spec"]["maxReplicas"] == 5)
    kept = api.get(AUTOSCALER, "minilm")["spec"]["behavior"]["scaleDown"]
    assert kept["stabilizationWindowSeconds"] == 30


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("replicas", [None, 3], ids=["still wanted", "no longer wanted"])
def test_orphans_are_adopted_or_end(api: KubeApi, replicas: int | None) -> None:
    since = deploy(api)
    scale(api, 4)
    before = api.get(AUTOSCALER, "minilm")["metadata"]["uid"]
    api.delete("ModelInstance", "minilm", propagation="Orphan")
    api.wait_until_gone("ModelInstance", "minilm")
    for kind in ("Deployment", AUTOSCALER, BUDGET):
        wait_for(lambda: "ownerReferences" not in api.get(kind, "minilm")["metadata"])  # noqa: B023
    spec: dict[str, Any] = {} if replicas is None else {"replicas": replicas}
    uid = api.apply(instance(**spec))["metadata"]["uid"]
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    if replicas is None:
        metadata = api.get(AUTOSCALER, "minilm")["metadata"]
        assert (metadata["uid"], metadata["ownerReferences"][0]["uid"]) == (before, uid)
        assert counts(api, since) == [2, 4]
    else:
        api.wait_until_gone(AUTOSCALER, "minilm")
        wait_until_running(api, 3)
        assert counts(api, since) == [2, 4, 3]
    assert api.get(BUDGET, "minilm")["metadata"]["ownerReferences"][0]["uid"] == uid


@pytest.mark.usefixtures("operator")
def test_metrics_and_behavior_of_the_template_are_no_drift_and_go_with_it(api: KubeApi) -> None:
    deploy(
        api,
        endpoint={
            "scaling_metrics": [
                {"type": "CPU", "target": 60},
                {
                    "type": "EXTERNAL",
                    "name": "queue",
                    "labels": {"queue": "$(instance.name)"},
                    "target": "1000m",
                },
            ],
            "behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 600}]}},
        },
    )
    spec = api.get(AUTOSCALER, "minilm")["spec"]
    assert spec["metrics"][0]["containerResource"]["target"]["averageUtilization"] == 60
    external = spec["metrics"][1]["external"]
    assert external["metric"] == {"name": "queue", "selector": {"matchLabels": {"queue": "minilm"}}}
    assert external["target"]["averageValue"] == "1"
    assert spec["behavior"]["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 600}]
    before = api.get(AUTOSCALER, "minilm")["metadata"]["resourceVersion"]
    api.patch("ModelInstance", "minilm", {"metadata": {"labels": {"looked": "again"}}})
    edit_bundle(api, tag="v2")
    wait_for(rolled_out(api, "v2"))
    fields = api.get(AUTOSCALER, "minilm")["metadata"]["managedFields"]
    assert [each["manager"] for each in fields if each["operation"] == "Apply"] == [OPERATOR]
    written = [each for each in api.versions(AUTOSCALER, "minilm", before) if each["spec"] != spec]
    assert written == []

    edit_endpoint(api, scaling_metrics=None, behavior=None)

    wait_for(lambda: len(api.get(AUTOSCALER, "minilm")["spec"]["metrics"]) == 1)
    left = api.get(AUTOSCALER, "minilm")["spec"].get("behavior", {}).get("scaleDown", {}).get("policies", [])
    assert {"type": "Pods", "value": 1, "periodSeconds": 600} not in left


@pytest.mark.usefixtures("operator")
def test_a_cluster_that_cannot_scale_from_zero_says_which_version_can(api: KubeApi) -> None:
    queue = {"min_workers": 0, "scaling_metrics": [{"type": "EXTERNAL", "name": "queue"}]}
    api.apply(autoscaled(**queue))
    api.apply(instance())

    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="DeploymentRejected")
    assert "min_workers 0 with an autoscaler needs Kubernetes 1.37" in ready(obj)["message"]
    wait_until_running(api, 1)

    edit_endpoint(api, min_workers=1)
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    assert has_autoscaler(api)


@pytest.mark.usefixtures("operator")
def test_the_number_belongs_to_an_external_autoscaler(api: KubeApi) -> None:
    """KEDA and others write the scale subresource of the Deployment, also to zero."""
    since = deploy(api)
    scale(api, 4)
    edit_endpoint(api, autoscaler="EXTERNAL", min_workers=0)
    api.wait_until_gone(AUTOSCALER, "minilm")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    keda = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "minilm"},
        "maxReplicas": 9,
    }
    name = {"name": "keda-hpa-minilm"}
    api.create({"apiVersion": "autoscaling/v2", "kind": AUTOSCALER, "metadata": name, "spec": keda})

    for number in (0, 2, 0):
        patch = {"spec": {"replicas": number}}
        api.patch("Deployment", "minilm", patch, subresource="scale", manager="keda-operator")
        reason = "RolledOut" if number else "ScaledToZero"
        api.wait_for_condition("ModelInstance", "minilm", "Ready", reason=reason)
        wait_for(lambda: api.get("Deployment", "minilm")["status"].get("readyReplicas", 0) == number)  # noqa: B023
    edit_bundle(api, tag="v2")
    wait_for(lambda: container(api.get("Deployment", "minilm"))["image"].endswith(":v2"))

    # At zero the scale subresource records no owner.
    assert owners(api) <= {"keda-operator"}
    assert counts(api, since) == [2, 4, 0, 2, 0]
    assert api.get(AUTOSCALER, "keda-hpa-minilm")["spec"]["maxReplicas"] == 9
    api.delete(AUTOSCALER, "keda-hpa-minilm")
    edit_endpoint(api, autoscaler=None, min_workers=2)
    wait_until_running(api, 2)
    assert counts(api, since) == [2, 4, 0, 2, 0, 2]


@pytest.mark.usefixtures("operator")
def test_an_autoscaler_that_cannot_measure_is_reported(api: KubeApi) -> None:
    deploy(api)

    obj = api.wait_for_condition("ModelInstance", "minilm", "Autoscaling", "False", deadline=60)

    assert ready(obj)["status"] == "True"
    condition = api.condition("ModelInstance", "minilm", "Autoscaling")
    assert condition["reason"].startswith("FailedGet")
    assert condition["message"].startswith("HorizontalPodAutoscaler minilm: ")
    assert "Action (cluster administrator): install or repair the metrics-server" in condition["message"]
