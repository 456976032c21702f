"""Random lives on simulated nodes: whatever is done in whatever order, every version is true.

The walks are the same in every run. ``MODEL_OPERATOR_WALKS=N`` takes N others, with a seed that pytest's
``--hypothesis-seed`` sets; a failure ends in the shortest story that fails, and how to tell it again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.cluster.operator_process import OperatorProcess
from tests.life.walk import Walk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.kube_api import KubeApi
    from tests.cluster.shared_run import SharedRun

OTHER_WALKS = os.environ.get("MODEL_OPERATOR_WALKS")
WALKS = settings(
    max_examples=int(OTHER_WALKS or 4),
    stateful_step_count=8,
    derandomize=not OTHER_WALKS,
    print_blob=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    # Each step waits for a cluster: slow is what they are.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


# Shrinking tells the story many times over.
@pytest.mark.timeout(900)
def test_every_version_of_a_random_life_is_true(
    cluster_api: KubeApi, shared_run: SharedRun, tmp_path: Path
) -> None:
    def start_operator(namespace: str) -> OperatorProcess:
        log = tmp_path / f"{namespace}.log"
        return OperatorProcess.start(shared_run.operator_kubeconfig, "--namespace", namespace, log=log)

    class WalkHere(Walk):
        def __init__(self) -> None:
            super().__init__(cluster_api, start_operator)

    run_state_machine_as_test(WalkHere, settings=WALKS)
