"""The short form of the chaos run: few instances, short phases, every kind of fault but the rarest."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.cluster.processes import REPOSITORY, orphaned

SECONDS = 600
"""It takes about three minutes; on a machine that is busy otherwise it may take longer."""
SEED = "test"
"""The same each time, so that what fails is likely to fail again. `make chaos-short` takes others."""


@pytest.mark.timeout(SECONDS + 60)
def test_nothing_is_lost_and_nothing_is_left_under_faults() -> None:
    run = subprocess.run(
        [*orphaned(signal.SIGTERM), sys.executable, "-m", "tests.chaos", "--short", "--seed", SEED],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stdout
