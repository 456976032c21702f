"""``make demo-real``, as a newcomer runs it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from tests.cluster.control_plane import ControlPlane


@pytest.mark.timeout(900)
def test_the_demo_with_real_containers_passes(real_node: ControlPlane) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "tests.cluster", "demo-real"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=870,
        check=False,
    )

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert ", 0 cut or failed" in shown.stdout
    assert "APIError: model default/chat: the worker closed the connection" in shown.stdout
    assert "nothing is left running" in shown.stdout
