"""Where the API server has the kinds."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from model_operator.kube import resources
from model_operator.kube.errors import ApiRefusedError
from model_operator.kube.resources import (
    AUTOSCALERS,
    CHILD_KIND,
    CLUSTER_MODEL_TEMPLATES,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    KINDS,
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
        # One segment each, whatever is in it.
        (SERVICES, ("../..", "a/b"), "/api/v1/namespaces/..%2F../services/a%2Fb"),
        (SERVICES, ("team?watch=1", "a#b c"), "/api/v1/namespaces/team%3Fwatch%3D1/services/a%23b%20c"),
        (SERVICES, ("%2e%2e", "\n"), "/api/v1/namespaces/%252e%252e/services/%0A"),
        (SERVICES, ("team", "é"), "/api/v1/namespaces/team/services/%C3%A9"),
    ],
)
def test_path(kind: ResourceKind, arguments: tuple[str, ...], path: str) -> None:
    assert kind.path(*arguments) == path


@pytest.mark.parametrize("part", [".", ".."])
def test_no_argument_leads_elsewhere(part: str) -> None:
    for arguments in ((part,), ("team", part), ("team", "demo", part)):
        with pytest.raises(ApiRefusedError, match="expected the name of an object"):
            SERVICES.path(*arguments)


def test_path_of_an_object_is_never_that_of_all() -> None:
    assert SERVICES.object_path("team", "demo") == SERVICES.path("team", "demo")
    with pytest.raises(ApiRefusedError, match="got an empty string"):
        SERVICES.object_path("team", "")


@given(st.text(min_size=1), st.text(min_size=1))
def test_whatever_is_in_a_name_the_path_has_its_form(namespace: str, name: str) -> None:
    with suppress(ApiRefusedError):
        path = SERVICES.object_path(namespace, name)
        assert URL(f"https://api.test{path}", encoded=True).raw_path == path
        *head, kept_namespace, plural, kept_name = path.split("/")
        assert (head, plural) == (["", "api", "v1", "namespaces"], "services")
        decoded = [unquote(part, errors="surrogatepass") for part in (kept_namespace, kept_name)]
        assert decoded == [namespace, name]


def test_every_kind_is_in_the_list_of_all() -> None:
    assert {kind for kind in vars(resources).values() if isinstance(kind, ResourceKind)} == set(KINDS)


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
