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
from tests.docs.blocks import blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.control_plane import ControlPlane

COMMAND = (sys.executable, "-m", "tests.cluster")
WORD = re.compile(r'"content": "([^"]*)"')
IN_BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
"""How a shell starts what is in its background: it ignores Ctrl-C."""


GATEWAY_PAGE = REPOSITORY / "docs" / "gateway.md"
DOCUMENTED = "http://127.0.0.1:8080"
EXPORT = re.compile(r"^export (\w+)=(\S+)", re.MULTILINE)


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


def _calls_the_printed_model(printed: str, environment: dict[str, str]) -> None:
    call = re.search(r"^curl .*\n(?:  .*\n)+", printed, re.MULTILINE)
    assert call is not None, printed
    _shell("kubectl apply -f manifests/samples/vllm-chat.yaml", environment)
    wait_for(lambda: STUB_SAYS in streamed(call[0]), 60, "the stub's answer by the printed command")
    stream = _shell(call[0], environment)
    *chunks, last, done = [line for line in stream.splitlines() if line]
    assert done == "data: [DONE]"
    assert '"finish_reason": "stop"' in last
    assert not any('"stop"' in chunk for chunk in chunks)
    refused = (
        call[0].replace('"messages"', '"nothing"').replace("curl", "curl -s -o /dev/null -w '%{http_code}'")
    )
    assert _shell(refused, environment) == "400"
    assert "model_operator_gateway_models" in _shell(
        f"curl -s {re.findall(r'http://.*/metrics', printed)[0]}", environment
    )


def _follows_the_five_minutes(printed: str, environment: dict[str, str]) -> None:
    page = [block for block in blocks(GATEWAY_PAGE.read_text()) if block.mark]
    (models,) = [
        block.text for block in page if block.mark == "tested by: tests/integration/test_commands.py"
    ]
    calls = [block for block in page if block.mark == "tested by: tests/e2e/test_gateway.py"]
    assert len(calls) > 2
    said = _shell(f"{{ {models}\n}} 2>&1", environment)
    assert "Warning" not in said, said
    _shell("kubectl create rolebinding owner --clusterrole=admin --user=owner", environment)
    as_owner = "kubectl --as=owner"
    wait_for(
        lambda: (
            "yes"
            in _shell(
                f"{as_owner} auth can-i create modelinstances.modeloperator.dev/execute || true", environment
            )
        ),
        30,
        "an admin of the namespace may call its models",
    )
    grant = "create role callers --verb=create --resource=modelinstances.modeloperator.dev/execute"
    _shell(f"{as_owner} {grant}", environment)
    (url,) = re.findall(r"^The gateway is at (\S+)\. ", printed, re.MULTILINE)
    environment["KEY"] = _shell("kubectl model key create my-app", environment).strip()
    for block in calls:
        text = block.text.replace(DOCUMENTED, url)
        if block.language == "python":
            done = subprocess.run(
                [sys.executable, "-c", text],
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        else:
            assert '"error"' not in _shell(text, environment)


def _shell(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-euc", command],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("stop", "use"),
    [(signal.SIGINT, _calls_the_printed_model), (signal.SIGTERM, _follows_the_five_minutes)],
)
def test_dev_in_the_background_stays_up_until_a_signal_and_leaves_nothing(
    control_plane: ControlPlane,
    tmp_path: Path,
    stop: signal.Signals,
    use: Callable[[str, dict[str, str]], None],
) -> None:
    output = tmp_path / "output"
    with output.open("w") as file:
        dev = subprocess.Popen(
            [*IN_BACKGROUND, *COMMAND, "dev"], cwd=REPOSITORY, stdout=file, stderr=subprocess.STDOUT
        )
    wait_for(lambda: dev.poll() is not None or "Ctrl-C stops" in output.read_text(), 60, "`dev` is up")
    printed = output.read_text()
    exported = dict(EXPORT.findall(printed))
    kubeconfig = Path(exported["KUBECONFIG"])
    path = exported["PATH"].replace("$PATH", os.environ["PATH"])
    kubectl = Cluster(kubeconfig, tmp_path, control_plane.tools).kubectl

    assert "simulated-cpu" in kubectl("get", "nodes").stdout
    assert "a STUB answers for every simulated pod" in printed
    assert printed.index("Up:") < printed.index("expires")
    use(printed, os.environ | {"KUBECONFIG": str(kubeconfig), "PATH": path})

    os.kill(dev.pid, stop)
    assert dev.wait(60) == 0
    assert not kubeconfig.parent.exists()
