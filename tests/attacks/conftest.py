"""Fixtures for attacks on a real API server: those of `tests/fixtures`.

An attack is a test that does what somebody with the rights of a user (or without any) can do, and asserts
that everybody else is served as before.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.build.go_toolchain import ToolsError
from hack.build.image_python import image_python
from tests.fixtures.admission import admission, private_admission
from tests.fixtures.cluster import (
    _shared_operator,
    api,
    cluster,
    cluster_api,
    control_plane,
    kubectl,
    namespace,
    operator,
    private_api,
    private_namespace,
    private_operator,
    pytest_runtest_makereport,
)

__all__ = [
    "_shared_operator",
    "admission",
    "api",
    "cluster",
    "cluster_api",
    "control_plane",
    "kubectl",
    "namespace",
    "operator",
    "private_admission",
    "private_api",
    "private_namespace",
    "private_operator",
    "pytest_runtest_makereport",
]


@pytest.fixture(scope="session")
def python_of_the_image() -> Path:
    """Give the interpreter of the image's release, with the locked packages; skips where there is none."""
    try:
        return image_python()
    except ToolsError as error:
        pytest.skip(f"the image's Python cannot be had here: {error}")
