"""When nothing happens any more, whatever is not exactly so is said."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.life.profiles import INSTANCE
from tests.life.quiet import quiet_faults
from tests.unit.life.edits import at, change_condition, entry, meta, status
from tests.unit.life.true_life import (
    TRUE_LIFE,
    Edit,
    deployment,
    history,
    instance,
    service,
    template,
    told,
)

WRONG: dict[str, Any] = {"model_creation_parameters": {}}

CASES: dict[str, tuple[list[Edit], str]] = {
    "a generation behind": (
        [at(29, "ModelInstance", instance(3, TRUE_LIFE[28][1]["status"], replicas=2))],
        "the instance has 3",
    ),
    "a condition behind": (
        [change_condition(28, "Available", observedGeneration=1)],
        r"about the generations \[2, 1, 2\]",
    ),
    "a template behind": ([at(29, "ModelTemplate", template(3, "third"))], "the status is about template"),
    "a template not looked at": (
        [at(29, "ModelTemplate", template(2, "second")), status(29, observedGeneration=1)],
        "the template's status is not about its generation 2",
    ),
    "a good template not Ready": (
        [at(29, "ModelTemplate", template(2, "second")), change_condition(29, "Ready", status="False")],
        "the template's Ready condition is",
    ),
    "no Service": ([at(29, "Service", service())], "Service minilm is missing"),
    "a child left over": (
        [at(29, "Deployment", deployment(1, "second", name="minilm-old", counts=(1, 1, 1)))],
        "Deployment minilm-old is left over",
    ),
    "a child of another": ([meta(27, ownerReferences=[])], "Deployment minilm is another instance's"),
    "other pods": (
        [at(27, "Deployment", deployment(3, "first", replicas=2, counts=(2, 2, 2)))],
        "Deployment minilm is not what is asked for",
    ),
    "other workers": (
        [at(27, "Deployment", deployment(3, "second", replicas=1, counts=(1, 1, 1)))],
        "Deployment minilm is not what is asked for",
    ),
    "a roll-out under way": (
        [at(27, "Deployment", deployment(3, "second", replicas=2, counts=(2, 2, 1)))],
        "Deployment minilm is on its way",
    ),
    "not Ready": (
        [at(28, "ModelInstance", instance(2, told(2, 2, since=12, workers=(2, 2)), replicas=2))],
        "Ready is to be True",
    ),
    "Ready with wrong parameters": (
        [at(29, "ModelInstance", instance(2, TRUE_LIFE[28][1]["status"], **WRONG))],
        "Ready is to be False",
    ),
    "not Stalled with wrong parameters": (
        [at(29, "ModelInstance", instance(2, TRUE_LIFE[28][1]["status"], **WRONG))],
        "Stalled is to be True",
    ),
    "not Available": ([change_condition(28, "Available", status="False")], "Available is to be True"),
    "wrong parameters without errors": (
        [at(29, "ModelInstance", instance(2, TRUE_LIFE[28][1]["status"], **WRONG))],
        "validation_errors are None",
    ),
    "a hidden deployment": ([status(28, deployments=[])], r"the status has the deployments \[\], there are"),
    "a wrong number": ([status(28, deployment_count=0)], "deployment_count is 0, not 1"),
    "old counts": (
        [entry(28, replicas=1, ready_replicas=1)],
        r"of minilm is told .* \(1, 1, True, True\), the case is \(2, 2, True, True\)",
    ),
    "an entry not READY": ([entry(28, status="UPDATE_IN_PROGRESS")], r"\(2, 2, True, False\), the case is"),
}


def test_nothing_is_left_to_say_after_a_true_life() -> None:
    assert list(quiet_faults(history(), INSTANCE)) == []


@pytest.mark.parametrize(
    ("edits", "said"), [pytest.param(*case, id=name.replace(" ", "_")) for name, case in CASES.items()]
)
def test_what_is_not_so_is_said(edits: list[Edit], said: str) -> None:
    removed = {29} if said.endswith("missing") else ()

    faults = list(quiet_faults(history(*edits, end=28, removed=removed), INSTANCE))

    assert any(re.search(said, fault) for fault in faults), faults


def test_orphans_are_told() -> None:
    gone = at(29, "ModelInstance", instance(2, TRUE_LIFE[28][1]["status"]))

    faults = list(quiet_faults(history(gone, removed={29}), INSTANCE))

    assert faults == ["Deployment minilm is left over", "Service minilm is left over"]


def test_a_pod_that_cannot_start_is_no_roll_out_and_what_serves_beside_it_may_stay() -> None:
    """With a wrong image the other name never comes, so the old one stays, and Ready is not told."""
    missing = template(3, "third")
    missing["spec"]["vendor_configuration"]["bundle_config"]["tag"] = "missing"
    waits = deployment(4, "third", replicas=1, counts=(2, 1, 1))
    waits["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.test/encoder:missing"
    so = [
        at(28, "ModelTemplate", missing),
        at(29, "Deployment", waits),
        at(30, "ModelInstance", instance(1, told(1, 3, since=12, workers=(2, 1)))),
    ]
    untrue = at(31, "ModelInstance", instance(1, told(1, 3, ready=13, workers=(2, 1))))

    assert list(quiet_faults(history(*so, end=30), INSTANCE)) == []
    (ready, *_) = quiet_faults(history(*so, untrue, end=30), INSTANCE)
    assert ready.startswith("Ready is to be False")
