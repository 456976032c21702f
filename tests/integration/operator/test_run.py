"""``model-operator run`` as the person who starts it meets it: errors, logs, health, the way it stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for
from tests.examples.objects import deploy, instance
from tests.fixtures.cluster import PrivateOperator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster
    from tests.cluster.shared_run import SharedRun

RUN = (sys.executable, "-m", "model_operator", "run", "--health-port", "0")


def _run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an operator that is expected to end by itself."""
    base = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    return subprocess.run(
        [*RUN, *arguments], capture_output=True, text=True, timeout=60, env=base | environment, check=False
    )


def _error(done: subprocess.CompletedProcess[str]) -> str:
    """Give the one line that explains why it did not start."""
    assert done.returncode == 1, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("model-operator: error: ")
    return lines[0]


class _NoCrds(BaseHTTPRequestHandler):
    """An API server that knows its version and nothing else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/version" else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _server_without_crds() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _NoCrds) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_no_kubeconfig(tmp_path: Path) -> None:
    assert "no kubeconfig" in _error(_run())
    missing = tmp_path / "missing"
    assert f"{missing} does not exist" in _error(_run("--kubeconfig", missing))
    broken = tmp_path / "broken"
    broken.write_text("no: kubeconfig")
    assert str(broken) in _error(_run("--kubeconfig", broken))


def test_unknown_setting_value() -> None:
    done = _run(MODEL_OPERATOR_WORKERS="many")
    assert "MODEL_OPERATOR_WORKERS: must be an integer" in _error(done)


def test_setting_that_is_no_json() -> None:
    assert "MODEL_OPERATOR_RENDERING: must be a JSON object" in _error(_run(MODEL_OPERATOR_RENDERING="{"))


def test_server_unreachable(cluster: Cluster, tmp_path: Path) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    error = _error(_run("--kubeconfig", path))
    assert "https://127.0.0.1:1 cannot be reached" in error


def test_crds_missing(tmp_path: Path) -> None:
    with _server_without_crds() as url:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        error = _error(_run("--kubeconfig", path))
    assert "CRDs are missing: modeltemplates.modeloperator.dev" in error
    assert "kubectl apply -f crds/" in error


def test_permission_missing(cluster: Cluster, api: KubeApi, namespace: str) -> None:
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}})
    kubeconfig = cluster.service_account_kubeconfig(namespace, "nobody")
    error = _error(_run("--kubeconfig", kubeconfig, "--namespace", namespace))
    assert f"permission missing: get modelinstances.modeloperator.dev in namespace {namespace}" in error


def _small_account(
    cluster: Cluster, private_api: KubeApi, private_namespace: str, *, without: str = ""
) -> Path:
    """Give the kubeconfig of an account with the operator's rights in one namespace, but for an API group."""
    role = next(
        document
        for document in yaml.safe_load_all(Path("manifests/base/rbac.yaml").read_text())
        if document["kind"] == "ClusterRole"
    )
    private_api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "small"}})
    private_api.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "small"},
            "rules": [rule for rule in role["rules"] if not without or without not in rule["apiGroups"]],
        }
    )
    private_api.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "small"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "small"},
            "subjects": [{"kind": "ServiceAccount", "name": "small", "namespace": private_namespace}],
        }
    )
    return cluster.service_account_kubeconfig(private_namespace, "small")


def test_namespaced_operator_needs_no_right_to_cluster_templates(
    cluster: Cluster, private_api: KubeApi, private_namespace: str, tmp_path: Path
) -> None:
    kubeconfig = _small_account(cluster, private_api, private_namespace)
    log = tmp_path / "operator.log"
    with OperatorProcess.start(kubeconfig, "--namespace", private_namespace, log=log):
        deploy(private_api)


def test_without_the_right_to_write_events_it_says_so_once(
    cluster: Cluster, private_api: KubeApi, private_namespace: str, tmp_path: Path
) -> None:
    kubeconfig = _small_account(cluster, private_api, private_namespace, without="events.k8s.io")
    log = tmp_path / "operator.log"
    with OperatorProcess.start(kubeconfig, "--namespace", private_namespace, log=log):
        deploy(private_api)
        deploy(private_api, name="second")
    assert log.read_text().count("cannot write events") == 1


