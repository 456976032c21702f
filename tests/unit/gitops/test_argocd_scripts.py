"""Argo CD's health checks and actions do what their tests in Argo CD's own format say, in a real Lua 5.1."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from model_operator.api import RolloutState
from model_operator.core.reasons.reasons import Reason
from model_operator.core.status.template import TemplateReason
from tests.gitops.argocd import (
    CONFIG_MAP,
    CUSTOMIZATIONS,
    KINDS,
    action_scripts,
    discovery_script,
    health_script,
    recorded,
)
from tests.gitops.kstatus import KStatus, compute
from tests.gitops.lua import LuaError, act, discover, health
from tests.gitops.verdicts import in_roll_out, with_reason

ACTIONS = CUSTOMIZATIONS / "ModelInstance" / "actions"
DISCOVERY_TESTS, ACTION_TESTS = yaml.safe_load((ACTIONS / "action_test.yaml").read_text()).values()
HEALTH_TESTS = [
    pytest.param(kind, test, id=f"{kind}/{test['inputPath']}")
    for kind in KINDS
    for test in yaml.safe_load((CUSTOMIZATIONS / kind / "health_test.yaml").read_text())["tests"]
]
STALLED = {"type": "Stalled", "status": "True", "reason": "Broken", "message": "It is broken."}


def read(path: str) -> dict[str, Any]:
    obj: dict[str, Any] = yaml.safe_load((ACTIONS / path).read_text())
    return obj


@pytest.mark.parametrize(("kind", "test"), HEALTH_TESTS)
def test_health(kind: str, test: dict[str, Any]) -> None:
    obj = yaml.safe_load((CUSTOMIZATIONS / kind / test["inputPath"]).read_text())

    assert health(health_script(kind), obj) == test["healthStatus"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_recorded_object_has_a_test(kind: str) -> None:
    tests = yaml.safe_load((CUSTOMIZATIONS / kind / "health_test.yaml").read_text())["tests"]

    assert [test["inputPath"] for test in tests] == [f"testdata/{name}.yaml" for name in recorded(kind)]


def test_all_kinds_have_the_same_health_check() -> None:
    assert len({health_script(kind) for kind in KINDS}) == 1


@pytest.mark.parametrize("observed", [None, -1, 1, 3])
@pytest.mark.parametrize("reason", [Reason.RolledOut, Reason.InvalidParameters, TemplateReason.TemplateValid])
def test_status_of_another_generation_is_never_believed(
    reason: Reason | TemplateReason, observed: int | None
) -> None:
    obj = with_reason("ModelInstance", reason)
    obj["status"]["observedGeneration"] = observed

    assert health(health_script("ModelInstance"), obj)["status"] == "Progressing"


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ([], "Progressing"),
        (None, "Progressing"),
        ([{"type": "Ready", "status": "Unknown", "reason": "A", "message": "B."}], "Progressing"),
        ([{"type": "Ready", "status": "False", "reason": "A", "message": "B."}], "Progressing"),
        ([{"type": "Ready", "status": "True", "reason": "A", "message": "B."}], "Healthy"),
        ([{"type": "Ready", "status": "True", "reason": "A", "message": "B."}, STALLED], "Degraded"),
        ([STALLED | {"status": "False"}], "Progressing"),
    ],
)
def test_conditions_alone_decide(conditions: list[dict[str, str]] | None, status: str) -> None:
    obj = with_reason("ModelInstance", Reason.RolledOut)
    obj["status"]["conditions"] = conditions

    assert health(health_script("ModelInstance"), obj)["status"] == status


@pytest.mark.parametrize("kind", ["ModelTemplate", "ClusterModelTemplate"])
@pytest.mark.parametrize(
    ("state", "status"),
    [
        (RolloutState.COMPLETE, "Healthy"),
        (RolloutState.ROLLING_OUT, "Progressing"),
        (RolloutState.SOAKING, "Progressing"),
        (RolloutState.AWAITING_APPROVAL, "Suspended"),
        (RolloutState.PAUSED, "Suspended"),
        (RolloutState.HALTED, "Degraded"),
    ],
)
def test_roll_out_in_steps(kind: str, state: RolloutState, status: str) -> None:
    obj = in_roll_out(state)
    conditions = {each["type"]: each for each in obj["status"]["conditions"]}
    shown = conditions["Ready" if status == "Healthy" else "RolledOut"]

    found = health(health_script(kind), obj)

    assert found == {"status": status, "message": f"{shown['reason']}: {shown['message']}"}


def test_roll_out_at_once_leaves_a_template_healthy() -> None:
    obj = in_roll_out(RolloutState.ROLLING_OUT, steps=False)

    assert health(health_script("ModelTemplate"), obj)["status"] == "Healthy"


def test_instance_that_is_edited_after_the_roll_out_leaves_its_template_healthy() -> None:
    obj = in_roll_out(RolloutState.ROLLING_OUT)
    obj["status"]["stable_revision"] = obj["status"]["rollout"]["revision"]

    assert health(health_script("ModelTemplate"), obj)["status"] == "Healthy"


def test_broken_template_is_degraded_whatever_rolls_out() -> None:
    obj = in_roll_out(RolloutState.PAUSED)
    obj["status"]["conditions"].append(STALLED)

    found = health(health_script("ModelTemplate"), obj)

    assert found == {"status": "Degraded", "message": "Broken: It is broken."}


@pytest.mark.parametrize("state", RolloutState)
def test_kstatus_does_not_read_the_roll_out(state: RolloutState) -> None:
    assert compute(in_roll_out(state))[0] == KStatus.CURRENT


def test_no_status_at_all() -> None:
    obj = with_reason("ModelInstance", Reason.RolledOut)
    del obj["status"]

    assert health(health_script("ModelInstance"), obj)["status"] == "Progressing"


@pytest.mark.parametrize("test", DISCOVERY_TESTS, ids=lambda test: str(test["inputPath"]))
def test_discovery(test: dict[str, Any]) -> None:
    found = discover(discovery_script("ModelInstance"), read(test["inputPath"]))

    by_name = sorted(
        ({"name": name, **about} for name, about in found.items()), key=lambda each: each["name"]
    )
    assert by_name == test["result"]


@pytest.mark.parametrize("test", ACTION_TESTS, ids=lambda test: f"{test['action']}-{test['inputPath']}")
def test_action(test: dict[str, Any]) -> None:
    script, obj = action_scripts("ModelInstance")[test["action"]], read(test["inputPath"])

    if "expectedErrorMessage" in test:
        with pytest.raises(LuaError) as caught:
            act(script, obj)
        assert str(caught.value) == test["expectedErrorMessage"]
        return
    assert act(script, obj) == read(test["expectedOutputPath"])


def test_every_action_is_discovered_and_the_other_way_round() -> None:
    found = discover(discovery_script("ModelInstance"), read("testdata/running.yaml"))

    assert set(found) == set(action_scripts("ModelInstance"))


def test_scripts_have_only_the_libraries_that_argocd_opens() -> None:
    for library in ("string", "math", "io", "debug", "coroutine"):
        with pytest.raises(LuaError, match=f"global '{library}'"):
            health(f"return {library}.anything", {})
    with pytest.raises(LuaError, match="attempt to"):
        health('return ("a"):upper()', {})
    with pytest.raises(LuaError, match="attempt to call field 'execute'"):
        health('return os.execute("true")', {})


def test_config_map_has_the_keys_that_argocd_looks_for() -> None:
    config_map = yaml.safe_load(CONFIG_MAP.read_text())

    assert config_map["metadata"]["labels"]["app.kubernetes.io/part-of"] == "argocd"
    prefix = "resource.customizations"
    assert set(config_map["data"]) == {
        f"{prefix}.health.modeloperator.dev_ModelInstance",
        f"{prefix}.health.modeloperator.dev_ModelTemplate",
        f"{prefix}.health.modeloperator.dev_ClusterModelTemplate",
        f"{prefix}.actions.modeloperator.dev_ModelInstance",
    }
    for kind in KINDS:
        assert config_map["data"][f"{prefix}.health.modeloperator.dev_{kind}"] == health_script(kind)
    actions = yaml.safe_load(config_map["data"][f"{prefix}.actions.modeloperator.dev_ModelInstance"])
    assert actions["discovery.lua"] == discovery_script("ModelInstance")
    assert {each["name"]: each["action.lua"] for each in actions["definitions"]} == action_scripts(
        "ModelInstance"
    )
