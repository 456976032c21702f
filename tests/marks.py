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
