"""Fixtures for tests on a real API server.

=====================  ============================================================================
`namespace`, `api`     a fresh namespace that the shared `operator` serves, and a client for it
`operator`             the operator of the whole run, started by the first test that asks for it
`private_namespace`,   a fresh namespace that no operator serves until the test starts one with
`private_api`          `private_operator`: for restarts, crashes and settings
`kubectl`              the real kubectl, as administrator
`control_plane`        the embedded control plane: audit log, simulated failures
`admission`            webhooks and policy with an operator that serves them
`private_admission`    the same with an operator that the test starts and stops
=====================  ============================================================================

With ``MODEL_OPERATOR_TEST_CLUSTER=existing`` and ``KUBECONFIG`` set they use that cluster, and tests that
need the `control_plane` itself are skipped.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.operator_process import OperatorProcess
from tests.integration.admission.fixtures import admission, private_admission

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.kubectl import Kubectl
    from tests.cluster.shared_run import SharedRun

__all__ = ["admission", "private_admission"]

LOGS = pytest.StashKey[dict["Path", int]]()


class PrivateOperator(Protocol):
    """Starts operators that serve the test's `private_namespace` only, until the test ends."""

    def __call__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        module: str = "model_operator",
        python: Path | str = sys.executable,
    ) -> OperatorProcess:
        """Start one, with more arguments for ``model-operator run``; its log is shown when the test fails."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the test's operators logged during a failed test."""
    report = yield
    if report.failed:
        for log, start in item.stash.get(LOGS, {}).items():
            with log.open("rb") as file:
                file.seek(start)
                report.sections.append((f"operator log ({log.name})", file.read().decode(errors="replace")))
    return report


@pytest.fixture(scope="session")
def cluster(shared_run: SharedRun) -> Cluster:
    """Give the cluster that all tests share, with our CRDs."""
    return shared_run.cluster


@pytest.fixture(scope="session")
def control_plane(cluster: Cluster) -> ControlPlane:
    """Give the embedded control plane; skips where the tests use the user's cluster."""
    if not isinstance(cluster, ControlPlane):
        pytest.skip("needs the embedded control plane")
    return cluster


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Kubectl:
    """Give kubectl as administrator; it knows nothing of the test's namespace: pass ``--namespace``."""
    return cluster.kubectl


@pytest.fixture(scope="session")
def cluster_api(cluster: Cluster) -> Iterator[KubeApi]:
    """Give a client as administrator for cluster-scoped objects; see also `KubeApi.in_namespace`."""
    api = KubeApi(cluster.kubeconfig)
    yield api
    api.close()


@pytest.fixture
def namespace(cluster_api: KubeApi) -> Iterator[str]:
    """Give the name of a fresh namespace that the shared operator serves, if a test has started it."""
    yield from fresh_namespace(cluster_api, "mo-shared")


@pytest.fixture
def api(cluster_api: KubeApi, namespace: str) -> KubeApi:
    """Give a client as administrator for the test's `namespace`."""
    return cluster_api.in_namespace(namespace)


@pytest.fixture
def private_namespace(cluster_api: KubeApi) -> Iterator[str]:
    """Give the name of a fresh namespace that only a `private_operator` serves."""
    yield from fresh_namespace(cluster_api, "mo-private")


@pytest.fixture
def private_api(cluster_api: KubeApi, private_namespace: str) -> KubeApi:
    """Give a client as administrator for the test's `private_namespace`."""
    return cluster_api.in_namespace(private_namespace)


@pytest.fixture(scope="session")
def _shared_operator(shared_run: SharedRun) -> None:
    shared_run.start_operator()


@pytest.fixture
def operator(_shared_operator: None, shared_run: SharedRun, request: pytest.FixtureRequest) -> None:
    """Have the run's one operator serve the test's `namespace`; what it logs is shown when the test fails."""
    log = shared_run.operator_log
    _logs(request)[log] = log.stat().st_size


@pytest.fixture
def private_operator(
    shared_run: SharedRun, private_namespace: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[PrivateOperator]:
    """Give a function that starts an operator for the test's `private_namespace`; it may be called again."""
    started: list[OperatorProcess] = []

    def start(
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        module: str = "model_operator",
        python: Path | str = sys.executable,
    ) -> OperatorProcess:
        log = tmp_path / f"operator-{len(started) + 1}.log"
        log.touch()
        _logs(request)[log] = 0
        operator = OperatorProcess.start(
            shared_run.operator_kubeconfig,
            "--namespace",
            private_namespace,
            *arguments,
            log=log,
            environment=environment,
            module=module,
            python=python,
        )
        started.append(operator)
        return operator

    yield start
    for operator in started:
        if operator.running:
            operator.stop()


def _logs(request: pytest.FixtureRequest) -> dict[Path, int]:
    node: Any = request.node
    logs: dict[Path, int] = node.stash.setdefault(LOGS, {})
    return logs
