"""What people see of a roll-out in steps: kubectl get, conditions, Events and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model_operator.core.status.rollout_counts import RolloutReason
from tests.cluster.scrape import by
from tests.cluster.waiting import wait_for
from tests.examples.objects import FAILURE, edit_bundle, instance, template
from tests.integration.operator.test_events import events, happened

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.cluster import PrivateOperator

CANARY = {"name": "canary", "labels": {"tier": "canary"}, "needs_approval": True, "soak_seconds": 3}
ROLLOUT = {"soak_seconds": 0, "steps": [CANARY]}


def _model(name: str, **labels: str) -> Object:
    obj = instance(name)
    obj["metadata"]["labels"] = labels
    return obj


def _rolled_out(api: KubeApi, reason: RolloutReason) -> Object:
    """Wait until condition RolledOut of the present generation has a reason; return the template."""

    def reached() -> Object:
        obj = api.get("ModelTemplate", "encoder")
        assert obj["status"]["observedGeneration"] == obj["metadata"]["generation"]
        condition = _condition(obj, "RolledOut")
        assert condition["reason"] == reason, condition
        return obj

    return wait_for(reached, 60, f"the template is {reason}")


def _condition(obj: Object, kind: str) -> Any:
    return next(each for each in obj["status"]["conditions"] if each["type"] == kind)


def _shown(kubectl: Kubectl, api: KubeApi) -> list[str]:
    """Return the row of kubectl get, without the age."""
    _, row = kubectl("get", "mt", "encoder", "--namespace", api.namespace).stdout.splitlines()
    return str(row).split()[4:-1]


def _follows(kubectl: Kubectl, api: KubeApi) -> dict[str, str]:
    """Return the reasons of UpToDate, by instance."""
    path = '{.status.conditions[?(@.type=="UpToDate")].reason}'
    columns = f"custom-columns=NAME:.metadata.name,FOLLOWS:{path[1:-1]}"
    text = kubectl("get", "mi", "--namespace", api.namespace, "--no-headers", "-o", columns).stdout
    return dict(line.split() for line in text.splitlines())


def test_roll_out_as_people_see_it(
    private_api: KubeApi, private_operator: PrivateOperator, kubectl: Kubectl
) -> None:
    operator, api = private_operator(), private_api
    first = template()
    first["spec"]["rollout"] = ROLLOUT
    first["spec"]["vendor_configuration"]["endpoint_config"]["startup_timeout_seconds"] = 5
    api.apply(first)
    api.wait_for_condition("ModelTemplate", "encoder", "Ready")
    for model in (_model("trial", tier="canary"), _model("ranking"), _model("search")):
        api.apply(model)
    stable = _rolled_out(api, RolloutReason.ALL_UPDATED)["status"]["latest_revision"]
    assert _shown(kubectl, api) == ["3", "3", "COMPLETE"]

    edit_bundle(api, tag="v2")
    obj = _rolled_out(api, RolloutReason.AWAITING_APPROVAL)
    latest = obj["status"]["latest_revision"]
    assert obj["status"]["rollout"] | {"started_at": ""} == {
        "revision": latest,
        "state": "AWAITING_APPROVAL",
        "step": "canary",
        "started_at": "",
        "instances": 3,
        "arrived": 1,
        "moving": 0,
        "failed": 0,
        "waiting": 2,
        "pinned": 0,
    }
    assert f'set spec.rollout.approved: "{latest}"' in _condition(obj, "RolledOut")["message"]
    assert _shown(kubectl, api) == ["3", "1", "AWAITING_APPROVAL", "canary"]
    expected = {"trial": "Latest", "ranking": "AwaitingRollout", "search": "AwaitingRollout"}
    wait_for(lambda: _follows(kubectl, api) == expected, message="the others wait")
    assert by(operator, "rollouts", "state") == {"AWAITING_APPROVAL": 1}
    assert by(operator, "rollout_instances", "state") == {"arrived": 1, "waiting": 2}

    api.patch("ModelTemplate", "encoder", {"spec": {"rollout": {"approved": latest}}})
    obj = _rolled_out(api, RolloutReason.ALL_UPDATED)
    assert obj["status"]["stable_revision"] == latest != stable
    assert by(operator, "rollouts", "state") == {"COMPLETE": 1}

    broken = {"metadata": {"labels": {FAILURE: "never-ready"}}}
    api.patch("ModelTemplate", "encoder", {"spec": {"pod_template": broken}})
    obj = _rolled_out(api, RolloutReason.HALTED)
    message = _condition(obj, "RolledOut")["message"]
    assert message.startswith("Halted in step canary: 0 of 3 instances ready at revision")
    assert "1 failed at it (trial), 2 waiting. spec.rollout.max_failures is 0." in message
    assert f"go back to revision {latest}" in message
    assert _shown(kubectl, api) == ["3", "0", "HALTED", "canary"]
    expected = {"trial": "Latest", "ranking": "RolloutHalted", "search": "RolloutHalted"}
    wait_for(lambda: _follows(kubectl, api) == expected, message="the others stay")
    assert by(operator, "rollouts", "state") == {"HALTED": 1}

    api.patch("ModelTemplate", "encoder", {"spec": {"pod_template": None}})
    obj = _rolled_out(api, RolloutReason.ALL_UPDATED)
    assert obj["status"]["rollout"]["revision"] == latest
    edits = ("TemplateEdited", "RolloutSoaking", "RolloutAwaitingApproval", "RolloutStep", "RolloutComplete")
    broken_edit = ("TemplateEdited", "RolloutHalted")
    way_back = ("TemplateEdited", "RolloutComplete")
    seen = ("TemplateValid", *edits, *broken_edit, *way_back)
    happened(api, *seen, name="encoder", kind="ModelTemplate")
    kinds = {each["reason"]: each["type"] for each in events(api, "encoder", "ModelTemplate")}
    assert [reason for reason, kind in kinds.items() if kind == "Warning"] == ["RolloutHalted"]

    api.delete("ModelTemplate", "encoder")
    wait_for(lambda: by(operator, "rollout_instances", "state") == {}, message="the metrics go with it")
