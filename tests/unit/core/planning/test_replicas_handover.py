"""What is applied so that leaving ``replicas`` out of a Deployment changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from model_operator.core.planning.replicas_handover import (
    handover,
    has_min_workers,
    with_replicas,
    without_replicas,
)
from model_operator.core.rendering.desired_child import DesiredChild

MANIFEST: dict[str, Any] = {"kind": "Deployment", "metadata": {"name": "demo"}, "spec": {"paused": False}}
RENDERED = DesiredChild(MANIFEST, min_workers=2)


def owner(manager: str, operation: str = "Apply", field: str = "f:replicas") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {field: {}}}}


def live(replicas: int, *owners: dict[str, Any]) -> dict[str, Any]:
    metadata = {
        "name": "demo",
        "namespace": "team",
        "uid": "u1",
        "resourceVersion": "7",
        "labels": {"a": "b"},
        "managedFields": list(owners),
    }
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": replicas, "paused": False}}


HPA = owner("kube-controller-manager", "Update")
HELPER = owner("model-operator-replicas")
OURS = owner("model-operator")
OTHER_FIELD = owner("model-operator", field="f:paused")


@pytest.mark.parametrize(
    ("found", "least", "held"),
    [
        pytest.param(live(4, OURS), 2, 4, id="ours"),
        pytest.param(live(4, OURS, HELPER), 2, 4, id="ours and already held"),
        pytest.param(live(4, OURS), 6, 6, id="ours and too few"),
        pytest.param(live(4, OTHER_FIELD, HELPER), 2, None, id="held"),
        pytest.param(live(4, OTHER_FIELD, HPA), 2, None, id="the autoscaler's"),
        pytest.param(live(4, OTHER_FIELD, HPA), 4, None, id="the autoscaler's and just enough"),
        pytest.param(live(1, OTHER_FIELD, HPA), 2, 2, id="too few"),
        pytest.param(live(0, owner("kubectl", "Update")), 2, 2, id="none"),
        pytest.param(live(4), 2, None, id="nobody's"),
        pytest.param(live(4, owner("model-operator", "Update")), 2, None, id="not by apply"),
    ],
)
def test_handover(found: dict[str, Any], least: int, held: int | None) -> None:
    applied = handover(found, "u1", replace(RENDERED, min_workers=least))

    if held is None:
        assert applied is None
    else:
        assert applied == {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "demo", "namespace": "team", "uid": "u1", "resourceVersion": "7"},
            "spec": {"replicas": held},
        }


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"managedFields": None},
        {"managedFields": [{"manager": "model-operator", "operation": "Apply", "fieldsV1": None}]},
    ],
)
def test_no_owners_are_known(metadata: dict[str, Any]) -> None:
    found = live(2)
    del found["metadata"]["managedFields"]
    found["metadata"] |= metadata

    assert handover(found, "u1", RENDERED) is None


def test_the_number_is_put_in_and_left_out_without_touching_what_was_rendered() -> None:
    fixed = with_replicas(RENDERED)

    assert fixed.manifest["spec"] == {"paused": False, "replicas": 2}
    assert without_replicas(fixed) == DesiredChild(MANIFEST, min_workers=1)
    assert MANIFEST["spec"] == {"paused": False}
    assert fixed.manifest["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("wanted", "replicas", "expected"),
    [
        (RENDERED, 2, True),
        (RENDERED, 1, False),
        (with_replicas(RENDERED), 1, True),
        (DesiredChild({"kind": "Service", "spec": {}}, min_workers=2), 1, True),
    ],
)
def test_only_a_number_that_is_left_to_somebody_can_be_too_low(
    wanted: DesiredChild, replicas: int, expected: bool
) -> None:
    assert has_min_workers(wanted, live(replicas)) is expected
    assert wanted.leaves_replicas == (wanted is RENDERED)
