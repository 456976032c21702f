"""The fixtures of all tests on a real API server: those of `tests/fixtures`, which the attacks share."""

from __future__ import annotations

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
