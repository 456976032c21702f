"""The cgroup of a node, below which kubelet puts its pods: a directory in each hierarchy.

It is named after the process that holds the node, so that what a killed one left is recognised.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "model-operator-"
REMOVE_SECONDS = 10.0
POLL_SECONDS = 0.1


def create() -> str:
    """Make the cgroup of a node that the calling process holds, with all controllers on; give its name.

    Removes those of processes that have ended without.
    """
    for left in {path.name for hierarchy in _hierarchies() for path in hierarchy.glob(f"{PREFIX}*")}:
        if not Path("/proc", left.removeprefix(PREFIX)).exists():
            remove(left)
    name = f"{PREFIX}{os.getpid()}"
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir()
    controllers = ROOT / "cgroup.controllers"
    if controllers.exists():
        wanted = " ".join(f"+{controller}" for controller in controllers.read_text().split())
        for parent in (ROOT, ROOT / name):
            (parent / "cgroup.subtree_control").write_text(wanted)
    return name


def directories(name: str) -> list[Path]:
    """Give the directories of a node's cgroup that there are, one in each hierarchy at most."""
    return [hierarchy / name for hierarchy in _hierarchies() if (hierarchy / name).exists()]


def remove(name: str) -> None:
    """Remove a cgroup with all below; its processes have been killed, and may take a moment to go."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while not all(_is_removed(hierarchy / name) for hierarchy in _hierarchies()):
        if time.monotonic() > deadline:
            print(f"warning: the cgroup {name} could not be removed", flush=True)
            return
        time.sleep(POLL_SECONDS)


def _hierarchies() -> list[Path]:
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return [path for path in ROOT.iterdir() if (path / "cgroup.procs").exists() and not path.is_symlink()]


def _is_removed(directory: Path) -> bool:
    if not directory.exists():
        return True
    # The kernel and others remove some meanwhile, which `os.walk` takes for empty.
    for path, _, _ in os.walk(directory, topdown=False):
        with suppress(OSError):
            Path(path).rmdir()
    return not directory.exists()
