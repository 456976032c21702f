"""How far a Deployment is, from what its controller writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.objects.rollout import Rollout, RolloutState, assess_rollout

CASES = yaml.safe_load((Path(__file__).parent / "rollouts.yaml").read_text())


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"].replace(" ", "_")) for case in CASES])
def test_rollout(case: dict[str, Any]) -> None:
    rollout = assess_rollout(case["deployment"])

    found = {
        "state": rollout.state.name,
        "holds": rollout.holds,
        "serves": rollout.serves,
        "message": rollout.message,
        "is_overdue": rollout.is_overdue,
    }
    assert found == {"holds": False, "message": "", "is_overdue": False, **case["expected"]}


def test_counts() -> None:
    deployment = yaml.safe_load("""
        metadata: {generation: 2}
        spec: {replicas: 5}
        status:
          {observedGeneration: 2, replicas: 4, updatedReplicas: 3, readyReplicas: 2, availableReplicas: 1}
    """)

    assert assess_rollout(deployment) == Rollout(
        RolloutState.PROGRESSING,
        "",
        holds=False,
        is_overdue=False,
        wanted=5,
        replicas=4,
        updated=3,
        ready=2,
        available=1,
    )


@pytest.mark.parametrize("deployment", [{}, {"metadata": {}, "spec": {}, "status": None}])
def test_a_deployment_that_says_nothing_yet(deployment: dict[str, Any]) -> None:
    rollout = assess_rollout(deployment)

    assert (rollout.state, rollout.wanted, rollout.serves) == (RolloutState.PENDING, 1, False)
