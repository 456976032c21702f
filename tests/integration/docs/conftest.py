"""What a reader of the documents has: a control plane by ``make dev``, and a folder to write files into."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from hack.build.toolset import cached_tools
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMMITTER = {
    "GIT_AUTHOR_NAME": "reader",
    "GIT_AUTHOR_EMAIL": "reader@example.com",
    "GIT_COMMITTER_NAME": "reader",
    "GIT_COMMITTER_EMAIL": "reader@example.com",
}
"""What a reader who commits has in the settings of git."""
_EXPORT = re.compile(r"^export (\w+)=(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Reader:
    """Somebody who does what a document says.

    Attributes
    ----------
    folder
        Where they write files: in it, the repository's own folders are found by their names.
    environment
        The variables that ``make dev`` told them to export, and who they are to git.
    """

    folder: Path
    environment: dict[str, str]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Give a reader with a control plane of their own, which ends with the test."""
    if cached_tools() is None:
        raise LookupError("the control plane's tools are not built yet: run `make tools`.")
    folder = tmp_path / "model-operator"
    folder.mkdir()
    for path in REPOSITORY.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    output = tmp_path / "dev.log"
    with output.open("w") as file:
        # The command of `make dev`, which may not remake the environment that the tests run in.
        dev = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster", "dev"],
            cwd=REPOSITORY,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(
            lambda: dev.poll() is not None or "Ctrl-C stops" in output.read_text(), 90, "`make dev` is up"
        )
        assert dev.poll() is None, output.read_text()
        environment = {
            name: value.replace("$PATH", os.environ["PATH"])
            for name, value in _EXPORT.findall(output.read_text())
        }
        yield Reader(folder, environment | _COMMITTER)
    finally:
        dev.terminate()
        dev.wait(60)
