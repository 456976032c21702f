"""Fixtures for tests with real containers.

=========================  ==============================================================================
`real_node`                a control plane with a real node, started by the run's first test that asks
`node_namespace`,          a fresh namespace of it, which the `node_operator` serves, and a client for it
`node_api`
`node_operator`            the operator of the whole run there
=========================  ==============================================================================

A machine that can run no real node skips these tests and says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hack.build.go_toolchain import ToolsError
from hack.build.toolset import has_node_tools
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.nodes.real import ensure_real_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.shared_run import SharedRun


@pytest.fixture(scope="session")
def real_node(shared_run: SharedRun) -> ControlPlane:
    """Give the run's control plane with a real node."""
    if not has_node_tools():
        pytest.skip("NO REAL NODE: its tools are not built yet: run `make real-node-tools`.")
    try:
        ensure_real_node()
    except ToolsError as error:
        pytest.skip(f"NO REAL NODE: {error}")
    cluster = shared_run.with_real_node.cluster
    assert isinstance(cluster, ControlPlane)
    return cluster


@pytest.fixture(scope="session")
def real_node_api(real_node: ControlPlane) -> Iterator[KubeApi]:
    """Give a client as administrator for cluster-scoped objects."""
    api = KubeApi(real_node.kubeconfig)
    yield api
    api.close()


@pytest.fixture
def node_namespace(real_node_api: KubeApi) -> Iterator[str]:
    """Give the name of a fresh namespace."""
    yield from fresh_namespace(real_node_api, "mo-real")


@pytest.fixture
def node_api(real_node_api: KubeApi, node_namespace: str) -> KubeApi:
    """Give a client as administrator for the test's namespace."""
    return real_node_api.in_namespace(node_namespace)


@pytest.fixture(scope="session")
def node_operator(shared_run: SharedRun, real_node: ControlPlane) -> None:
    """Have an operator serve the cluster of the real node."""
    shared_run.with_real_node.start_operator()
