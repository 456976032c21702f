"""What Flux and Argo CD make of an object in each state, on a real API server, is what the docs say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import yaml

from model_operator.api import RolloutState
from model_operator.core.reasons.reasons import Reason
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import shipped
from tests.examples.objects import FAILURE, deploy, instance, ready, template
from tests.gitops.kstatus import KStatus
from tests.gitops.verdicts import Verdict, in_roll_out, verdict, with_reason
from tests.integration.gitops.states import (
    STATES,
    WITHDRAWN,
    State,
    conditions,
    is_current,
    recorded_path,
    text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import KubeApi, Object, Objects
    from tests.fixtures.cluster import PrivateOperator

RECORDS = bool(os.environ.get("MODEL_OPERATOR_RECORD"))
IN_PROGRESS = Verdict(KStatus.IN_PROGRESS, "Progressing")


def _compare(path: Path, obj: Object) -> None:
    """Compare an object with the recorded one, or record it."""
    if RECORDS:
        path.write_text(text(obj))
    recorded = yaml.safe_load(path.read_text())
    assert conditions(recorded) == conditions(obj), "record it anew: make record-states"
    assert is_current(recorded) == is_current(obj)


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("state", STATES, ids=lambda state: f"{state.kind}-{state.reason.name}")
def test_state(api: KubeApi, state: State) -> None:
    state.make(api)
    obj = _reached(api, state.kind, state.name, state.reason.name, stalled=state.reason.value.stalled)
    try:
        _compare(state.path, obj)
        assert verdict(obj) == verdict(with_reason(state.kind, state.reason))
    finally:
        if state.kind.startswith("Cluster"):
            api.delete(state.kind, state.name)
        elif state.reason is Reason.Terminating:
            api.patch(state.kind, state.name, {"metadata": {"finalizers": None}})
        elif state.reason is Reason.TemplateNotShared:
            api.delete("ClusterModelTemplate", WITHDRAWN)


@pytest.mark.usefixtures("operator")
def test_roll_outs_in_steps(api: KubeApi) -> None:
    """Each edit brings about the next state, which stays, but for that before the halt."""
    canary = {"name": "canary", "labels": {"tier": "canary"}, "needs_approval": True}
    obj, first = template(), instance()
    obj["spec"]["rollout"] = {"steps": [{**canary, "soak_seconds": 604_800}]}
    first["metadata"]["labels"] = {"tier": "canary"}
    for each in (obj, first, instance("second")):
        api.apply(each)
    _rolled_out(api, "AllUpdated")

    edit: Object = {"vendor_configuration": {"bundle_config": {"tag": "v2"}}}
    api.patch("ModelTemplate", "encoder", {"spec": edit | {"rollout": {"paused": True}}})
    _judge_roll_out(api, RolloutState.PAUSED)
    api.patch("ModelTemplate", "encoder", {"spec": {"rollout": {"paused": None}}})
    _judge_roll_out(api, RolloutState.SOAKING)
    api.patch("ModelTemplate", "encoder", {"spec": {"rollout": {"steps": [{**canary, "soak_seconds": 0}]}}})
    _judge_roll_out(api, RolloutState.AWAITING_APPROVAL)
    never_ready = {"metadata": {"labels": {FAILURE: "never-ready"}}}
    edit = {"vendor_configuration": {"endpoint_config": {"startup_timeout_seconds": 5}}}
    api.patch("ModelTemplate", "encoder", {"spec": edit | {"pod_template": never_ready}})
    _judge_roll_out(api, RolloutState.ROLLING_OUT)
    _judge_roll_out(api, RolloutState.HALTED)


def _judge_roll_out(api: KubeApi, state: RolloutState) -> None:
    """Wait for a state of the roll-out, and compare the template and the verdicts on it."""
    words = state.value.lower().split("_")
    obj = _rolled_out(api, "".join(word.capitalize() for word in words))
    assert verdict(obj) == verdict(in_roll_out(state))
    _compare(recorded_path("ModelTemplate", "-".join(["rollout", *words])), obj)


def _rolled_out(api: KubeApi, reason: str) -> Object:
    def reached() -> Object:
        obj = api.get("ModelTemplate", "encoder")
        assert is_current(obj)
        assert conditions(obj)["RolledOut"][1] == reason, f"its conditions are {conditions(obj)}"
        return obj

    return wait_for(reached, 60, f"the template is {reason}")


@pytest.mark.parametrize("obj", [template(), instance()], ids=lambda obj: str(obj["kind"]))
def test_without_an_operator_nothing_is_ready(private_api: KubeApi, obj: Object) -> None:
    # As Flux and Argo CD may apply it; kstatus takes an object without any status for ready.
    created = private_api.apply(obj, manager="kustomize-controller")

    assert verdict(created) == IN_PROGRESS
    if obj["kind"] == "ModelInstance":
        _compare(recorded_path("ModelInstance", "no-status"), created)


def test_status_of_an_earlier_generation_is_not_believed(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    deploy(private_api)
    operator.stop()

    edited = private_api.apply(instance(model_creation_parameters={"MODEL_NAME": "another"}))

    assert conditions(edited)["Ready"][0] == "True"
    assert verdict(edited) == IN_PROGRESS
    _compare(recorded_path("ModelInstance", "earlier-generation"), edited)


def test_a_problem_that_another_object_may_resolve_has_to_last(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    private_operator(environment={"MODEL_OPERATOR_STALLED_AFTER_SECONDS": "3600"})
    private_api.apply(template())
    private_api.apply(instance(model_creation_parameters={"MODEL_NAME": 7}))

    obj = _reached(private_api, "ModelInstance", "minilm", "InvalidParameters")

    assert verdict(obj) == verdict(with_reason("ModelInstance", Reason.InvalidParameters, in_grace=True))
    _compare(recorded_path("ModelInstance", "in-grace"), obj)


def test_operator_that_lost_a_right(
    cluster: Cluster, private_api: KubeApi, private_namespace: str, tmp_path: Path
) -> None:
    rules = _grant_own_rights(private_api)
    kubeconfig = cluster.service_account_kubeconfig(private_namespace, "small")
    with OperatorProcess.start(kubeconfig, "--namespace", private_namespace, log=tmp_path / "operator.log"):
        reading = {"verbs": ["get", "list", "watch"]}
        fewer = [{**rule, **reading} if rule["resources"] == ["deployments"] else rule for rule in rules]
        private_api.patch("Role", "small", {"rules": fewer})
        user = f"system:serviceaccount:{private_namespace}:small"
        wait_for(lambda: not private_api.is_allowed(user, "patch", "deployments", group="apps"))
        private_api.apply(template())
        private_api.apply(instance())
        obj = _reached(private_api, "ModelInstance", "minilm", "OperatorForbidden")

    assert verdict(obj) == verdict(with_reason("ModelInstance", Reason.OperatorForbidden))
    _compare(recorded_path("ModelInstance", "operator-forbidden"), obj)


def _reached(api: KubeApi, kind: str, name: str, reason: str, *, stalled: bool = False) -> Object:
    """Wait for an object whose status, of the present generation, has a reason, and is Stalled or is not."""

    def reached() -> Object:
        obj = api.get(kind, name)
        assert is_current(obj)
        found = conditions(obj)
        assert ready(obj).get("reason") == reason, f"its conditions are {found}"
        assert ("Stalled" in found) is stalled, f"its conditions are {found}"
        return obj

    return wait_for(reached, 60, f"{kind} {name} is {reason}")


def _grant_own_rights(api: KubeApi) -> Objects:
    """Make a ServiceAccount with the operator's rights in its namespace; give these."""
    (role,) = (obj for obj in shipped("rbac.yaml") if obj["kind"] == "ClusterRole")
    rules: Objects = role["rules"]
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "small"}}
    subject = {"kind": "ServiceAccount", "name": "small", "namespace": api.namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "small"}
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "small"}})
    api.create({**rbac, "kind": "Role", "rules": rules})
    api.create({**rbac, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]})
    return rules
