"""What processes have used, and what machine this is: read from /proc."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """What a process has used since its start."""

    cpu_seconds: float
    peak_mb: float


def usage(pid: int) -> Usage:
    """Give what a running process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    peak_kb = next(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, peak_kb / 1024)


def children(pid: int) -> dict[str, int]:
    """Give the process ids of a process's children by the names of their programs."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            head, _, rest = stat.read_text().rpartition(")")
            if int(rest.split()[1]) == pid:
                found[head.partition("(")[2]] = int(stat.parent.name)
    return found


def busy_seconds() -> tuple[float, float]:
    """Give the CPU time of the machine since its start, and that of this process and its ended children."""
    fields = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]))
    busy = sum(fields) - fields[3] - fields[4]
    return busy / _TICKS, sum(os.times()[:4])


def load_of_others(before: tuple[float, float], seconds: float) -> float:
    """Give how many cores other processes have used on average; all children must have ended.

    Parameters
    ----------
    before
        `busy_seconds` at the start.
    seconds
        How long that is ago.
    """
    after = busy_seconds()
    return max((after[0] - before[0]) - (after[1] - before[1]), 0.0) / seconds


def commit() -> str:
    """Give the commit that is checked out, with ``-dirty`` when files differ; empty where git fails."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=8", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    """Give the facts that figures depend on."""
    cpus = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpus[0] if cpus else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
    }
