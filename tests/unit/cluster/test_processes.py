"""Child processes start, stop, report and vanish as promised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hack.build.toolset import NAMES, Tools
from tests.cluster.components import Components
from tests.cluster.nodes.simulated import SimulatedNodes
from tests.cluster.processes import REPOSITORY, Process, ProcessError
from tests.cluster.waiting import wait_for

SLEEP = ("sleep", "600")


def test_a_process_that_ends_too_early_is_reported_with_its_log(tmp_path: Path) -> None:
    process = Process("the server", ("sh", "-c", "echo no such flag; exit 3"), log=tmp_path / "log")

    with pytest.raises(ProcessError, match=r"the server ended with status 3\.\n.*\nno such flag"):
        process.wait_until(lambda: False, what="ready", seconds=30)


def test_a_process_that_is_not_ready_in_time_is_reported(tmp_path: Path) -> None:
    process = Process("the server", SLEEP, log=tmp_path / "log")

    with pytest.raises(ProcessError, match=r"the server: not ready after 0\.1 s"):
        process.wait_until(lambda: False, what="ready", seconds=0.1)

    process.stop(grace_seconds=10)


@pytest.mark.parametrize(
    ("trap", "status"),
    [("exit 7", 7), ("", -9)],
    ids=["who listens ends by itself", "who does not is killed"],
)
def test_stop_asks_first_and_kills_then(tmp_path: Path, trap: str, status: int) -> None:
    script = f"trap '{trap}' TERM; echo ready; while :; do sleep 0.1; done"
    process = Process("the server", ("sh", "-c", script), log=tmp_path / "log")
    process.wait_until(lambda: "ready" in process.log_tail(), what="ready", seconds=30)

    assert process.stop(grace_seconds=1) == status


def test_a_process_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.cluster.processes import Process\n"
        "child = Process('child', ('sleep', '600'), log=Path(sys.argv[1]))\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    command: list[str | Path] = [sys.executable, "-c", script, tmp_path / "log"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        wait_for(lambda: command_line(pid).startswith("sleep"), message="the child runs its command")

        program.kill()

    wait_for(lambda: not command_line(pid), message="the child has ended")


def test_a_guarded_process_ends_with_its_owner(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEP) as owner:
        process = Process("guarded", SLEEP, log=tmp_path / "log", owner=owner.pid)
        (pid,) = wait_for(lambda: children(process.pid), message="the guard has started the command")
        wait_for(lambda: command_line(pid).startswith("sleep"), message="the command runs")

        owner.kill()

    wait_for(lambda: not command_line(pid), message="the command has ended")
    assert process.stop(grace_seconds=10) == 128 + 15


def test_a_guard_passes_on_the_exit_status(tmp_path: Path) -> None:
    process = Process("guarded", ("sh", "-c", "exit 5"), log=tmp_path / "log", owner=1)

    with pytest.raises(ProcessError, match="status 5"):
        process.wait_until(lambda: False, what="ready", seconds=30)


def test_a_component_that_fails_to_start_is_named_with_its_log(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_text("#!/bin/sh\nsleep 600\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "etcd").write_text("#!/bin/sh\necho 'no space left'; exit 1\n")
    directory = tmp_path / "files"
    directory.mkdir()
    components = Components(directory, Tools(tmp_path), SimulatedNodes(directory, Tools(tmp_path)))

    with pytest.raises(ProcessError, match=r"etcd ended with status 1\.\n.*\nno space left"):
        components.start(crds=False)

    components.stop()


def children(pid: int) -> list[int]:
    """Give the ids of the children of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_line(pid: int) -> str:
    """Give the command line of a process, empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
