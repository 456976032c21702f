"""Two operators at once: one works, the other takes over, and never do both write."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.cluster import MANIFESTS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.processes import ProcessError
from tests.cluster.proxy import TcpProxy
from tests.cluster.waiting import wait_for
from tests.examples.objects import deploy, instance
from tests.fixtures.cluster import operator_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DURATION, DEADLINE, RETRY = 8, 6, 0.5
"""Of the first replica, in seconds: long enough for a machine that has other things to do."""

PATIENT = {
    "MODEL_OPERATOR_LEASE__DURATION_SECONDS": "120",
    "MODEL_OPERATOR_LEASE__RENEW_DEADLINE_SECONDS": "100",
}
"""Times of the second, which must not end. How long it waits for the first, the first has written down."""


@pytest.fixture
def account(control_plane: ControlPlane, private_api: KubeApi, private_namespace: str) -> Callable[..., Path]:
    """Give a function that makes a ServiceAccount with the operator's rights here, for a kubeconfig."""
    documents = list(yaml.safe_load_all((MANIFESTS / "rbac.yaml").read_text()))
    rules = [rule for each in documents if each["kind"] in {"ClusterRole", "Role"} for rule in each["rules"]]
    group = "rbac.authorization.k8s.io"

    def make(name: str, *, without: str = "none") -> Path:
        private_api.create(
            {
                "apiVersion": f"{group}/v1",
                "kind": "Role",
                "metadata": {"name": name},
                "rules": [rule for rule in rules if without not in rule["apiGroups"]],
            }
        )
        private_api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
        private_api.create(
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": private_namespace}],
            }
        )
        return control_plane.service_account_kubeconfig(private_namespace, name)

    return make


@pytest.fixture
def replica(
    private_namespace: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., OperatorProcess]]:
    """Give a function that starts a replica by a kubeconfig; all have one Lease, in the test's namespace."""
    started: list[OperatorProcess] = []

    def start(kubeconfig: Path, **environment: str) -> OperatorProcess:
        log = tmp_path / f"replica-{len(started) + 1}.log"
        log.touch()
        operator_logs(request)[log] = 0
        operator = OperatorProcess.start(
            kubeconfig,
            "--namespace",
            private_namespace,
            log=log,
            environment={
                "MODEL_OPERATOR_LEADER_ELECTION": "on",
                "MODEL_OPERATOR_LEASE__NAMESPACE": private_namespace,
                "MODEL_OPERATOR_LEASE__DURATION_SECONDS": str(DURATION),
                "MODEL_OPERATOR_LEASE__RENEW_DEADLINE_SECONDS": str(DEADLINE),
                "MODEL_OPERATOR_LEASE__RETRY_PERIOD_SECONDS": str(RETRY),
                **environment,
            },
        )
        started.append(operator)
        return operator

    yield start
    for operator in started:
        if operator.running:
            operator.stop()


def leads(operator: OperatorProcess) -> bool:
    return "became leader" in operator.log.read_text()


def writes(control_plane: ControlPlane, namespace: str) -> list[dict[str, Any]]:
    """Give what replicas have written in the namespace: Events and the questions for rights left out."""
    users = f"system:serviceaccount:{namespace}:"
    return [
        event
        for event in control_plane.audit_events()
        if event["user"].startswith(users)
        and event["namespace"] == namespace
        and event["group"] != "authorization.k8s.io"
    ]


def writers(control_plane: ControlPlane, namespace: str) -> set[str]:
    return {event["user"].rpartition(":")[2] for event in writes(control_plane, namespace)}


def seconds(time_of_audit: str) -> float:
    return datetime.fromisoformat(time_of_audit).timestamp()


def exists(api: KubeApi, name: str) -> bool:
    return api.find("Deployment", name) is not None


