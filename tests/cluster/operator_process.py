"""The operator as a process on this machine, against any cluster."""

from __future__ import annotations

import sys
import urllib.request
from typing import TYPE_CHECKING, Self

from tests.cluster.cluster import OPERATOR_NAMESPACE
from tests.cluster.ports import free_ports
from tests.cluster.processes import COMPILED_ONCE, Process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

START_SECONDS = 90.0
# A node waits 30 s; the operator takes five at most, where the machine has nothing else to do.
GRACE_SECONDS = 10.0
STALLED_SECONDS = 0.5
"""Grace period of the operators of tests, which need not wait for the default one."""


class OperatorProcess:
    """A running operator; also a context manager that stops it.

    Parameters
    ----------
    process
        The process.
    port
        The port of its ``/healthz``, ``/readyz`` and ``/metrics`` on 127.0.0.1.

    Attributes
    ----------
    port
        The same.
    """

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self.port = port
        self._url = f"http://127.0.0.1:{port}"

    @classmethod
    def start(
        cls,
        kubeconfig: Path,
        *arguments: str,
        log: Path,
        owner: int | None = None,
        environment: Mapping[str, str] | None = None,
        module: str = "model_operator",
        python: Path | str = sys.executable,
        seconds: float = START_SECONDS,
    ) -> Self:
        """Start an operator and wait until it is ready: its caches are complete, its webhooks served.

        Parameters
        ----------
        kubeconfig
            Whom it speaks to, and as whom.
        arguments
            More arguments for ``model-operator run``, such as ``--namespace``.
        log
            The file that its log is appended to.
        owner
            The process id with whose end the operator ends too; default: the caller's.
        environment
            Variables laid over ours.
        module
            What is run: the operator, or a module that changes something of it before it runs it.
        python
            What runs it.
        seconds
            How long it may take; the more objects there are to list, the longer.

        Raises
        ------
        ProcessError
            When it ends, or is not ready in time; the message ends with its log.
        """
        operator = cls.launch(
            kubeconfig,
            *arguments,
            log=log,
            owner=owner,
            environment=environment,
            module=module,
            python=python,
        )
        try:
            operator._process.wait_until(operator.ready, what="ready", seconds=seconds)
        except BaseException:
            operator._process.stop(GRACE_SECONDS)
            raise
        return operator

    @classmethod
    def launch(
        cls,
        kubeconfig: Path,
        *arguments: str,
        log: Path,
        owner: int | None = None,
        environment: Mapping[str, str] | None = None,
        module: str = "model_operator",
        python: Path | str = sys.executable,
    ) -> Self:
        """Start an operator as `start` does, and do not wait for anything."""
        (port,) = free_ports(1)
        command: list[str | Path] = [
            python,
            "-m",
            module,
            "run",
            "--kubeconfig",
            kubeconfig,
        ]
        process = Process(
            "the operator",
            [*command, "--health-port", str(port), *arguments],
            log=log,
            environment={
                "MODEL_OPERATOR_HEALTH_HOST": "127.0.0.1",
                **COMPILED_ONCE,
                "MODEL_OPERATOR_STALLED_AFTER_SECONDS": str(STALLED_SECONDS),
                "POD_NAMESPACE": OPERATOR_NAMESPACE,
                **(environment or {}),
            },
            owner=owner,
        )
        return cls(process, port)

    @property
    def pid(self) -> int:
        """The process id; the guard's when there is an owner."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """The file that has its log."""
        return self._process.log

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.running

    def healthy(self) -> bool:
        """Whether ``/healthz`` answers with 200."""
        return self._answers("/healthz")

    def ready(self) -> bool:
        """Whether ``/readyz`` answers with 200."""
        return self._answers("/readyz")

    def metrics(self) -> str:
        """Give what ``/metrics`` says."""
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=10) as response:
            return str(response.read().decode())

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self._url + path, timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def check_running(self) -> None:
        """Raise a `ProcessError` with the last log lines when it has ended."""
        self._process.check_running()

    def log_tail(self) -> str:
        """Give its last log lines, under a heading."""
        return self._process.log_tail()

    def ask_to_end(self) -> None:
        """Send SIGTERM and do not wait; `stop` does."""
        self._process.ask_to_end()

    def stop(self) -> int:
        """Stop it as a node would, with SIGTERM, and give its exit status."""
        return self._process.stop(GRACE_SECONDS)

    def wait(self) -> int:
        """Wait until it has ended as it was asked to, and give its exit status."""
        return self._process.wait(GRACE_SECONDS)

    def kill(self) -> int:
        """End it at once, as losing its node would, and give its exit status."""
        return self._process.kill()

    def __enter__(self) -> Self:
        """Give the operator itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        if self.running:
            self.stop()
