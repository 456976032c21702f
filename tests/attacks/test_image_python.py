"""What depends on the interpreter is tried on that of the operator's image."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from hack.build.image_python import VERSION
from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


NO_CACHE = ("-p", "no:cacheprovider")


@pytest.mark.timeout(900)
def test_it_is_the_release_of_the_image(python_of_the_image: Path) -> None:
    shown = subprocess.run([python_of_the_image, "-V"], capture_output=True, text=True, check=True).stdout

    assert shown.startswith(f"Python {VERSION}.")
    bases = [line for line in (REPOSITORY / "Dockerfile").read_text().splitlines() if line.startswith("FROM")]
    assert all(line.split()[1].startswith(f"python:{VERSION}-") for line in bases)


@pytest.mark.timeout(900)
def test_hostile_objects_are_read_by_it(python_of_the_image: Path) -> None:
    run = subprocess.run(
        [
            python_of_the_image,
            "-m",
            "pytest",
            "-n",
            "0",
            "-q",
            "-p",
            "no:cacheprovider",
            "tests/unit/hostile",
        ],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]
