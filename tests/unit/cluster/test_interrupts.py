"""``make dev`` and the other commands stop in order on Ctrl-C and SIGTERM, however they were started."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.cluster.processes import REPOSITORY

PROGRAM = """\
import sys, time
from tests.cluster import __main__ as program

def dev():
    try:
        print("up", flush=True)
        time.sleep(60)
    finally:
        print("stopped in order", flush=True)

program.dev = dev
sys.argv[1:] = ["dev"]
sys.exit(program.main())
"""
STARTS = {
    "in a terminal": (),
    "in the background": ("sh", "-c", 'trap "" INT; exec "$@"', "sh"),
}


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_command_stops_in_order(start: tuple[str, ...], stop: signal.Signals) -> None:
    command = [*start, sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"

        process.send_signal(stop)

        shown, _ = process.communicate(timeout=30)
    assert shown == "stopped in order\n"
    assert process.returncode == 130