def test_stops_by_itself_after_sigterm(private_api: KubeApi, private_operator: PrivateOperator) -> None:
    operator = private_operator()
    deploy(private_api)
    assert operator.stop() == 0
    assert "Traceback" not in operator.log.read_text()


def test_json_logs_name_the_object_on_every_line_of_its_reconciliation(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator("--log-format", "json")
    deploy(private_api)
    lines = [json.loads(line) for line in operator.log.read_text().splitlines()]
    created = [line for line in lines if line["event"] == "child created"]
    assert {(line["namespace"], line["name"], line["child"]) for line in created} == {
        (private_api.namespace, "minilm", "minilm")
    }
    assert all({"timestamp", "level", "event"} <= line.keys() for line in lines)
    assert "all-MiniLM-L6-v2" not in operator.log.read_text()


def test_second_operator_leaves_excluded_namespaces_alone(
    cluster: Cluster, private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator("--exclude-namespace", "mo-private-*")
    wait_for(lambda: "caches are filled" in operator.log.read_text())
    private_api.apply("""
        apiVersion: modeloperator.dev/v1alpha1
        kind: ModelInstance
        metadata: {name: alone}
        spec: {model_template_id: none}
    """)
    private_operator()
    private_api.wait_for_condition("ModelInstance", "alone", "Ready", "False", reason="TemplateNotFound")
    assert "alone" not in operator.log.read_text()


def test_it_runs_as_a_user_without_a_name(private_api: KubeApi, private_operator: PrivateOperator) -> None:
    private_operator(module="tests.integration.operator.nameless_user")
    deploy(private_api)


def test_a_watcher_that_is_gone_makes_it_unhealthy(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator(module="tests.integration.operator.lost_watcher")
    # Only a watch can tell of it, so by then there are all.
    private_api.apply(instance())
    private_api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="TemplateNotFound")
    wait_for(operator.healthy, message="/healthz succeeds with all watchers")
    os.kill(operator.pid, signal.SIGUSR1)
    wait_for(lambda: not operator.healthy(), message="/healthz fails")
    assert not operator.ready()
    assert operator.running, "whether to restart it is the kubelet's decision"


def test_it_can_be_stopped_before_everything_is_listed(
    shared_run: SharedRun, private_namespace: str, tmp_path: Path
) -> None:
    log = tmp_path / "operator.log"
    module = "tests.integration.operator.endless_lists"
    with OperatorProcess.launch(
        shared_run.operator_kubeconfig, "--namespace", private_namespace, log=log, module=module
    ) as operator:
        wait_for(operator.healthy, message="/healthz answers")
        wait_for(lambda: "starting" in log.read_text(), message="it starts")
        assert not operator.ready()
        assert operator.stop() == 0
    assert "Traceback" not in log.read_text()


def test_nothing_is_missed_between_listing_and_watching(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    first = private_operator()
    for name in ("minilm", "gone", "changed"):
        deploy(private_api, name=name)
    assert first.stop() == 0
    before = private_api.get("Deployment", "minilm")["metadata"]["uid"]
    late = private_operator(module="tests.integration.operator.late_watches")
    private_api.delete("Deployment", "minilm")
    private_api.delete("ModelInstance", "gone")
    private_api.apply(instance("changed", replicas=3))
    private_api.apply(instance("created"))
    os.kill(late.pid, signal.SIGUSR1)

    wait_for(lambda: _uid(private_api, "minilm") not in (None, before), message="the Deployment is back")
    wait_for(lambda: _uid(private_api, "created") is not None, message="the new instance has its own")
    wait_for(lambda: private_api.get("Deployment", "changed")["spec"]["replicas"] == 3)
    assert "object deleted while not watched" not in late.log.read_text(), (
        "by the watch, and not by a later comparison"
    )


def test_a_signal_between_listing_and_watching_is_heard(private_operator: PrivateOperator) -> None:
    late = private_operator(module="tests.integration.operator.late_watches")
    os.kill(late.pid, signal.SIGTERM)
    os.kill(late.pid, signal.SIGUSR1)
    assert late.wait() == 0


def _uid(api: KubeApi, name: str) -> str | None:
    found = api.find("Deployment", name)
    return None if found is None else str(found["metadata"]["uid"])
