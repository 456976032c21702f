"""The gateway, and the stub that answers for simulated pods, as processes on this machine."""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import TYPE_CHECKING, Any, Self

from tests.cluster.ports import free_ports
from tests.cluster.processes import COMPILED_ONCE, Process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

START_SECONDS = 60.0
GRACE_SECONDS = 20.0


class GatewayProcess:
    """A running gateway; also a context manager that stops it.

    Attributes
    ----------
    url
        Base URL of the API on 127.0.0.1.
    health_url
        Base URL of the health port.
    log
        Its log.
    """

    def __init__(self, process: Process, port: int, health_port: int, log: Path) -> None:
        self._process = process
        self.log = log
        self.url = f"http://127.0.0.1:{port}"
        self.health_url = f"http://127.0.0.1:{health_port}"

    @classmethod
    def start(
        cls,
        kubeconfig: Path,
        *arguments: str,
        log: Path,
        environment: Mapping[str, str] | None = None,
        module: str = "tests.cluster.gateway.on_loopback",
        around: Sequence[str | Path] = (),
        ports: tuple[int, int] | None = None,
    ) -> Self:
        """Start a gateway and wait until it is ready.

        Parameters
        ----------
        kubeconfig
            Whom it speaks to, and as whom.
        arguments
            More arguments for ``model-operator gateway``.
        log
            The file that its log is appended to.
        environment
            Variables laid over ours.
        module
            What is run: by default a gateway that finds simulated pods on loopback addresses.
        around
            Words before the command, such as those that enter the network of a node.
        ports
            Of the API and of the health port; free ones by default.

        Raises
        ------
        ProcessError
            When it ends, or is not ready in time; the message ends with its log.
        """
        port, health_port = ports or free_ports(2)
        process = Process(
            "the gateway",
            [
                *around,
                sys.executable,
                "-m",
                module,
                "gateway",
                *("--kubeconfig", kubeconfig),
                *("--port", str(port), "--health-port", str(health_port), "--host", "127.0.0.1"),
                *arguments,
            ],
            log=log,
            environment={
                "MODEL_OPERATOR_GATEWAY_HEALTH_HOST": "127.0.0.1",
                **COMPILED_ONCE,
                "MODEL_OPERATOR_GATEWAY_DRAIN_SECONDS": "0.5",
                **(environment or {}),
            },
        )
        gateway = cls(process, port, health_port, log)
        try:
            process.wait_until(gateway.ready, what="ready", seconds=START_SECONDS)
        except BaseException:
            process.stop(GRACE_SECONDS)
            raise
        return gateway

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ready(self) -> bool:
        """Return whether ``/readyz`` says so."""
        try:
            with urllib.request.urlopen(f"{self.health_url}/readyz", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.running

    def check_running(self) -> None:
        """Raise a `ProcessError` with the last log lines when it has ended."""
        self._process.check_running()

    def log_tail(self) -> str:
        """Return its last log lines, under a heading."""
        return self._process.log_tail()

    def stop(self) -> None:
        """End it as a node does: SIGTERM, and SIGKILL much later."""
        self._process.stop(GRACE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class StubWorkers:
    """The stub that answers for all simulated pods; also a context manager that stops it."""

    def __init__(self, log: Path, says: str = "") -> None:
        (self.port,) = free_ports(1)
        command = [sys.executable, "-m", "tests.cluster.gateway.stub_worker", str(self.port)]
        self._process = Process("the stub", [*command, *([says] if says else [])], log=log)
        self._url = f"http://127.0.0.1:{self.port}/stub/requests"
        self._process.wait_until(self._answers, what="answering", seconds=START_SECONDS)

    def requests(self) -> list[dict[str, Any]]:
        """Return what came in since :meth:`forget`; see :class:`tests.cluster.gateway.stub_worker.Seen`."""
        with urllib.request.urlopen(self._url, timeout=10) as response:
            found: list[dict[str, Any]] = json.load(response)
        return found

    def forget(self) -> None:
        """Forget what came in."""
        urllib.request.urlopen(urllib.request.Request(self._url, method="DELETE"), timeout=10).close()

    def do(self, wanted: Mapping[str, Any]) -> None:
        """Set what requests make it do that do not say so; see :mod:`tests.cluster.gateway.stub_worker`."""
        url = self._url.replace("/stub/requests", "/stub/wanted")
        data = json.dumps(wanted).encode()
        urllib.request.urlopen(urllib.request.Request(url, data, method="PUT"), timeout=10).close()

    def _answers(self) -> bool:
        try:
            self.requests()
        except OSError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop(GRACE_SECONDS)
