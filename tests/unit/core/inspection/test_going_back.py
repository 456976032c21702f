"""The manifest of a template at an earlier revision: what comes back, what stays, what must be removed."""

from __future__ import annotations

import json
from typing import Any

import yaml

from model_operator.core.inspection.going_back import manifest_at, template_at
from model_operator.core.inspection.revision_history import read_history
from model_operator.core.templates.revisions.identity import revision_of
from tests.unit.core.inspection.histories import hash_of, stored, template

LABELS = {"team": "search", "kustomize.toolkit.fluxcd.io/name": "models"}


def undone(before: dict[str, Any], now: dict[str, Any], *, to_apply: bool) -> dict[str, Any]:
    history = read_history(now, [stored(before, 1)])
    text = manifest_at(now, history.find(hash_of(before)), to_apply=to_apply)
    manifest: dict[str, Any] = yaml.safe_load(text)
    return manifest


def test_what_is_not_part_of_a_revision_stays() -> None:
    kept = {
        "rollout": {"paused": True, "steps": []},
        "revision_history_limit": 3,
        "name": "E",
        "account_id": "a",
    }
    before = template("1", rollout={"soak_seconds": 5}, name="before")
    now = template("2", **kept)
    now["metadata"] |= {"labels": LABELS, "annotations": {"owner": "Ann"}, "managedFields": []}

    manifest = undone(before, now, to_apply=False)

    assert manifest["metadata"] == {
        "name": "encoder",
        "namespace": "team-a",
        "labels": {"team": "search"},
        "annotations": {"owner": "Ann"},
    }
    assert {name: manifest["spec"][name] for name in kept} == kept
    assert revision_of(manifest).hash == hash_of(before)
    assert "status" not in manifest


def test_a_field_that_has_been_added_since_is_removed_by_kubectl_apply() -> None:
    before = template("1", metadata={"annotations": {"x": "y"}})
    metadata = {"labels": {"a": "b"}, "annotations": {"x": "y", "z": ""}}
    now = template("2", strategy={"type": "Recreate"}, metadata=metadata)

    spec = undone(before, now, to_apply=True)["spec"]

    assert spec["strategy"] is None
    assert spec["metadata"] == {"annotations": {"x": "y", "z": None}, "labels": None}
    assert "strategy" not in undone(before, now, to_apply=False)["spec"]


def test_what_kubectl_apply_removes_by_itself_is_not_named() -> None:
    before, now = template("1"), template("2", strategy={"type": "Recreate"}, endpoint_type="STREAMING")
    applied = json.dumps({"spec": {"strategy": {"type": "Recreate"}}})
    now["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": applied}

    spec = undone(before, now, to_apply=True)["spec"]

    assert "strategy" not in spec
    assert spec["endpoint_type"] is None
    for broken in ("{", "[]", '{"spec": 1}'):
        now["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": broken}
        assert undone(before, now, to_apply=True)["spec"]["strategy"] is None


def test_a_default_is_not_removed() -> None:
    now = template("2", endpoint_type="SYNC")
    now["spec"]["vendor_configuration"]["endpoint_config"] = {"min_workers": 1}

    spec = undone(template("1"), now, to_apply=True)["spec"]

    assert spec == undone(template("1"), now, to_apply=False)["spec"]


def test_a_template_that_cannot_be_compared_is_replaced() -> None:
    nested: Any = {}
    for _ in range(200):
        nested = {"a": nested}

    manifest = undone(template("1"), template("2", model_creation_parameters_schema=nested), to_apply=True)

    assert revision_of(manifest).hash == hash_of(template("1"))


def test_what_is_written_back_is_the_object_with_another_specification() -> None:
    now = template("2", rollout={"paused": True}, strategy={"type": "Recreate"})
    history = read_history(now, [stored(template("1"), 1)])

    written = template_at(now, history.find("1"))

    assert written == {**now, "spec": {**template("1")["spec"], "rollout": {"paused": True}}}
