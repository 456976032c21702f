"""Fixtures for tests of the running operator."""

from __future__ import annotations

import pytest

from tests.cluster.processes import REPOSITORY


@pytest.fixture
def samples() -> list[str]:
    """Give the texts of the sample manifests."""
    folder = REPOSITORY / "manifests" / "samples"
    return [path.read_text() for path in sorted(folder.glob("*.yaml")) if path.name != "kustomization.yaml"]
