"""How far the instances of a template are: who counts as what, and what the template says of it."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.status.rollout_counts import (
    InstanceCounts,
    count_instances,
    rolled_out,
    rollout_share,
)

READY = [{"type": "Ready", "status": "True"}]
DEPLOYING = [{"type": "Ready", "status": "False"}, {"type": "Reconciling", "status": "True"}]
STALLED = [{"type": "Ready", "status": "False"}, {"type": "Stalled", "status": "True"}]


def instance(
    conditions: Any, *, uid: str | None = "t1", follows: int = 4, observed: int = 2, generation: int = 2
) -> dict[str, Any]:
    template = {"uid": uid, "generation": follows} if uid else None
    status = {"observedGeneration": observed, "template": template, "conditions": conditions}
    return {"metadata": {"generation": generation}, "status": status}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(instance(READY), InstanceCounts(1, 1, 0), id="arrived"),
        pytest.param(instance(DEPLOYING), InstanceCounts(1, 0, 0), id="on its way"),
        pytest.param(instance(STALLED), InstanceCounts(1, 0, 1), id="needs somebody"),
        pytest.param(instance(READY, follows=3), InstanceCounts(1, 0, 0), id="Ready with an older template"),
        pytest.param(
            instance(STALLED, follows=3), InstanceCounts(1, 0, 0), id="an older template stalled it"
        ),
        pytest.param(instance(READY, generation=3), InstanceCounts(1, 0, 0), id="edited since"),
        pytest.param(instance(READY, uid="t2"), InstanceCounts(), id="bound to another"),
        pytest.param(instance(READY, uid=None), InstanceCounts(), id="bound to none"),
        pytest.param({"metadata": {"generation": 1}}, InstanceCounts(), id="new"),
        pytest.param({"metadata": {"generation": 1}, "status": None}, InstanceCounts(), id="status removed"),
    ],
)
def test_who_counts_as_what(obj: dict[str, Any], expected: InstanceCounts) -> None:
    assert count_instances([obj], "t1", 4) == expected


def test_all_are_counted() -> None:
    objects = [instance(READY)] * 5 + [instance(STALLED)] * 2 + [instance(READY, follows=3)]
    assert count_instances(objects, "t1", 4) == InstanceCounts(8, 5, 2)


@pytest.mark.parametrize("other", [DEPLOYING, STALLED])
def test_what_a_template_counts_is_part_of_the_contribution(other: Any) -> None:
    before = instance(READY)
    for changed in (
        instance(other),
        instance(READY, uid="t2"),
        instance(READY, follows=5),
        instance(READY, observed=3),
    ):
        assert rollout_share(before["status"]) != rollout_share(changed["status"])
    more = before["status"] | {"ready_replicas": 3}
    assert rollout_share(before["status"]) == rollout_share(more)


@pytest.mark.parametrize(
    ("counts", "valid", "status", "reason", "message"),
    [
        (InstanceCounts(), True, True, "NoInstances", "No instance uses the template."),
        (InstanceCounts(3, 3, 0), True, True, "AllUpdated", "3 of 3 instances ready at generation 4."),
        (InstanceCounts(3, 1, 0), True, False, "RollingOut", "1 of 3 instances ready at generation 4."),
        (
            InstanceCounts(3, 1, 1),
            True,
            False,
            "InstancesStalled",
            "1 of 3 instances ready at generation 4; 1 stalled (see its Ready condition).",
        ),
        (
            InstanceCounts(3, 3, 0),
            False,
            False,
            "TemplateInvalid",
            "The template is invalid; its instances are left unchanged.",
        ),
    ],
)
def test_condition(counts: InstanceCounts, valid: bool, status: bool, reason: str, message: str) -> None:
    found = rolled_out(counts, 4, valid=valid)
    assert (found.type, found.status, found.reason, found.message) == ("RolledOut", status, reason, message)
