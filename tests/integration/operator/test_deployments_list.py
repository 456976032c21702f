"""The list of deployments and the number of workers, as people change them with kubectl."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.kube_api import KubeApi
from tests.cluster.waiting import wait_for
from tests.examples.objects import TEMPLATE, instance, template

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.kube_api import Object
    from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("operator")

ABSENT: list[Object] | None = None
STORY: list[tuple[str, list[Object] | None, set[str]]] = [
    ("two", [{"name": "a"}, {"name": "b"}], {"minilm-a", "minilm-b"}),
    ("one added", [{"name": "a"}, {"name": "b"}, {"name": "c"}], {"minilm-a", "minilm-b", "minilm-c"}),
    ("one renamed", [{"name": "a"}, {"name": "b"}, {"name": "d"}], {"minilm-a", "minilm-b", "minilm-d"}),
    ("another order", [{"name": "d"}, {"name": "a"}, {"name": "b"}], {"minilm-a", "minilm-b", "minilm-d"}),
    ("one removed", [{"name": "d"}, {"name": "a"}], {"minilm-a", "minilm-d"}),
    ("none", [], set()),
    ("none again", [], set()),
    ("left out", ABSENT, {"minilm"}),
    ("one", [{"name": "a"}], {"minilm-a"}),
    ("left out at once", ABSENT, {"minilm"}),
    ("none at once", [], set()),
]


@pytest.fixture
def run(kubectl: Kubectl, namespace: str) -> Callable[..., str]:
    """Give a function that runs kubectl in the test's namespace, with objects on its standard input."""

    def run(*words: str, obj: Object | None = None) -> str:
        return kubectl("--namespace", namespace, *words, input=yaml.safe_dump(obj) if obj else None).stdout

    return run


@pytest.mark.parametrize("how", [["apply"], ["apply", "--server-side"]], ids=["client-side", "server-side"])
def test_exactly_what_is_listed_runs(api: KubeApi, run: Callable[..., str], how: list[str]) -> None:
    api.apply(TEMPLATE)
    for what, entries, expected in STORY:
        before = {each["metadata"]["name"] for each in api.list("Deployment")}
        # What came within the same second counts as come together: times of creation tell no more.
        wait_for(lambda: _seconds_since_creation(api) > 1)
        since, _ = api.revision("Deployment")
        given = instance() if entries is ABSENT else instance(deployments=entries)
        run(*how, "-f", "-", obj=given)

        api.wait_for_condition("ModelInstance", "minilm", "Ready")
        for kind in ("Deployment", "Service"):
            wait_for(
                lambda: {each["metadata"]["name"] for each in api.list(kind)} == expected,  # noqa: B023
                message=f"{what}: of {kind} there are {expected}",
            )
        wait_for(
            lambda: (
                {entry["name"] for entry in api.get("ModelInstance", "minilm")["status"]["deployments"]}
                == expected  # noqa: B023
            )
        )
        status = api.get("ModelInstance", "minilm")["status"]
        assert status["deployment_count"] == len(expected)
        if entries:
            # In the order of the list, of which the first is the model's address.
            names = [f"minilm-{entry['name']}" for entry in entries]
            assert [entry["name"] for entry in status["deployments"]] == names
            assert status["url"] == f"http://{names[0]}.{api.namespace}.svc"
        for name in before - expected if expected - before else set():
            assert_replaced_when_ready(api, name, expected - before, since)


def assert_replaced_when_ready(api: KubeApi, old: str, new: set[str], since: str) -> None:
    """See that what went, went after what came was ready."""
    gone = int(api.versions("Deployment", old, since)[-1]["metadata"]["resourceVersion"])
    for name in new:
        versions = api.versions("Deployment", name, since)
        ready = [each for each in versions if each.get("status", {}).get("availableReplicas")]
        assert int(ready[0]["metadata"]["resourceVersion"]) < gone, f"{name} was ready before {old} went"


@pytest.mark.parametrize("how", [["apply"], ["apply", "--server-side"]], ids=["client-side", "server-side"])
def test_applying_the_same_again_changes_nothing(
    api: KubeApi, run: Callable[..., str], how: list[str]
) -> None:
    api.apply(TEMPLATE)
    for given in (instance(deployments=[{"name": "a"}]), instance(deployments=[]), instance()):
        run(*how, "-f", "-", obj=given)
        settled = api.wait_for_condition("ModelInstance", "minilm", "Ready")
        run(*how, "-f", "-", obj=given)
        after = api.get("ModelInstance", "minilm")["metadata"]
        assert after["generation"] == settled["metadata"]["generation"]


def test_entries_have_their_own_parameters_and_workers(api: KubeApi) -> None:
    api.apply(TEMPLATE)
    entries = [
        {"name": "a", "model_creation_parameters": {"BATCH_SIZE": 2}},
        {"name": "b", "vendor_configuration": {"min_workers": 2, "max_workers": 2}},
    ]
    api.apply(instance(deployments=entries))
    status = api.wait_for_condition("ModelInstance", "minilm", "Ready")["status"]
    assert [entry["ready_replicas"] for entry in status["deployments"]] == [1, 2]
    assert (status["replicas"], status["ready_replicas"]) == (3, 3)
    variables = {
        name: {each["name"]: each.get("value") for each in _container(api, name)["env"]}
        for name in ("minilm-a", "minilm-b")
    }
    assert [variables[name]["BATCH_SIZE"] for name in sorted(variables)] == ["2", "8"]


