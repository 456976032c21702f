"""A real operator's metrics after a short life are what has happened."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.cluster.scrape import by, number, series
from tests.cluster.waiting import wait_for
from tests.examples.objects import deploy, instance, template

if TYPE_CHECKING:
    from tests.cluster.control_plane import ControlPlane
    from tests.cluster.kube_api import KubeApi
    from tests.cluster.operator_process import OperatorProcess
    from tests.fixtures.cluster import PrivateOperator

Write = tuple[str, str, str]
"""Verb as in the audit log, resource, and code."""
ONLY_ASKED = "selfsubjectaccessreviews"
"""Asked at the start; belongs to no namespace."""


def counted_writes(operator: OperatorProcess) -> Counter[Write]:
    """Give the writes that the operator has counted; the audit log calls an apply a patch."""
    writes: Counter[Write] = Counter()
    for labels, value in series(operator, "api_requests_total"):
        verb = "patch" if labels["verb"] == "apply" else labels["verb"]
        if verb in {"create", "update", "patch", "delete"} and labels["resource"] != ONLY_ASKED:
            writes[verb, labels["resource"], labels["code"]] += int(value)
    return writes


def audited_writes(control_plane: ControlPlane, namespace: str) -> Counter[Write]:
    """Give the operator's writes in a namespace that the API server has noted."""
    return Counter(
        (event["verb"], event["resource"], str(event["code"]))
        for event in control_plane.audit_events()
        if event["namespace"] == namespace and event["user"].endswith(":model-operator")
    )


def test_requests_are_those_of_the_audit_log(
    control_plane: ControlPlane, private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    deploy(private_api)
    private_api.apply(instance("second", model_template_id="encoder"))
    private_api.wait_for_condition("ModelInstance", "second", "Ready")
    private_api.apply(instance("wrong", model_creation_parameters={"MODEL_NAME": 7}))
    private_api.wait_for_condition("ModelInstance", "wrong", "Stalled")
    private_api.delete("ModelInstance", "second")
    private_api.wait_until_gone("Deployment", "second")

    def same() -> bool:
        counted, audited = counted_writes(operator), audited_writes(control_plane, private_api.namespace)
        assert counted == audited
        return bool(counted)

    wait_for(same, message="the same writes in the metrics and in the audit log")
    writes = counted_writes(operator)
    assert writes["patch", "deployments", "200"] + writes["patch", "deployments", "201"] >= 2
    assert writes["patch", "modelinstances/status", "200"] >= 3
    wait_for(
        lambda: (
            counted_writes(operator)["create", "events", "201"]
            == by(operator, "events_total", "result")["posted"]
        )
    )


def test_state_is_that_of_the_cluster(private_api: KubeApi, private_operator: PrivateOperator) -> None:
    operator = private_operator()
    deploy(private_api)
    private_api.apply(instance("orphan", model_template_id="missing"))
    private_api.apply(instance("wrong", model_creation_parameters={"MODEL_NAME": 7}))
    for name in ("orphan", "wrong"):
        private_api.wait_for_condition("ModelInstance", name, "Stalled")

    def told() -> bool:
        expected = {"RolledOut": 1.0, "TemplateNotFound": 1.0, "InvalidParameters": 1.0}
        assert by(operator, "instances", "reason") == expected
        assert by(operator, "instances_stalled", "reason") == {
            "TemplateNotFound": 1,
            "InvalidParameters": 1,
        }
        assert 0 < number(operator, "instances_stalled_longest_seconds") < 600
        cached = by(operator, "cache_objects", "resource")
        # The templates of the whole cluster are everybody's: other tests have some, too.
        cached.pop("clustermodeltemplates", None)
        assert cached == {
            "modelinstances": 3,
            "modeltemplates": 1,
            "modeltemplaterevisions": 1,
            "deployments": 1,
            "services": 1,
        }
        assert number(operator, "queue_keys") == 0
        assert number(operator, "queue_oldest_age_seconds") == 0
        return True

    wait_for(told, message="metrics of three instances")
    assert number(operator, "leader") == 1
    assert len(series(operator, "build_info")) == 1
    assert by(operator, "reconciles_total", "result", kind="ModelInstance")["done"] >= 3
    assert by(operator, "reconciles_total", "kind", result="defect") == {}
    durations = "reconcile_duration_seconds_count"
    wait_for(lambda: by(operator, "reconciles_total", "kind") == by(operator, durations, "kind"))


def test_each_kind_is_watched_once_and_its_changes_are_counted(
    private_api: KubeApi, private_operator: PrivateOperator
) -> None:
    operator = private_operator()
    private_api.apply(template())

    def heard() -> bool:
        assert by(operator, "watch_events_total", "type", resource="modeltemplates").get("ADDED") == 1
        watches = by(operator, "api_requests_total", "resource", verb="watch", code="200")
        assert watches.keys() >= {"modelinstances", "modeltemplates", "deployments", "services"}
        return True

    wait_for(heard)
    assert by(operator, "watch_restarts_total", "resource") == {}


def test_no_user_chosen_name_is_exposed(private_api: KubeApi, private_operator: PrivateOperator) -> None:
    operator = private_operator()
    deploy(private_api, name="secret-project", template_name="secret-template")

    wait_for(lambda: by(operator, "instances", "reason") == {"RolledOut": 1})
    text = operator.metrics()
    for word in ("secret-project", "secret-template", private_api.namespace, "MiniLM"):
        assert word not in text
