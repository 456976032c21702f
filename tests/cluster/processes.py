"""Child processes that leave nothing behind: own session, own log file, ended when their owner ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]

POLL_SECONDS = 0.05
COMPILED_ONCE = {"PYTHONDONTWRITEBYTECODE": ""}
"""The variable by which a program stores its compiled modules, which the image has, whatever the shell says.
Without them, each start compiles those of the operator again: 0.2 s of processor time."""


class ProcessError(Exception):
    """A process ended too early or was not ready in time; the message holds its last log lines."""


class Process:
    """One running child process.

    Parameters
    ----------
    name
        What messages call it.
    command
        The program and its arguments.
    log
        The file that takes its output.
    environment
        Variables laid over ours.
    owner
        The process id whose end also ends this process. Default: the caller. Given for a process that is
        to outlive the one that starts it.
    orphan_signal
        What the process gets when its owner ends.
    pass_fds
        File descriptors that it inherits.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        owner: int | None = None,
        orphan_signal: signal.Signals = signal.SIGTERM,
        pass_fds: Collection[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        if owner is None:
            launcher = orphaned(orphan_signal)
        else:
            launcher = [sys.executable, "-m", "tests.cluster.guard", str(owner)]
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [*launcher, *map(str, command)],
                cwd=REPOSITORY,
                env=os.environ | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=tuple(pass_fds),
                # Ctrl-C in a terminal reaches its whole session; we decide ourselves in what order to stop.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id; the guard's when there is an `owner`."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._popen.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, what: str, seconds: float) -> None:
        """Wait for `ready`; `what` says what that is.

        Raises
        ------
        ProcessError
            When the process ends first, or `seconds` have passed.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.check_running()
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.name}: not {what} after {seconds:g} s.\n{self.log_tail()}")
            time.sleep(POLL_SECONDS)

    def check_running(self) -> None:
        """Raise a `ProcessError` when it has ended."""
        status = self._popen.poll()
        if status is not None:
            raise ProcessError(f"{self.name} ended with status {status}.\n{self.log_tail()}")

    def ask_to_end(self) -> None:
        """Send SIGTERM and do not wait; `stop` does."""
        self._popen.terminate()

    def stop(self, grace_seconds: float) -> int:
        """Ask the process to end, kill it when it has not after `grace_seconds`, and give its exit status."""
        self.ask_to_end()
        return self.wait(grace_seconds)

    def wait(self, grace_seconds: float) -> int:
        """Wait for the end of a process that was asked to, or kill it, and give its exit status."""
        try:
            return self._popen.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End the process at once and give its exit status."""
        self._popen.kill()
        return self._popen.wait()

    def log_tail(self, lines: int = 25) -> str:
        """Give the last `lines` of the log, under a heading with its name."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"--- the last lines of {self.log}\n" + "\n".join(text.splitlines()[-lines:])


def orphaned(orphan_signal: signal.Signals) -> list[str]:
    """Give the words before a command that send it `orphan_signal` when the process that starts it ends.

    `setpriv` is part of util-linux, so of every Debian; the alternative, `prctl` in a `preexec_fn`, is unsafe
    in programs with threads, such as pytest-xdist's workers.
    """
    return ["setpriv", "--pdeathsig", orphan_signal.name.removeprefix("SIG"), "--"]
