"""``make demo`` and ``make dev``, as a newcomer runs them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.dev import STUB_SAYS
from tests.cluster.processes import REPOSITORY
from tests.cluster.shown import DemoError, run_shown
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from tests.cluster.control_plane import ControlPlane

COMMAND = (sys.executable, "-m", "tests.cluster")
WORD = re.compile(r'"content": "([^"]*)"')
IN_BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
"""How a shell starts what is in its background: it ignores Ctrl-C."""


def streamed(command: str) -> str:
    """Run a command that prints the stream of a chat; give the text of its chunks."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    return "".join(WORD.findall(done.stdout))


def test_the_demo_passes_and_says_that_its_nodes_are_simulated(control_plane: ControlPlane) -> None:
    shown = subprocess.run(
        [*COMMAND, "demo"], cwd=REPOSITORY, capture_output=True, text=True, timeout=170, check=False
    )

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "nodes are simulated" in shown.stdout
    assert "$ kubectl apply -k manifests/samples\n" in shown.stdout
    assert "nothing is left running" in shown.stdout


def test_a_step_that_fails_ends_the_demo(cluster: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DemoError, match=r"`kubectl get nonsense` ended with status 1\."):
        run_shown(cluster.kubectl, "get", "nonsense")

    assert "$ kubectl get nonsense" in capfd.readouterr().out


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_dev_in_the_background_stays_up_until_a_signal_and_leaves_nothing(
    control_plane: ControlPlane, tmp_path: Path, stop: signal.Signals
) -> None:
    output = tmp_path / "output"
    with output.open("w") as file:
        dev = subprocess.Popen(
            [*IN_BACKGROUND, *COMMAND, "dev"], cwd=REPOSITORY, stdout=file, stderr=subprocess.STDOUT
        )
    wait_for(lambda: dev.poll() is not None or "Ctrl-C stops" in output.read_text(), 60, "`dev` is up")
    exported = re.search(r"^export KUBECONFIG=(.*)$", output.read_text(), re.MULTILINE)
    assert exported is not None, output.read_text()
    kubeconfig = Path(exported[1])
    kubectl = Cluster(kubeconfig, tmp_path, control_plane.tools).kubectl

    assert "simulated-cpu" in kubectl("get", "nodes").stdout
    assert "a STUB answers for every simulated pod" in output.read_text()
    call = re.search(r"^curl .*\n(?:  .*\n)+", output.read_text(), re.MULTILINE)
    assert call is not None, output.read_text()
    kubectl("apply", "-f", "manifests/samples/vllm-chat.yaml")
    wait_for(lambda: STUB_SAYS in streamed(call[0]), 60, "the stub's answer by the printed command")

    os.kill(dev.pid, stop)
    assert dev.wait(60) == 0
    assert not kubeconfig.parent.exists()
