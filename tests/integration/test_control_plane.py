"""The embedded control plane does what real clusters do, as far as tests rely on it, and cleans up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for
from tests.examples.objects import FAILURE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kubectl import Kubectl


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {}},
        "spec": {"containers": [{"name": "model", "image": "registry.example/model:1"}], **spec},
    }


def test_a_simulated_pod_is_scheduled_and_becomes_ready(control_plane: ControlPlane, api: KubeApi) -> None:
    api.create(pod("fine"))

    running = api.wait_for_condition("Pod", "fine", "Ready")

    assert running["spec"]["nodeName"] == "simulated-cpu"
    assert running["status"]["podIP"]
    api.delete("Pod", "fine")
    api.wait_until_gone("Pod", "fine")


def test_a_pod_that_the_node_controller_took_for_unready_is_ready_again(
    control_plane: ControlPlane, api: KubeApi
) -> None:
    """After an outage, in which it has heard nothing of the nodes."""
    api.create(pod("lost"))
    conditions = api.wait_for_condition("Pod", "lost", "Ready")["status"]["conditions"]
    unready = [{**each, "status": "False"} if each["type"] == "Ready" else each for each in conditions]

    patched = api.patch("Pod", "lost", {"status": {"conditions": unready}}, subresource="status")

    assert patched["status"]["conditions"] == unready
    api.wait_for_condition("Pod", "lost", "Ready")


@pytest.mark.parametrize(
    ("failure", "phase", "state"),
    [
        ("crash-loop", "Running", {"waiting": "CrashLoopBackOff", "terminated": "Error"}),
        ("oom-killed", "Running", {"waiting": "CrashLoopBackOff", "terminated": "OOMKilled"}),
        ("image-pull", "Pending", {"waiting": "ImagePullBackOff"}),
        ("config-error", "Pending", {"waiting": "CreateContainerConfigError"}),
        ("volume", "Pending", {"waiting": "ContainerCreating"}),
        ("never-ready", "Running", {}),
    ],
)
def test_a_labelled_pod_fails_as_a_kubelet_reports_it(
    control_plane: ControlPlane, api: KubeApi, failure: str, phase: str, state: dict[str, str]
) -> None:
    failing = pod("failing")
    failing["metadata"]["labels"][FAILURE] = failure
    api.create(failing)

    shown = api.wait_for_condition("Pod", "failing", "Ready", "False")

    (container,) = shown["status"]["containerStatuses"]
    reasons = {
        "waiting": container["state"].get("waiting", {}).get("reason"),
        "terminated": container.get("lastState", {}).get("terminated", {}).get("reason"),
    }
    assert {name: reason for name, reason in reasons.items() if reason} == state
    assert shown["status"]["phase"] == phase
    assert not container["ready"]


def test_a_held_pod_starts_when_its_label_is_taken_off(control_plane: ControlPlane, api: KubeApi) -> None:
    waits = pod("waits")
    waits["metadata"]["labels"][FAILURE] = "held"
    api.create(waits)
    api.create(pod("later"))
    api.wait_for_condition("Pod", "later", "Ready")
    assert api.get("Pod", "waits")["status"]["phase"] == "Pending"

    api.patch("Pod", "waits", {"metadata": {"labels": {FAILURE: None}}})

    api.wait_for_condition("Pod", "waits", "Ready")


def test_a_gpu_node_takes_pods_that_ask_for_its_gpus(control_plane: ControlPlane, api: KubeApi) -> None:
    wants_gpu = pod(
        "gpu",
        nodeSelector={"k8s.amazonaws.com/accelerator": "nvidia-hopper-h100"},
        tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    )
    wants_gpu["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
    api.create(wants_gpu)

    running = api.wait_for_condition("Pod", "gpu", "Ready")

    assert running["spec"]["nodeName"] == "simulated-nvidia-hopper-h100"


@pytest.fixture
def gardener(control_plane: ControlPlane, api: KubeApi, namespace: str) -> Iterator[KubeApi]:
    """A ServiceAccount that may create ConfigMaps and nothing else."""
    api.create("{apiVersion: v1, kind: ServiceAccount, metadata: {name: gardener}}")
    grant(api, "gardener", {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]})
    user = f"system:serviceaccount:{namespace}:gardener"
    wait_for(lambda: api.is_allowed(user, "create", "configmaps"))
    client = KubeApi(control_plane.service_account_kubeconfig(namespace, "gardener"), namespace)
    yield client
    client.close()


def grant(api: KubeApi, account: str, *rules: dict[str, Any]) -> None:
    rbac = "rbac.authorization.k8s.io"
    meta = {"name": account}
    api.apply({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": list(rules)})
    api.apply(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": account},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": api.namespace}],
        }
    )


def test_blocking_an_owners_deletion_needs_rights_on_its_finalizers(api: KubeApi, gardener: KubeApi) -> None:
    owner = api.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: owner}}")
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "child", "ownerReferences": [reference]},
    }

    with pytest.raises(KubeApiError, match="cannot set blockOwnerDeletion"):
        gardener.create(child)

    grant(
        api,
        "gardener",
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["configmaps/finalizers"], "verbs": ["update"]},
    )

    def create_child() -> dict[str, Any]:
        try:
            return gardener.create(child)
        except KubeApiError as refusal:
            raise AssertionError(str(refusal)) from refusal

    wait_for(create_child, message="the new right holds")


def test_the_audit_log_has_each_write_and_who_made_it(
    control_plane: ControlPlane, gardener: KubeApi, namespace: str
) -> None:
    gardener.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: counted}}")
    with pytest.raises(KubeApiError, match="forbidden"):
        gardener.delete("ConfigMap", "counted")

    def writes() -> list[tuple[str, str, str, int]]:
        user = f"system:serviceaccount:{namespace}:gardener"
        events = [event for event in control_plane.audit_events() if event["user"] == user]
        return [(event["verb"], event["resource"], event["name"], event["code"]) for event in events]

    expected = [("create", "configmaps", "counted", 201), ("delete", "configmaps", "counted", 403)]
    wait_for(lambda: writes() == expected, message=f"the writes are {expected}")


def test_an_owners_foreground_deletion_waits_for_its_children(
    control_plane: ControlPlane, api: KubeApi, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("create", "deployment", "web", "--image=registry.example/web:1", "--namespace", namespace)
    api.wait_for_condition("Deployment", "web", "Available")

    api.delete("Deployment", "web", propagation="Foreground")
    api.wait_until_gone("Deployment", "web")

    assert api.list("ReplicaSet") == []


def test_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    directory = tmp_path / "control-plane"
    control_plane = ControlPlane.start(directory=directory, crds=False)
    assert len(processes_of(directory)) == 6  # five components and the process that holds them

    control_plane.stop()

    assert processes_of(directory) == []
    assert not directory.exists()


def test_killing_the_program_that_started_it_leaves_nothing_behind(tmp_path: Path) -> None:
    directory = tmp_path / "control-plane"
    script = (
        "import sys, time; from pathlib import Path; from tests.cluster.control_plane import ControlPlane\n"
        "ControlPlane.start(directory=Path(sys.argv[1]), crds=False)\ntime.sleep(600)"
    )
    program = subprocess.Popen([sys.executable, "-c", script, directory], cwd=REPOSITORY)
    wait_for((directory / "ready").exists, 60, "the control plane is ready")

    os.kill(program.pid, signal.SIGKILL)
    program.wait()

    wait_for(lambda: not directory.exists(), message="the folder is gone")
    wait_for(lambda: not processes_of(directory), message="the processes are gone")


def processes_of(directory: Path) -> list[str]:
    """Give the command lines that name `directory`, but not that of the program that started them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(str(directory) in word for word in words) and "-c" not in words:
            found.append(" ".join(words))
    return found
