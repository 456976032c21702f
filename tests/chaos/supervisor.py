"""Keeps operators running as a kubelet would: whatever ends is started again."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from tests.cluster.operator_process import OperatorProcess

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PAUSE_SECONDS = 0.3
TAIL_LINES = 3


class Supervisor:
    """One operator that is always there again; call `tend` often.

    Parameters
    ----------
    name
        What reports and its log are called after.
    kubeconfig
        Whom it speaks to.
    directory
        Where its log is.
    environment
        Its settings.
    module
        What is run.

    Attributes
    ----------
    kills
        How often it was killed.
    ends
        The last words of each run that ended without that.
    """

    def __init__(
        self,
        name: str,
        kubeconfig: Path,
        directory: Path,
        environment: Mapping[str, str],
        module: str = "model_operator",
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self.kills = 0
        self.ends: list[str] = []
        self._kubeconfig = kubeconfig
        self._environment = environment
        self._module = module
        self._operator: OperatorProcess | None = None
        self._next_start = 0.0

    def tend(self) -> None:
        """Start it again if it has ended; not at once, as a kubelet does not."""
        if self._operator is not None and not self._operator.running:
            self.ends.append(self._last_words())
            self._forget()
        if self._operator is None and time.monotonic() >= self._next_start:
            self._operator = OperatorProcess.launch(
                self._kubeconfig, log=self.log, environment=self._environment, module=self._module
            )

    @property
    def is_ready(self) -> bool:
        """Whether it runs and says that it is ready."""
        return self._operator is not None and self._operator.running and self._operator.ready()

    def kill(self) -> None:
        """End it at once, in whatever it does."""
        if self._operator is not None and self._operator.running:
            self._operator.kill()
            self.kills += 1
            self._forget()

    def pause(self) -> None:
        """Stop its clockwork until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._operator is not None and self._operator.running:
            os.kill(self._operator.pid, number)

    def stop(self) -> None:
        """Stop it for good, as a node that is drained would."""
        if self._operator is not None:
            self._operator.stop()
            self._operator = None

    def _forget(self) -> None:
        self._operator = None
        self._next_start = time.monotonic() + PAUSE_SECONDS

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])
