"""A desired child: what of it is applied, and that it is hashed once."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from model_operator.core.objects.drift import pod_revision, with_applied_hash
from model_operator.core.objects.template_annotation import annotated_revision
from model_operator.core.rendering import desired_child
from model_operator.core.rendering.desired_child import DesiredChild

METADATA = {"name": "demo", "namespace": "team", "labels": {"a": "b"}}
POD = {"spec": {"containers": [{"name": "model", "env": [{"name": "A", "value": ""}]}]}}
DEPLOYMENT: dict[str, Any] = {"kind": "Deployment", "metadata": METADATA, "spec": {"template": POD}}
SERVICE: dict[str, Any] = {"kind": "Service", "metadata": METADATA, "spec": {"clusterIP": None}}


@pytest.mark.parametrize("manifest", [DEPLOYMENT, SERVICE], ids=["Deployment", "Service"])
def test_what_is_applied_has_the_hash(manifest: dict[str, Any]) -> None:
    before = copy.deepcopy(manifest)
    child = DesiredChild(manifest)

    assert child.applied == with_applied_hash(manifest)
    assert child.applied_hash in child.applied["metadata"]["annotations"].values()
    assert (child.kind, child.namespace, child.name, child.labels) == (
        manifest["kind"],
        "team",
        "demo",
        {"a": "b"},
    )
    assert child.is_applied(child.applied)
    assert manifest == before


def test_the_pod_revision_is_that_of_the_manifest() -> None:
    assert DesiredChild(DEPLOYMENT).pod_revision == pod_revision(DEPLOYMENT)
    assert DesiredChild(SERVICE).pod_revision == ""


def test_drift_is_not_applied_and_yet_has_the_hash() -> None:
    child = DesiredChild(DEPLOYMENT)
    live = {**child.applied, "spec": {"template": {"spec": {"containers": []}}}}

    assert child.hash_matches(live)
    assert not child.is_applied(live)
    assert not child.hash_matches(DEPLOYMENT)


def test_only_a_deployment_leaves_its_replicas() -> None:
    fixed = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 2}}

    assert DesiredChild(DEPLOYMENT).leaves_replicas
    assert not DesiredChild(fixed).leaves_replicas
    assert not DesiredChild(SERVICE).leaves_replicas


def test_it_is_hashed_once_and_a_changed_one_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []

    def counted(manifest: dict[str, Any]) -> dict[str, Any]:
        hashed.append(manifest["kind"])
        return with_applied_hash(manifest)

    monkeypatch.setattr(desired_child, "with_applied_hash", counted)
    child = DesiredChild(SERVICE)
    first = child.applied_hash
    assert child.applied is child.applied
    assert child.is_applied(child.applied)
    assert hashed == ["Service"]

    other = replace(child, manifest={**SERVICE, "spec": {"type": "NodePort"}})
    assert other.applied_hash != first


def test_the_revision_of_the_template_is_sent_and_is_never_drift() -> None:
    child = DesiredChild(DEPLOYMENT, template_revision="3f9a1c0b7d42")
    assert child.sent["metadata"]["annotations"] == {
        **child.applied["metadata"]["annotations"],
        "modeloperator.dev/template-revision": "3f9a1c0b7d42",
    }
    assert child == DesiredChild(DEPLOYMENT)
    for other in ("", "000000000000"):
        assert replace(child, template_revision=other).is_applied(child.sent)
    assert child.is_applied(child.applied), "its absence, too"
    assert annotated_revision(child.sent) == "3f9a1c0b7d42"
    assert annotated_revision(DesiredChild(DEPLOYMENT).sent) == ""
    assert "annotations" not in child.sent["spec"]["template"].get("metadata", {})
