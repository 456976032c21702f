"""Argo CD and the operator do not fight: tracking, repeated syncs, diffs, actions, by its requests."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from model_operator.core.values.merge_patch import merge_patch
from tests.cluster.waiting import wait_for
from tests.examples.objects import (
    container,
    deploy,
    edit_bundle,
    held,
    instance,
    ready,
    start_pods,
    template,
    wait_until_counted,
)
from tests.gitops.argocd import ARGOCD, CONFIG_MAP, action_scripts, discovery_script
from tests.gitops.lua import act, available_actions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.kube_api import KubeApi, Object
    from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("operator")

SYNC = "argocd-controller"
ACTION = "argocd-server"
TRACKING_ID = "argocd.argoproj.io/tracking-id"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
CHILDREN = ("Deployment", "Service", "ReplicaSet", "Pod", "HorizontalPodAutoscaler", "PodDisruptionBudget")


def _in_git(**spec: Any) -> Object:
    """Give the instance as Argo CD applies it: marked as part of an Application, in both ways."""
    obj = instance(**spec)
    obj["metadata"] |= {
        "labels": {
            "app.kubernetes.io/instance": "models",
            "kustomize.toolkit.fluxcd.io/name": "models",
            "team": "a",
        },
        "annotations": {TRACKING_ID: "models:modeloperator.dev/ModelInstance:team-a/minilm"},
    }
    return obj


def _sync(api: KubeApi, obj: Object) -> Object:
    """Apply as Argo CD does with ``ServerSideApply=true``; it always forces."""
    return api.apply(obj, manager=SYNC, force=True)


def _predicted(api: KubeApi, obj: Object) -> Object:
    """Give what server-side diff compares with the live object."""
    return _without_bookkeeping(api.apply(obj, manager=SYNC, force=True, dry_run=True))


def _without_bookkeeping(obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def _wait_until_in_sync(api: KubeApi, obj: Object) -> None:
    """Wait until nothing differs; what does at first is a status that is being written."""

    def same() -> bool:
        live = api.get(obj["kind"], obj["metadata"]["name"])
        return _predicted(api, obj) == _without_bookkeeping(live)

    wait_for(same, message="nothing differs")


def _run(api: KubeApi, action: str) -> Object:
    """Run an action on the instance as Argo CD's server does; give the patch that it sent."""
    live = api.get("ModelInstance", "minilm")
    assert available_actions(discovery_script("ModelInstance"), live) == {action}
    patch = merge_patch(live, act(action_scripts("ModelInstance")[action], live))
    api.patch("ModelInstance", "minilm", patch, manager=ACTION)
    return patch


def test_children_belong_to_no_application(api: KubeApi) -> None:
    scaled = template()
    scaled["spec"]["vendor_configuration"]["endpoint_config"] |= {"min_workers": 1, "max_workers": 2}
    _sync(api, scaled)
    _sync(api, _in_git())
    api.wait_for_condition("ModelInstance", "minilm", "Ready")

    children = {kind: api.list(kind) for kind in CHILDREN}

    assert {kind for kind, found in children.items() if found} >= {
        "Deployment",
        "Service",
        "ReplicaSet",
        "Pod",
    }
    for child in itertools.chain(*children.values()):
        marks = (child["metadata"].get("labels") or {}) | (child["metadata"].get("annotations") or {})
        assert not [key for key in marks if "argocd" in key or "flux" in key or key == "team"]
        assert "app.kubernetes.io/instance" not in marks
        assert "models" not in marks.values()
    for child in (*children["Deployment"], *children["Service"]):
        # By its owner Argo CD finds it, and shows it below the instance.
        assert child["metadata"]["ownerReferences"][0]["kind"] == "ModelInstance"


@pytest.mark.parametrize("manager", [SYNC, "kustomize-controller", "kubectl"])
def test_repeated_apply_changes_nothing(api: KubeApi, manager: str) -> None:
    for obj in (template(), _in_git(deployments=[])):
        api.apply(obj, manager=manager)
    api.apply(_in_git(), manager=manager)
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    wait_until_counted(api)
    before = {name: api.get(kind, name) for kind, name in _PAIR}

    for obj in (_in_git(), template(), template(), _in_git()):
        api.apply(obj, manager=manager)

    assert {name: api.get(kind, name) for kind, name in _PAIR} == before


_PAIR = (("ModelTemplate", "encoder"), ("ModelInstance", "minilm"))


def test_nothing_differs_after_a_sync(api: KubeApi) -> None:
    # Kept as they are given: numbers for quantities, and what the schema leaves open.
    server = template()
    server["spec"]["vendor_configuration"]["endpoint_config"]["cpus"] = 1
    containers = [{"name": "model", "resources": {"limits": {"example.com/device": 1}}}]
    server["spec"]["pod_template"] = {"spec": {"containers": containers, "nodeSelector": {}}}
    git = [server, _in_git()]
    for obj in git:
        _sync(api, obj)
    wait_for(lambda: api.list("Pod"))

    for obj in git:
        _wait_until_in_sync(api, obj)


def test_number_of_workers_is_not_git_s_where_git_has_none(api: KubeApi, kubectl: Kubectl) -> None:
    _sync(api, template())
    _sync(api, _in_git())
    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    kubectl("--namespace", api.namespace, "scale", "modelinstance", "minilm", "--replicas=2")
    live = api.get("ModelInstance", "minilm")

    # Flux takes over what kubectl is recorded to manage; of this nobody is.
    assert {each["manager"] for each in live["metadata"]["managedFields"]} == {SYNC, "model-operator"}
    assert _predicted(api, _in_git())["spec"] == live["spec"]
    _sync(api, _in_git())
    assert api.get("ModelInstance", "minilm")["spec"]["replicas"] == 2