def test_sigterm_of_the_leader(
    control_plane: ControlPlane,
    private_api: KubeApi,
    private_namespace: str,
    account: Callable[..., Path],
    replica: Callable[..., OperatorProcess],
) -> None:
    # Waiting until this Lease runs out would be too long on a busy machine, too.
    long = {
        "MODEL_OPERATOR_LEASE__DURATION_SECONDS": "60",
        "MODEL_OPERATOR_LEASE__RENEW_DEADLINE_SECONDS": "40",
        "MODEL_OPERATOR_LEASE__RETRY_PERIOD_SECONDS": "2",
    }
    first = replica(account("first"), **long)
    wait_for(lambda: leads(first))
    second = replica(account("second"), **long)
    deploy(private_api)
    assert writers(control_plane, private_namespace) == {"first"}
    assert not leads(second)

    begin = time.monotonic()
    # Made while the leader is ending, so by whichever still can.
    first.ask_to_end()
    private_api.apply(instance("new"))
    wait_for(lambda: exists(private_api, "new"))
    wait_for(lambda: leads(second))
    took = time.monotonic() - begin
    print(f"SIGTERM of the leader to work by the other: {took:.2f} s")
    assert took < 40, "without its release, the Lease would have to run out"
    assert first.wait() == 0
    assert "released the lease" in first.log.read_text()

    # What had converged is not touched: the other knew it all along.
    private_api.wait_for_condition("ModelInstance", "new", "Ready")
    second_wrote = [each for each in writes(control_plane, private_namespace) if ":second" in each["user"]]
    assert not [each for each in second_wrote if each["name"].startswith("minilm")]


def test_sigkill_of_the_leader(
    control_plane: ControlPlane,
    private_api: KubeApi,
    private_namespace: str,
    account: Callable[..., Path],
    replica: Callable[..., OperatorProcess],
) -> None:
    first = replica(account("first"))
    wait_for(lambda: leads(first))
    second = replica(account("second"), **PATIENT)
    deploy(private_api)

    begin = time.monotonic()
    first.kill()
    private_api.apply(instance("new"))
    wait_for(lambda: exists(private_api, "new"), DURATION + 15)
    took = time.monotonic() - begin
    print(f"SIGKILL of the leader to work by the other: {took:.2f} s of {DURATION} s")
    assert leads(second)
    assert "released the lease" not in first.log.read_text()


@pytest.mark.parametrize("how", ["cut", "stall"])
def test_leader_that_is_cut_off_writes_nothing_after_its_deadline(
    how: str,
    control_plane: ControlPlane,
    private_api: KubeApi,
    private_namespace: str,
    account: Callable[..., Path],
    replica: Callable[..., OperatorProcess],
    tmp_path: Path,
) -> None:
    kubeconfig = account("first")
    with TcpProxy.before(kubeconfig) as proxy:
        first = replica(proxy.kubeconfig(kubeconfig, tmp_path / "first.kubeconfig"))
        wait_for(lambda: leads(first))
        second = replica(account("second"), **PATIENT)
        deploy(private_api)
        assert writers(control_plane, private_namespace) == {"first"}

        # Work that never ends, so that the leader has something to write at every moment.
        for number in range(20):
            private_api.apply(instance(f"busy-{number}", model_creation_parameters={"MODEL_NAME": "x"}))
        getattr(proxy, how)()
        cut_at = time.time()
        for number in range(20, 40):
            private_api.apply(instance(f"busy-{number}", model_creation_parameters={"MODEL_NAME": "x"}))
        wait_for(lambda: not first.running, DEADLINE + 20, "the leader has ended")
        assert first.stop() == 1
        lines = [line for line in first.log.read_text().splitlines() if "leadership lost" in line]
        assert len(lines) == 1
        wait_for(lambda: leads(second), DURATION + 30)
        proxy.mend()
        for number in range(40):
            private_api.wait_for_condition("ModelInstance", f"busy-{number}", "Ready", deadline=60)

    found = writes(control_plane, private_namespace)
    by_first = [seconds(each["time"]) for each in found if each["user"].endswith(":first")]
    by_second = [seconds(each["time"]) for each in found if each["user"].endswith(":second")]
    print(
        f"{how}: the last write of the leader {max(by_first) - cut_at:+.2f} s after the cut, "
        f"the first of the other {min(by_second) - cut_at:+.2f} s"
    )
    assert max(by_first) < cut_at + DEADLINE
    assert max(by_first) < min(by_second), "never both"
    assert "Traceback" not in first.log.read_text()


def test_replica_without_rights_says_what_is_missing(
    account: Callable[..., Path], replica: Callable[..., OperatorProcess]
) -> None:
    kubeconfig = account("small", without="coordination.k8s.io")
    missing = "permission missing: get leases.coordination.k8s.io in namespace"
    with pytest.raises(ProcessError, match=missing):
        replica(kubeconfig)