def test_kubectl_scale_pins_the_workers_and_turns_the_autoscaler_off(
    api: KubeApi, run: Callable[..., str]
) -> None:
    autoscaled = template()
    autoscaled["spec"]["vendor_configuration"]["endpoint_config"] |= {"max_workers": 4}
    api.apply(autoscaled)
    api.apply(instance())
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert api.find("HorizontalPodAutoscaler", "minilm")

    run("scale", "modelinstance/minilm", "--replicas=3")

    api.wait_until_gone("HorizontalPodAutoscaler", "minilm")
    wait_for(lambda: api.get("ModelInstance", "minilm")["status"]["ready_replicas"] == 3)
    status = api.get("ModelInstance", "minilm")["status"]
    pods = api.list("Pod", labels=status["selector"])
    assert len(pods) == status["replicas"] == 3

    run("scale", "mi/minilm", "--replicas=0", "--current-replicas=3")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="ScaledToZero")
    run("scale", "mi/minilm", "--replicas=1")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")


@pytest.mark.parametrize("how", [["apply"], ["apply", "--server-side"]], ids=["client-side", "server-side"])
def test_what_kubectl_scale_set_stays_when_the_manifest_does_not_say(
    api: KubeApi, run: Callable[..., str], how: list[str]
) -> None:
    api.apply(TEMPLATE)
    run(*how, "-f", "-", obj=instance())
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    run("scale", "mi/minilm", "--replicas=2")
    run(*how, "-f", "-", obj=instance(description="another"))
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    wait_for(lambda: api.get("ModelInstance", "minilm")["status"]["ready_replicas"] == 2)

    # Server-side, the number is whose it was: it has to be taken over.
    force = ["--force-conflicts"] if "--server-side" in how else []
    run(*how, *force, "-f", "-", obj=instance(replicas=1))
    wait_for(lambda: api.get("Deployment", "minilm")["spec"]["replicas"] == 1)
    run(*how, "-f", "-", obj=instance())
    wait_for(lambda: "replicas" not in api.get("ModelInstance", "minilm")["spec"])


def users_autoscaler(kind: str, api_version: str) -> Object:
    """Give an autoscaler that somebody makes themselves; without metrics it keeps to its bounds."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "mine"},
        "spec": {
            "scaleTargetRef": {"apiVersion": api_version, "kind": kind, "name": "minilm"},
            "minReplicas": 3,
            "maxReplicas": 5,
        },
    }


def test_an_autoscaler_pointed_at_the_instance_works_once_replicas_is_set(
    api: KubeApi, run: Callable[..., str]
) -> None:
    api.apply(TEMPLATE)
    api.apply(instance())
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    api.create(users_autoscaler("ModelInstance", "modeloperator.dev/v1alpha1"))
    wait_for(lambda: _condition(api, "AbleToScale").get("reason") == "FailedGetScale")
    assert "'.spec.replicas' does not exist" in _condition(api, "AbleToScale")["message"].replace('"', "'")
    assert "replicas" not in api.get("ModelInstance", "minilm")["spec"]

    run("scale", "mi/minilm", "--replicas=1")

    wait_for(lambda: api.get("ModelInstance", "minilm")["status"]["ready_replicas"] == 3)
    assert api.get("ModelInstance", "minilm")["spec"]["replicas"] == 3
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")


def test_an_autoscaler_pointed_at_the_deployment_does_not_prevail(api: KubeApi) -> None:
    api.apply(TEMPLATE)
    api.apply(instance())
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    api.create(users_autoscaler("Deployment", "apps/v1"))

    def contested() -> list[str]:
        (entry,) = api.get("ModelInstance", "minilm")["status"]["deployments"]
        return [each["field"] for each in entry.get("contested") or ()]

    wait_for(lambda: contested() == ["spec.replicas"])
    api.delete("HorizontalPodAutoscaler", "mine")
    wait_for(lambda: api.get("Deployment", "minilm")["spec"]["replicas"] == 1)
    wait_for(lambda: contested() == [])
    api.wait_for_condition("ModelInstance", "minilm", "Ready")


def _seconds_since_creation(api: KubeApi) -> float:
    """Give the age of the youngest Deployment by the clock of this machine, whose API server it is too."""
    created = [
        datetime.fromisoformat(each["metadata"]["creationTimestamp"]) for each in api.list("Deployment")
    ]
    return min(((datetime.now(UTC) - time).total_seconds() for time in created), default=inf)


def _condition(api: KubeApi, condition_type: str) -> dict[str, Any]:
    conditions = api.get("HorizontalPodAutoscaler", "mine").get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == condition_type), {})


def _container(api: KubeApi, deployment: str) -> Object:
    containers: list[Object] = api.get("Deployment", deployment)["spec"]["template"]["spec"]["containers"]
    return containers[0]
