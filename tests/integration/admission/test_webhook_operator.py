"""An operator with webhooks as the person who starts it meets it: errors at the start, and readiness."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.cluster.ports import free_ports
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import LOOPBACK, TOKEN, webhook_environment, write_certificate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.shared_run import SharedRun
    from tests.fixtures.admission import Admission


def _error(shared_run: SharedRun, *arguments: str, **environment: str) -> str:
    """Give the one line with which an operator ends that cannot start."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "model_operator",
            "run",
            "--kubeconfig",
            shared_run.operator_kubeconfig,
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "POD_NAMESPACE": "model-operator", **environment},
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("option", ["--webhook-port", "--health-port"])
def test_taken_port(shared_run: SharedRun, tmp_path: Path, option: str) -> None:
    write_certificate(tmp_path)
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        (other,) = free_ports(1)
        environment = webhook_environment(other, tmp_path) | {"MODEL_OPERATOR_HEALTH_HOST": LOOPBACK}
        ports = {"--webhook-port": str(other), "--health-port": "0", option: str(port)}
        error = _error(shared_run, *(word for pair in ports.items() for word in pair), **environment)

    assert error == (
        f"model-operator: error: cannot listen on {LOOPBACK} port {port}: Address already in use; "
        "choose another port"
    )


def test_certificate_that_is_missing(shared_run: SharedRun, tmp_path: Path) -> None:
    (port,) = free_ports(1)

    error = _error(shared_run, "--health-port", "0", **webhook_environment(port, tmp_path))

    assert error.startswith("model-operator: error: ")
    assert "tls.crt" in error


def test_running_operator_knows_no_other_paths(admission: Admission) -> None:
    context = ssl.create_default_context(cafile=str(admission.certificates / "ca.crt"))
    guessed = TOKEN[::-1]
    for path in (
        "/",
        "/validate-modelinstance",
        f"/{TOKEN}/validate",
        f"/{TOKEN}/validate-modelinstance/other",
        f"/{guessed}/validate-modelinstance",
        "/healthz",
    ):
        url = f"https://{LOOPBACK}:{admission.port}{path}"
        request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, context=context)
        assert refusal.value.code == 404
        refusal.value.close()


def test_webhooks_are_served_when_it_is_ready(admission: Admission) -> None:
    log = admission.log.read_text()
    assert log.index("caches are filled") < log.index("webhooks are served")
    assert admission.operator is not None
    wait_for(admission.operator.ready)
    wait_for(admission.operator.healthy)
