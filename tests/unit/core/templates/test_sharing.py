"""With which namespaces a template is shared."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.resolution import is_shared_with
from model_operator.core.templates.revisions.objects import read_revision, revision_object
from model_operator.core.templates.sharing import Sharing, grant_of

OWNERS = {"ModelTemplate": "platform", "ClusterModelTemplate": ""}
SELECTOR = {
    "matchLabels": {"tier": "gold"},
    "matchExpressions": [
        {"key": "team", "operator": "In", "values": ["a", "b"]},
        {"key": "env", "operator": "NotIn", "values": ["prod"]},
        {"key": "owner", "operator": "Exists"},
        {"key": "legacy", "operator": "DoesNotExist"},
    ],
}
MEETS_ALL = {"tier": "gold", "team": "a", "owner": ""}


def of(kind: str, allowed: Any) -> dict[str, Any]:
    """Return a template with this field ``allowed_namespaces``; without it where that is None."""
    owner = {"namespace": OWNERS[kind]} if OWNERS[kind] else {}
    bundle = {"registry": "ghcr.io/example", "image": "embeddings", "tag": "v1"}
    spec = {"model_type": "EMBEDDING", "vendor_configuration": {"bundle_config": bundle}}
    return {
        "kind": kind,
        "metadata": {"name": "embed", "uid": "u1", "generation": 1, **owner},
        "spec": {**spec, **({} if allowed is None else {"allowed_namespaces": allowed})},
    }


@pytest.mark.parametrize(
    ("kind", "allowed", "namespace", "labels", "expected"),
    [
        ("ModelTemplate", None, "platform", None, "shared"),
        ("ModelTemplate", None, "team", {}, "not shared"),
        ("ModelTemplate", {"from": "Same"}, "platform", None, "shared"),
        ("ModelTemplate", {"from": "Same"}, "team", {}, "not shared"),
        ("ModelTemplate", {"from": "All"}, "team", None, "shared"),
        ("ModelTemplate", {"from": "Selected", "names": ["team"]}, "platform", None, "shared"),
        ("ModelTemplate", {"from": "Selected", "names": ["team"]}, "team-a", None, "not shared"),
        ("ClusterModelTemplate", None, "team", None, "shared"),
        ("ClusterModelTemplate", {"from": "All"}, "team", None, "shared"),
        ("ClusterModelTemplate", {"from": "Selected", "names": ["x", "team-*"]}, "team-a", None, "shared"),
        ("ClusterModelTemplate", {"from": "Selected", "names": ["team-*"]}, "my-team-a", None, "not shared"),
        ("ClusterModelTemplate", {"from": "Selected", "names": ["team-?"]}, "team-ab", None, "not shared"),
        ("ClusterModelTemplate", {"from": "Selected", "selector": SELECTOR}, "team", MEETS_ALL, "shared"),
        ("ClusterModelTemplate", {"from": "Selected", "selector": SELECTOR}, "team", None, "unknown"),
        (
            "ClusterModelTemplate",
            {"from": "Selected", "names": ["team"], "selector": SELECTOR},
            "team",
            None,
            "shared",
        ),
        (
            "ClusterModelTemplate",
            {"from": "Selected", "names": ["team"], "selector": SELECTOR},
            "other",
            MEETS_ALL,
            "shared",
        ),
        (
            "ClusterModelTemplate",
            {"from": "Selected", "names": ["team"], "selector": SELECTOR},
            "other",
            {},
            "not shared",
        ),
        ("ClusterModelTemplate", "All", "team", {}, "unknown"),
        ("ClusterModelTemplate", {"from": "Everybody"}, "team", {}, "unknown"),
        ("ClusterModelTemplate", {"from": "Selected", "selector": {}}, "team", {}, "unknown"),
        ("ModelTemplate", {"from": "Everybody"}, "platform", None, "shared"),
    ],
)
def test_who_may_use_a_template(
    kind: str, allowed: Any, namespace: str, labels: dict[str, str] | None, expected: str
) -> None:
    written = of(kind, allowed)

    assert grant_of(written).covers(namespace, labels) is Sharing(expected)
    assert is_shared_with(parse_template(written), namespace, labels) is Sharing(expected)


@pytest.mark.parametrize(
    "change",
    [
        {"tier": "silver"},
        {"tier": None},
        {"team": "c"},
        {"team": None},
        {"env": "prod"},
        {"owner": None},
        {"legacy": "x"},
    ],
    ids=str,
)
def test_a_namespace_meets_every_requirement(change: dict[str, str | None]) -> None:
    labels = {name: value for name, value in {**MEETS_ALL, **change}.items() if value is not None}
    grant = grant_of(of("ClusterModelTemplate", {"from": "Selected", "selector": SELECTOR}))

    assert grant.covers("team", {**MEETS_ALL, "env": "qa"}) is Sharing.SHARED
    assert grant.covers("team", labels) is Sharing.NOT_SHARED


@pytest.mark.parametrize("spec", [None, [], "none", {"allowed_namespaces": 5}], ids=str)
def test_what_cannot_be_read_is_given_to_nobody_and_taken_from_nobody(spec: Any) -> None:
    grant = grant_of({**of("ClusterModelTemplate", None), "spec": spec})

    assert grant.covers("team", {}) is Sharing.UNKNOWN
    assert not grant.withdraws(Sharing.UNKNOWN)


def test_no_revision_says_with_whom_its_template_is_shared() -> None:
    template = of("ClusterModelTemplate", {"from": "All"})

    found = read_revision(revision_object(template, 1), parse_template(template).resource)

    assert found is not None
    assert is_shared_with(found, "team", {}) is Sharing.UNKNOWN
