"""Run a command until a process other than our parent ends: ``python -m tests.cluster.guard PID COMMAND…``.

The test run's shared processes are started by whichever pytest-xdist worker needs them first, but belong to
the process that controls the run. The kernel's parent-death signal knows parents only, hence this.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

from tests.cluster.processes import orphaned

GRACE_SECONDS = 30


def guard(owner: int, command: list[str]) -> int:
    """Run `command`; end it when the process `owner` ends or when asked to by SIGTERM.

    Returns
    -------
    int
        The command's exit status, 128 + N when signal N ended it.
    """
    child = subprocess.Popen([*orphaned(signal.SIGTERM), *command])
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    poller = select.poll()
    poller.register(os.pidfd_open(child.pid), select.POLLIN)
    try:
        owner_ends = os.pidfd_open(owner)
    except ProcessLookupError:
        child.terminate()
    else:
        poller.register(owner_ends, select.POLLIN)
        poller.poll()
        if child.poll() is None:
            child.terminate()
    try:
        status = child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(guard(int(sys.argv[1]), sys.argv[2:]))
