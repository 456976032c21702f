"""The command line as users have it: a process, against the tests' API server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

COMMAND = Path(sys.executable).parent / "model-operator"


class ModelOperator(Protocol):
    """Runs the command ``model-operator``."""

    def __call__(self, *arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run it with the cluster's kubeconfig and give what it wrote and its exit status."""


@pytest.fixture
def model_operator(cluster: Cluster) -> ModelOperator:
    """Give the command line with the kubeconfig of an administrator."""

    def run(*arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments],
            input=given,
            env={"PATH": os.environ["PATH"], "KUBECONFIG": str(cluster.kubeconfig)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
