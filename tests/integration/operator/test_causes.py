"""Why a roll-out does not get on reaches the instance within seconds, stays, and goes when it is mended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for
from tests.examples.objects import FAILURE, deploy, edit_bundle, instance, ready, template
from tests.fixtures.cluster import PrivateOperator

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import Object

TOLD_WITHIN = 45.0
"""Five seconds without progress, one look, and a machine that has other things to do."""
IMAGE = "registry.test/encoder:v1"
CAUSES = {
    "crash-loop": ("CrashLooping", 'container "model" keeps crashing (exit code 1).'),
    "oom-killed": ("OOMKilled", 'container "model" was OOM-killed: it exceeded its memory limit of 64Mi.'),
    "image-pull": (
        "ImagePullFailed",
        f'image "{IMAGE}" of container "model" cannot be pulled: {IMAGE}: not found.',
    ),
    "config-error": (
        "ContainerConfigError",
        'container "model" cannot be created: secret "simulated" not found.',
    ),
    "volume": ("VolumeNotReady", 'cannot mount volume "simulated": secret "simulated" not found.'),
    "unschedulable": ("Unschedulable", "no node can run the pod: "),
}


def failing(failure: str, name: str = "encoder") -> Object:
    """Give a template whose pods fail."""
    obj = template(name)
    if failure == "unschedulable":
        obj["spec"]["pod_template"] = {"spec": {"nodeSelector": {"example.com/room": "none"}}}
    else:
        obj["spec"]["pod_template"] = {"metadata": {"labels": {FAILURE: failure}}}
    return obj


def wait_for_cause(api: KubeApi, reason: str, name: str = "minilm") -> Object:
    return api.wait_for_condition(
        "ModelInstance", name, "Ready", "False", reason=reason, deadline=TOLD_WITHIN
    )


@pytest.mark.usefixtures("operator")
def test_each_cause_is_told_and_goes_with_the_template_s_correction(api: KubeApi) -> None:
    for failure in CAUSES:
        api.apply(failing(failure, failure))
        api.apply(instance(failure, model_template_id=failure))

    for failure, (reason, detail) in CAUSES.items():
        obj = wait_for_cause(api, reason, failure)
        (entry,) = obj["status"]["deployments"]
        assert entry["message"].startswith(f"Deployment {failure}: {detail}")
        assert ready(obj)["message"] == entry["message"]
        assert api.condition("ModelInstance", failure, "Available")["status"] == "False"
        assert api.condition("ModelInstance", failure, "Reconciling")["reason"] == reason
        assert api.condition("ModelInstance", failure, "Stalled") == {}

    for failure in CAUSES:
        api.patch("ModelTemplate", failure, {"spec": {"pod_template": None}})
    for failure in CAUSES:
        api.wait_for_condition("ModelInstance", failure, "Ready")


@pytest.mark.usefixtures("operator")
def test_past_the_deadline_the_cause_stays_and_a_human_must_act(api: KubeApi) -> None:
    obj = failing("crash-loop")
    obj["spec"]["vendor_configuration"]["endpoint_config"]["startup_timeout_seconds"] = 8
    api.apply(obj)
    api.wait_for_condition("ModelTemplate", "encoder", "Ready")
    start = api.apply(instance())["metadata"]["resourceVersion"]

    obj = api.wait_for_condition("ModelInstance", "minilm", "Stalled", reason="CrashLooping", deadline=40)

    assert ready(obj)["reason"] == "CrashLooping"
    assert "No progress within the roll-out deadline (startup_timeout_seconds)" in ready(obj)["message"]
    reasons = [ready(each).get("reason") for each in api.versions("ModelInstance", "minilm", start)]
    first = reasons.index("CrashLooping")
    # On a busy machine the deadline may pass before the container has crashed.
    assert set(reasons[:first]) <= {None, "Deploying", "ProgressDeadlineExceeded"}, reasons
    assert set(reasons[first:]) == {"CrashLooping"}, "no reason comes and goes"
    api.patch("ModelTemplate", "encoder", {"spec": {"pod_template": None}})
    api.wait_for_condition("ModelInstance", "minilm", "Ready")


@pytest.mark.usefixtures("operator")
def test_worker_that_crashes_long_after_it_was_rolled_out(api: KubeApi) -> None:
    deploy(api)
    (pod,) = api.list("Pod")
    status = {"name": "model", "image": IMAGE, "imageID": "", "ready": False, "restartCount": 1}
    end = {"terminated": {"exitCode": 3, "reason": "Error"}}
    conditions = [
        {**each, "status": "False" if each["type"] in ("Ready", "ContainersReady") else each["status"]}
        for each in pod["status"]["conditions"]
    ]
    crashed = {
        "conditions": conditions,
        "containerStatuses": [
            {**status, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": end}
        ],
    }
    api.patch("Pod", pod["metadata"]["name"], {"status": crashed}, subresource="status")

    obj = wait_for_cause(api, "CrashLooping")

    assert 'container "model" keeps crashing (exit code 3).' in ready(obj)["message"]
    assert api.condition("ModelInstance", "minilm", "Available")["status"] == "False"
    assert api.condition("ModelInstance", "minilm", "Stalled") == {}
    api.patch("Pod", pod["metadata"]["name"], {"status": pod["status"]}, subresource="status")
    api.wait_for_condition("ModelInstance", "minilm", "Ready")


HELD = {
    "gpu": ({"gpus": 1, "gpu_type": "nvidia-tesla-t4"}, {}, "nvidia.com/gpu"),
    "cpu": ({"cpus": 5}, {}, "cpu"),
    "port": ({"cpus": 1}, {"ports": [{"containerPort": 7000, "hostPort": 7000}]}, "the host port 7000"),
}
"""Of three models that share a node: their resources, their container, and what blocks a second worker."""


@pytest.mark.usefixtures("operator", "control_plane")
def test_new_worker_waits_for_what_the_old_one_holds(
    api: KubeApi, cluster_api: KubeApi, namespace: str
) -> None:
    _gpu_node(cluster_api, namespace)
    try:
        for name, (endpoint, container, _) in HELD.items():
            given = template(name)
            given["spec"]["vendor_configuration"]["endpoint_config"] |= endpoint
            given["spec"]["pod_template"] = {
                "spec": {
                    "nodeSelector": {"kubernetes.io/hostname": namespace},
                    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
                    "containers": [{"name": "model", **container}],
                }
            }
            api.apply(given)
            api.apply(instance(name, model_template_id=name))
        for name in HELD:
            api.wait_for_condition("ModelInstance", name, "Ready")
        for name in HELD:
            edit_bundle(api, name, tag="v2")

        for name, (_, _, held) in HELD.items():
            message = ready(wait_for_cause(api, "Unschedulable", name))["message"]
            old = f"The old worker {name}-"
            assert old in message
            assert f" holds {held} and terminates only after a new one is available." in message
            assert "Action (template owner): set strategy in the template to Recreate" in message
            assert api.condition("ModelInstance", name, "Available")["status"] == "True"
        for name in HELD:
            api.patch("ModelTemplate", name, {"spec": {"strategy": {"type": "Recreate"}}})
        for name in HELD:
            api.wait_for_condition("ModelInstance", name, "Ready")
    finally:
        cluster_api.delete("Node", namespace)


def test_operator_that_starts_anew_takes_nothing_back(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    private_api.apply(failing("crash-loop"))
    private_api.apply(instance())
    start = wait_for_cause(private_api, "CrashLooping")["metadata"]["resourceVersion"]
    operator.stop()

    private_operator()
    # What the operator is told later it looks at later.
    private_api.apply(template("good"))
    private_api.apply(instance("witness", model_template_id="good"))
    private_api.wait_for_condition("ModelInstance", "witness", "Ready")

    assert private_api.versions("ModelInstance", "minilm", start) == []


def test_operator_that_may_not_list_pods_says_so_once_and_deploys(
    cluster: Cluster, private_api: KubeApi, private_namespace: str, tmp_path: Path
) -> None:
    kubeconfig = _without_causes(cluster, private_api, private_namespace)
    log = tmp_path / "operator.log"
    with OperatorProcess.start(kubeconfig, "--namespace", private_namespace, log=log):
        deploy(private_api, name="fine", template_name="fine")
        private_api.apply(failing("crash-loop"))
        private_api.apply(instance())
        wait_for(lambda: "failure reasons are incomplete" in log.read_text(), TOLD_WITHIN)
        obj = private_api.get("ModelInstance", "minilm")
        assert ready(obj)["reason"] == "Deploying"
        assert log.read_text().count("failure reasons are incomplete") == 1


def _without_causes(cluster: Cluster, api: KubeApi, namespace: str) -> Path:
    """Give the kubeconfig of an account with all rights in the namespace but those to see causes."""
    (role,) = [
        document
        for document in yaml.safe_load_all(Path("manifests/base/rbac.yaml").read_text())
        if document["kind"] == "ClusterRole"
    ]
    rules = [rule for rule in role["rules"] if rule["verbs"] != ["list"]]
    assert len(rules) == len(role["rules"]) - 2
    group = "rbac.authorization.k8s.io"
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "blind"}})
    meta: dict[str, Any] = {"metadata": {"name": "blind"}, "apiVersion": f"{group}/v1"}
    api.create({**meta, "kind": "Role", "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "blind", "namespace": namespace}
    reference = {"apiGroup": group, "kind": "Role", "name": "blind"}
    api.create({**meta, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]})
    return cluster.service_account_kubeconfig(namespace, "blind")


def _gpu_node(api: KubeApi, name: str) -> None:
    """Have a node with one GPU."""
    resources = {
        "cpu": "8",
        "memory": "64Gi",
        "ephemeral-storage": "64Gi",
        "pods": "10",
        "nvidia.com/gpu": "1",
    }
    labels = {"kubernetes.io/hostname": name, "k8s.amazonaws.com/accelerator": "nvidia-tesla-t4"}
    api.create(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]},
            "status": {"allocatable": resources, "capacity": resources},
        }
    )
