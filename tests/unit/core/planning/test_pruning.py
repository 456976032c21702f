"""Children that are no longer wanted go once their replacement serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.planning.pruning import prunable
from model_operator.core.rendering.desired_child import DesiredChild

CASES = yaml.safe_load((Path(__file__).parent / "prunings.yaml").read_text())
STATUSES = {
    "COMPLETE": {
        "observedGeneration": 1,
        "replicas": 1,
        "updatedReplicas": 1,
        "availableReplicas": 1,
        "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
    },
    "PROGRESSING": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1},
}


def rendered(*, kind: str, name: str, revision: str = "wanted") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}, "spec": {"template": {"revision": revision}}}


def desired(**parts: str) -> DesiredChild:
    return DesiredChild(rendered(**parts))


def live(
    *,
    kind: str,
    name: str,
    created: str = "2026-01-01T08:00:00Z",
    state: str = "COMPLETE",
    applied: str = "wanted",
    deleting: bool = False,
) -> dict[str, Any]:
    child = desired(kind=kind, name=name, revision=applied).applied
    child["metadata"] |= {"creationTimestamp": created, "generation": 1}
    if deleting:
        child["metadata"]["deletionTimestamp"] = "2026-01-01T10:00:00Z"
    return {**child, "status": STATUSES[state]} if kind == "Deployment" else child


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"].replace(" ", "_")) for case in CASES])
def test_prunable(case: dict[str, Any]) -> None:
    wanted = [desired(**child) for child in case["wanted"]]

    pruned = prunable(wanted, (live(**child) for child in case["live"]), case.get("failed", ()))

    assert [f"{child['kind']}/{child['metadata']['name']}" for child in pruned] == case["pruned"]


def test_a_replacement_in_another_namespace_replaces_nothing() -> None:
    """A stranger's Deployment of the replacement's name must not have what serves deleted early."""
    manifest = rendered(kind="Deployment", name="b")
    manifest["metadata"]["namespace"] = "team"
    wanted = DesiredChild(manifest)
    old, forged = live(kind="Deployment", name="a"), live(kind="Deployment", name="b")
    old["metadata"]["namespace"], forged["metadata"]["namespace"] = "team", "other"

    assert prunable([wanted], [old, forged]) == []
    forged["metadata"]["namespace"] = "team"
    assert prunable([wanted], [old, forged]) == [old]
