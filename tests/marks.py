"""The markers of tests, by folder: what a test needs of the machine, for ``pytest -m "not cluster"``."""

from __future__ import annotations

from pathlib import PurePath

MARKS = {
    "cluster": ("attacks", "chaos", "e2e", "integration"),
    "root": ("e2e", "integration/real_node", "integration/test_images.py"),
    "slow": ("attacks/test_image_python.py", "chaos", "e2e", "integration/real_node"),
}
"""Marker, and the folders and files below ``tests/`` whose tests have it."""


def marks(path: PurePath) -> list[str]:
    """Return the markers of the tests in a file.

    Parameters
    ----------
    path
        The file, relative to ``tests/``.
    """
    return [mark for mark, places in MARKS.items() if any(path.is_relative_to(place) for place in places)]


def is_older(version: str | None, needed: str) -> bool:
    """Return whether a version of Kubernetes is older than the needed one; None is the newest."""
    return version is not None and _parts(version) < _parts(needed)


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
