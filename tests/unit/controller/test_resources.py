"""Where the API server has the kinds."""

from __future__ import annotations

import pytest

from model_operator.controller.resources import (
    AUTOSCALERS,
    CHILD_KIND,
    CLUSTER_MODEL_TEMPLATES,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    SERVICES,
    ResourceKind,
)


@pytest.mark.parametrize(
    ("kind", "arguments", "path"),
    [
        (SERVICES, (), "/api/v1/services"),
        (SERVICES, ("team",), "/api/v1/namespaces/team/services"),
        (SERVICES, ("team", "demo"), "/api/v1/namespaces/team/services/demo"),
        (DEPLOYMENTS, ("team", "demo"), "/apis/apps/v1/namespaces/team/deployments/demo"),
        (
            MODEL_INSTANCES,
            ("team", "demo", "status"),
            "/apis/modeloperator.dev/v1alpha1/namespaces/team/modelinstances/demo/status",
        ),
        (
            CLUSTER_MODEL_TEMPLATES,
            ("", "embed"),
            "/apis/modeloperator.dev/v1alpha1/clustermodeltemplates/embed",
        ),
        (
            CLUSTER_MODEL_TEMPLATES,
            ("ignored", "embed"),
            "/apis/modeloperator.dev/v1alpha1/clustermodeltemplates/embed",
        ),
    ],
)
def test_path(kind: ResourceKind, arguments: tuple[str, ...], path: str) -> None:
    assert kind.path(*arguments) == path


@pytest.mark.parametrize(
    ("kind", "api_version", "text"),
    [
        (SERVICES, "v1", "services"),
        (DEPLOYMENTS, "apps/v1", "deployments.apps"),
        (DISRUPTION_BUDGETS, "policy/v1", "poddisruptionbudgets.policy"),
        (AUTOSCALERS, "autoscaling/v2", "horizontalpodautoscalers.autoscaling"),
        (MODEL_TEMPLATES, "modeloperator.dev/v1alpha1", "modeltemplates.modeloperator.dev"),
    ],
)
def test_names(kind: ResourceKind, api_version: str, text: str) -> None:
    assert kind.api_version == api_version
    assert str(kind) == text


def test_only_our_children_are_watched() -> None:
    assert {kind.label_selector for kind in CHILD_KIND.values()} == {
        "app.kubernetes.io/managed-by=model-operator"
    }
    assert not MODEL_INSTANCES.label_selector