def test_number_of_workers_is_git_s_where_git_has_one(api: KubeApi, kubectl: Kubectl) -> None:
    git = _in_git(replicas=1)
    _sync(api, template())
    _sync(api, git)
    kubectl("--namespace", api.namespace, "scale", "modelinstance", "minilm", "--replicas=2")

    assert _predicted(api, git)["spec"]["replicas"] == 1, "out of sync"
    # With RespectIgnoreDifferences the live number is put into what is applied.
    _sync(api, _in_git(replicas=2))
    assert api.get("ModelInstance", "minilm")["spec"]["replicas"] == 2
    _sync(api, git)
    assert api.get("ModelInstance", "minilm")["spec"]["replicas"] == 1


def test_pausing_and_resuming_do_not_fight_git(api: KubeApi) -> None:
    _sync(api, template())
    _sync(api, _in_git())
    api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")

    assert _run(api, "pause") == {"spec": {"replicas": 0}}
    paused = api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="ScaledToZero")
    assert available_actions(discovery_script("ModelInstance"), paused) == {"resume"}
    _wait_until_in_sync(api, _in_git())
    _sync(api, _in_git())
    assert api.get("ModelInstance", "minilm")["spec"]["replicas"] == 0

    assert _run(api, "resume") == {"spec": {"replicas": None}}
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    assert obj["status"]["ready_replicas"] == 1


def test_pausing_by_an_empty_list_does_fight_git(api: KubeApi) -> None:
    git = _in_git(deployments=[{"name": "a"}])
    _sync(api, template())
    _sync(api, git)
    api.patch("ModelInstance", "minilm", {"spec": {"deployments": []}}, manager=ACTION)

    assert _predicted(api, git)["spec"]["deployments"] == [{"name": "a"}]


def test_restart_of_the_deployment_rolls_the_pods_and_stays(api: KubeApi) -> None:
    _sync(api, held(template()))
    _sync(api, _in_git())
    start = start_pods(api)["metadata"]["resourceVersion"]
    before = api.get("Deployment", "minilm")
    (old_pod,) = api.list("Pod")

    # What Argo CD's own action `restart` does, and `kubectl rollout restart`.
    annotations = {RESTARTED_AT: "2026-01-01T00:00:00Z"}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    api.patch("Deployment", "minilm", patch, manager=ACTION)
    start_pods(api)
    wait_for(lambda: old_pod["metadata"]["uid"] not in _pods(api), message="the old pod is gone")
    api.wait_for_condition("ModelInstance", "minilm", "Ready")

    after = api.get("Deployment", "minilm")
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1, (
        "the operator left it alone"
    )
    versions = api.versions("ModelInstance", "minilm", start)
    assert {ready(version)["reason"] for version in versions} == {"Deploying", "RolledOut"}
    assert {_condition(version, "Available") for version in versions} == {"True"}
    assert not any(_condition(version, "Stalled") for version in versions)

    # The operator's next apply forces what is its own, and leaves this.
    edit_bundle(api, tag="v2")
    wait_for(lambda: container(api.get("Deployment", "minilm"))["image"].endswith(":v2"))
    assert api.get("Deployment", "minilm")["spec"]["template"]["metadata"]["annotations"] == annotations


def test_scaling_the_deployment_itself_is_put_back(api: KubeApi) -> None:
    deploy(api)
    api.patch("Deployment", "minilm", {"spec": {"replicas": 3}}, manager=ACTION)
    wait_for(lambda: api.get("Deployment", "minilm")["spec"]["replicas"] == 1)


def _pods(api: KubeApi) -> set[str]:
    return {pod["metadata"]["uid"] for pod in api.list("Pod")}


def _condition(obj: Object, kind: str) -> str | None:
    return next((each["status"] for each in obj["status"]["conditions"] if each["type"] == kind), None)


def test_health_checks_are_added_to_what_argocd_is_configured_with(api: KubeApi, kubectl: Kubectl) -> None:
    mine = {
        "url": "https://argocd.example.com",
        "resource.customizations.health.example.com_Thing": "return {}",
    }
    existing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": mine}
    api.apply(existing, manager="kubectl-client-side-apply")
    part = yaml.safe_load(CONFIG_MAP.read_text())
    part["metadata"]["namespace"] = api.namespace

    kubectl("apply", "--server-side", "--field-manager=model-operator", "-f", "-", input=yaml.safe_dump(part))

    assert api.get("ConfigMap", "argocd-cm")["data"] == mine | part["data"]


def test_health_checks_as_a_component_of_kustomize(kubectl: Kubectl, tmp_path: Path) -> None:
    metadata = {"name": "argocd-cm", "namespace": "argocd"}
    existing = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"url": "https://a.test"},
    }
    (tmp_path / "install.yaml").write_text(yaml.safe_dump(existing))
    component = tmp_path / "component"
    component.mkdir()
    for name in ("kustomization.yaml", "argocd-cm.yaml"):
        (component / name).write_text((ARGOCD / name).read_text())
    (tmp_path / "kustomization.yaml").write_text("resources: [install.yaml]\ncomponents: [component]\n")

    built = yaml.safe_load(kubectl("kustomize", tmp_path).stdout)

    assert built["data"] == {"url": "https://a.test"} | yaml.safe_load(CONFIG_MAP.read_text())["data"]
