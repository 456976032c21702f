"""Another version or other settings of the operator: no pod is rolled until somebody changes something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.kube_api import KubeApi
from tests.cluster.waiting import wait_for
from tests.examples.objects import container, deploy, edit_bundle, instance
from tests.fixtures.cluster import PrivateOperator
from tests.integration.operator.other_version import HISTORY

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object

OTHER = "tests.integration.operator.other_version"


def pods(api: KubeApi, name: str = "minilm") -> Object:
    """Give the pod template of a Deployment."""
    template: Object = api.get("Deployment", name)["spec"]["template"]
    return template


def grace(api: KubeApi, name: str = "minilm") -> Any:
    return pods(api, name)["spec"]["terminationGracePeriodSeconds"]


def revision(api: KubeApi, name: str = "minilm") -> str:
    """Give the number of the roll-out as the Deployment controller counts."""
    number: str = api.get("Deployment", name)["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    return number


def look_at_everything(api: KubeApi, name: str) -> None:
    """Have an operator that has just started reconcile everything: a new instance comes last."""
    api.apply(instance(name))
    api.wait_for_condition("ModelInstance", name, "Ready")


def test_upgrade_rolls_nothing_until_the_instance_or_its_template_changes(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    deploy(private_api)
    deploy(private_api, name="second")
    operator.stop()

    operator = private_operator(module=OTHER)
    look_at_everything(private_api, "witness")
    assert grace(private_api, "witness") == 77
    for name in ("minilm", "second"):
        assert grace(private_api, name) != 77
        assert revision(private_api, name) == "1"
        # What rolls no pods need not wait.
        assert private_api.get("Deployment", name)["spec"]["revisionHistoryLimit"] == HISTORY
        private_api.wait_for_condition("ModelInstance", name, "Ready", reason="RolledOut")

    # Kept pods are guarded like others.
    private_api.patch(
        "Deployment",
        "minilm",
        [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil:1"}],
        patch_type="json",
    )
    wait_for(
        lambda: container(private_api.get("Deployment", "minilm"))["image"] == "registry.test/encoder:v1"
    )
    assert grace(private_api) != 77
    operator.stop()

    # The memory is in the cluster.
    operator = private_operator(module=OTHER)
    look_at_everything(private_api, "witness-2")
    assert grace(private_api) != 77

    private_api.apply(instance(model_creation_parameters={"MODEL_NAME": "all-MiniLM-L6-v2", "BATCH_SIZE": 4}))
    wait_for(lambda: grace(private_api) == 77)
    private_api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
    assert grace(private_api, "second") != 77
    edit_bundle(private_api, tag="v2")
    wait_for(lambda: grace(private_api, "second") == 77)
    private_api.wait_for_condition("ModelInstance", "second", "Ready", reason="RolledOut")


@pytest.mark.parametrize("changed_meanwhile", [False, True])
def test_changed_setting_counts_with_the_next_change(
    private_api: KubeApi, private_operator: PrivateOperator, *, changed_meanwhile: bool
) -> None:
    operator = private_operator()
    deploy(private_api)
    operator.stop()
    if changed_meanwhile:
        edit_bundle(private_api, env={"LOG_LEVEL": "debug"})
    private_operator(environment={"MODEL_OPERATOR_RENDERING__RUN_AS_NON_ROOT": "true"})
    look_at_everything(private_api, "witness")
    for name, expected in {"witness": True, "minilm": changed_meanwhile}.items():
        security = pods(private_api, name)["spec"].get("securityContext", {})
        own = container(private_api.get("Deployment", name)).get("securityContext", {})
        assert (security | own).get("runAsNonRoot", False) is expected
    private_api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut")
