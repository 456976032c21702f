"""What anybody may label as a child takes little memory; what an instance controls has bounds."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.api import GROUP
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.core.objects.kept_child import kept_child
from model_operator.core.objects.ownership import (
    DEPLOYMENT_LABEL,
    INSTANCE_LABEL,
    MANAGED_BY,
    MANAGER,
    Ownership,
    classify,
)
from model_operator.core.values.json_values import json_size
from model_operator.kube.resources import CHILD_KINDS, DEPLOYMENTS

OURS = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "ModelInstance", "name": "a", "uid": "u"}
WANTED = {"matchLabels": {INSTANCE_LABEL: "a", DEPLOYMENT_LABEL: "a"}}


def child(controller: dict[str, Any] | None, variables: int = 0, **metadata: Any) -> dict[str, Any]:
    containers = [{"name": "model", "env": [{"name": f"V{n}"} for n in range(variables)]}]
    owners = [{**controller, "controller": True}] if controller else []
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "namespace": "team",
            "name": "a",
            "uid": "d",
            "resourceVersion": "7",
            "labels": {MANAGED_BY: MANAGER, INSTANCE_LABEL: "a"},
            "ownerReferences": owners,
            **metadata,
        },
        "spec": {"replicas": 2, "selector": WANTED, "template": {"spec": {"containers": containers}}},
        "status": {"readyReplicas": 1},
    }


STRANGERS = {
    "nobody": None,
    "another kind": {**OURS, "kind": "ModelTemplate"},
    "another group": {**OURS, "apiVersion": "example.com/v1"},
    "a huge uid": {**OURS, "kind": "Job", "uid": "u" * 100_000},
}


@pytest.mark.parametrize("owner", STRANGERS.values(), ids=STRANGERS)
def test_of_what_no_instance_controls_only_whose_it_is_is_kept(owner: dict[str, Any] | None) -> None:
    obj = child(owner, variables=50_000, annotations={"x": "y" * 100_000}, finalizers=["f/f"] * 10_000)
    kept = kept_child(obj)
    assert json_size(kept) < 1000
    whose = {"namespace": "team", "name": "a", "uid": "u"}
    assert classify(kept, **whose) is classify(obj, **whose)


@pytest.mark.parametrize("field", ["labels", "selector"])
def test_its_labels_and_selector_take_no_memory_either(field: str) -> None:
    many = {f"k{number}": "v" for number in range(50_000)}
    obj = child(None)
    if field == "labels":
        obj["metadata"]["labels"] = many
    else:
        obj["spec"]["selector"] = {"matchLabels": many}
    kept = kept_child(obj)
    assert json_size(kept) < 1000
    assert classify(kept, namespace="team", name="a", uid="u") is Ownership.FOREIGN


@pytest.mark.parametrize("part", ["spec", "labels", "uid"])
def test_what_an_instance_controls_is_kept_in_bounds(part: str) -> None:
    obj = child(OURS, variables=50_000 if part == "spec" else 0)
    if part == "labels":
        obj["metadata"]["labels"] |= {f"k{number}": "v" for number in range(50_000)}
    if part == "uid":
        obj["metadata"]["ownerReferences"][0]["uid"] = "u" * 1_000_000
    kept = kept_child(obj)
    assert json_size(kept) < 1500
    wanted = Ownership.TERMINATING if part == "uid" else Ownership.OURS
    assert classify(kept, namespace="team", name="a", uid="u") is wanted


def test_what_an_instance_controls_is_kept_but_for_what_others_note_there() -> None:
    ours = {f"{GROUP}/applied-hash": "h", "deployment.kubernetes.io/revision": "3"}
    obj = child(OURS, variables=3, annotations={**ours, "example.com/x": "y"}, managedFields=[{}])
    kept = kept_child(obj)
    assert {**kept, "metadata": {}} == {**obj, "metadata": {}}
    assert kept["metadata"] == child(OURS, annotations=ours)["metadata"]


def test_annotations_that_we_applied_are_kept() -> None:
    def fields(*keys: str) -> dict[str, Any]:
        return {"f:metadata": {"f:annotations": {f"f:{key}": {} for key in keys}}}

    managers = [
        {"manager": MANAGER, "operation": "Apply", "fieldsV1": fields("example.com/ours")},
        {"manager": "kubectl", "operation": "Update", "fieldsV1": fields("example.com/theirs")},
        {"manager": MANAGER, "operation": "Apply", "subresource": "status"},
    ]
    annotations = {"example.com/ours": "a", "example.com/theirs": "b"}
    kept = kept_child(child(OURS, annotations=annotations, managedFields=managers))
    assert kept["metadata"]["annotations"] == {"example.com/ours": "a"}
    assert kept_child(kept) == kept


@pytest.mark.parametrize("owner", [OURS, None, STRANGERS["another kind"]])
@pytest.mark.parametrize("variables", [1, 50_000])
def test_keeping_twice_changes_nothing(owner: dict[str, Any] | None, variables: int) -> None:
    kept = kept_child(child(owner, variables))
    assert kept_child(kept) == kept


def test_who_else_owns_it_is_known() -> None:
    obj = child(OURS, variables=50_000)
    obj["metadata"]["ownerReferences"].append({"kind": "Job", "name": "j"})
    assert len(kept_child(obj)["metadata"]["ownerReferences"]) == 2


@pytest.mark.parametrize("kind", CHILD_KINDS, ids=str)
def test_the_caches_keep_no_more(kind: Any) -> None:
    state = ClusterState()
    assert state.cache_of(kind).put({**child(None, 50_000), "kind": kind.kind})
    (kept,) = state.cache_of(kind)
    assert json_size(kept) < 1000
    assert state.children_of_kind(DEPLOYMENTS.kind, "team", "u") == []
