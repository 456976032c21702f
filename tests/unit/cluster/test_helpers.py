"""The pure parts of the test helpers: audit log, waiting, choice of the cluster."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cluster import waiting
from tests.cluster.audit import audit_events
from tests.cluster.cluster import existing_cluster
from tests.cluster.kube_api import KubeApiError, Resource, parse
from tests.cluster.waiting import wait_for


def test_audit_events_are_flat_and_a_half_written_line_is_left_for_later(tmp_path: Path) -> None:
    event = {
        "user": {"username": "somebody"},
        "userAgent": "curl/8",
        "verb": "patch",
        "objectRef": {
            "apiGroup": "modeloperator.dev",
            "resource": "modelinstances",
            "subresource": "status",
            "namespace": "team-a",
            "name": "bge",
        },
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z",
        "stageTimestamp": "2026-01-01T00:00:01.000000Z",
        "requestURI": "/apis/…/status?fieldManager=model-operator",
    }
    log = tmp_path / "audit.log"
    log.write_text(f'{json.dumps(event)}\n{{"user": ')

    assert list(audit_events(log)) == [
        {
            "user": "somebody",
            "agent": "curl/8",
            "verb": "patch",
            "group": "modeloperator.dev",
            "resource": "modelinstances/status",
            "namespace": "team-a",
            "name": "bge",
            "code": 200,
            "message": "",
            "received": "2026-01-01T00:00:00.000000Z",
            "time": "2026-01-01T00:00:01.000000Z",
            "query": "fieldManager=model-operator",
        }
    ]


def test_wait_for_gives_the_first_true_value() -> None:
    values = iter([None, "", "done"])

    assert wait_for(lambda: next(values)) == "done"


def test_wait_for_says_what_it_expected_and_what_there_was() -> None:
    with pytest.raises(AssertionError, match=r"not within 0 s: a pod; the last value: \[\]"):
        wait_for(list, 0, "a pod")


@pytest.mark.parametrize(("load", "seconds"), [(0.5, 10), (2, 10), (5, 25), (99, 40)])
def test_a_busy_machine_gets_more_time(monkeypatch: pytest.MonkeyPatch, load: float, seconds: float) -> None:
    now = 0.0

    def sleep(duration: float) -> None:
        nonlocal now
        now += duration

    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    machine = SimpleNamespace(getloadavg=lambda: (load, 0, 0), cpu_count=lambda: 2)
    monkeypatch.setattr(waiting, "os", machine)

    with pytest.raises(AssertionError, match="not within 10 s"):
        wait_for(list, 10, "a pod")
    assert now == pytest.approx(seconds, abs=0.2)


def test_wait_for_takes_a_failed_assertion_for_not_yet() -> None:
    def check() -> bool:
        assert False, "two of three"  # noqa: B011, PT015 -- stands for a check of a test

    with pytest.raises(AssertionError, match="all replicas; the last try: two of three"):
        wait_for(check, 0, "all replicas")


@pytest.mark.parametrize(
    ("environ", "kubeconfig"),
    [
        ({"KUBECONFIG": "/home/me/.kube/config"}, None),
        (
            {"KUBECONFIG": "/home/me/.kube/config", "MODEL_OPERATOR_TEST_CLUSTER": "existing"},
            Path("/home/me/.kube/config"),
        ),
    ],
)
def test_a_kubeconfig_alone_does_not_make_tests_use_that_cluster(
    environ: dict[str, str], kubeconfig: Path | None
) -> None:
    assert existing_cluster(environ) == kubeconfig


def test_an_existing_cluster_needs_a_kubeconfig() -> None:
    with pytest.raises(ValueError, match="expected KUBECONFIG to name a file"):
        existing_cluster({"MODEL_OPERATOR_TEST_CLUSTER": "existing"})


def test_paths_of_namespaced_and_cluster_wide_objects() -> None:
    deployments = Resource("/apis/apps/v1", "deployments", namespaced=True)
    nodes = Resource("/api/v1", "nodes", namespaced=False)

    assert deployments.path("a", "b", "status") == "/apis/apps/v1/namespaces/a/deployments/b/status"
    assert deployments.path(None) == "/apis/apps/v1/deployments"
    assert nodes.path("a", "b") == "/api/v1/nodes/b"


def test_an_error_shows_the_request_and_the_servers_words() -> None:
    body = {"reason": "NotFound", "message": 'pods "a" not found', "details": {"causes": [{"field": "x"}]}}

    error = KubeApiError("GET /api/v1/pods/a", 404, json.dumps(body))

    assert str(error) == 'GET /api/v1/pods/a: 404 NotFound: pods "a" not found'
    assert error.causes == [{"field": "x"}]
    assert KubeApiError("GET /", 502, "bad gateway").message == "bad gateway"


def test_yaml_must_be_one_object() -> None:
    assert parse("kind: Pod") == {"kind": "Pod"}
    with pytest.raises(TypeError, match="expected one object, got list"):
        parse("- kind: Pod")
