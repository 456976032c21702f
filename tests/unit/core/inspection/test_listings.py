"""Which instances count to a template, and what the tables say of both."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.inspection.listings import (
    TemplateReference,
    as_list,
    full_names,
    in_order,
    instance_table,
    shared_with,
    template_table,
)
from tests.gitops.argocd import CUSTOMIZATIONS

NOW = datetime.datetime(2026, 1, 1, 0, 5, tzinfo=datetime.UTC)


def recorded(kind: str, name: str) -> dict[str, Any]:
    obj: dict[str, Any] = yaml.safe_load(
        Path(CUSTOMIZATIONS / kind / "testdata" / f"{name}.yaml").read_text(encoding="utf-8")
    )
    return obj


def bound(kind: str, name: str, uid: str = "t1", **place: str) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "team-a"},
        "spec": {"model_template_id": "another"},
        "status": {"template": {"kind": kind, "name": name, "uid": uid, **place}},
    }


def naming(name: str, kind: str | None = None, home: str | None = None) -> dict[str, Any]:
    fields = {"model_template_kind": kind, "model_template_namespace": home}
    given = {field: value for field, value in fields.items() if value}
    return {"metadata": {"namespace": "team-a"}, "spec": {"model_template_id": name, **given}}


@pytest.mark.parametrize(
    ("reference", "instance", "expected"),
    [
        ("encoder", bound("ModelTemplate", "encoder"), True),
        ("t1", bound("ModelTemplate", "encoder"), True),
        ("another", bound("ModelTemplate", "encoder"), False),
        ("mt/encoder", bound("ModelTemplate", "encoder"), True),
        ("cmt/encoder", bound("ModelTemplate", "encoder"), False),
        ("ClusterModelTemplate/encoder", bound("ClusterModelTemplate", "encoder"), True),
        ("encoder", naming("encoder"), True),
        ("cmt/encoder", naming("encoder"), True),
        ("cmt/encoder", naming("encoder", "ClusterModelTemplate"), True),
        ("mt/encoder", naming("encoder", "ClusterModelTemplate"), False),
        ("other", naming("encoder"), False),
        ("other", {"metadata": {"namespace": "team-a"}, "spec": {}}, False),
        ("mt/platform/encoder", bound("ModelTemplate", "encoder", namespace="platform"), True),
        ("mt/team-b/encoder", bound("ModelTemplate", "encoder", namespace="platform"), False),
        ("mt/encoder", bound("ModelTemplate", "encoder", namespace="platform"), True),
        # A status of an earlier version has no namespace.
        ("mt/team-a/encoder", bound("ModelTemplate", "encoder"), True),
        ("mt/platform/encoder", naming("encoder", home="platform"), True),
        ("mt/team-a/encoder", naming("encoder", home="platform"), False),
        ("mt/team-a/encoder", naming("encoder"), True),
        ("clustermodeltemplate.modeloperator.dev/encoder", bound("ClusterModelTemplate", "encoder"), True),
    ],
)
def test_instances_of_a_template(reference: str, instance: dict[str, Any], expected: bool) -> None:
    assert TemplateReference.parse(reference).is_used_by(instance) is expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "mt/", "deployment/encoder", "/encoder", "deployment.modeloperator.dev/a"),
        *("mt//encoder", "mt/a/", "mt/a/b/c", "cmt/platform/encoder", "platform/team/encoder"),
    ],
)
def test_no_reference(text: str) -> None:
    with pytest.raises(ValueError, match="must be NAME, mt/NAME, mt/NAMESPACE/NAME or cmt/NAME, got"):
        TemplateReference.parse(text)


def test_table_of_templates() -> None:
    valid = recorded("ModelTemplate", "template-valid")
    cluster = recorded("ClusterModelTemplate", "template-invalid")
    fresh = {**valid, "metadata": {**valid["metadata"], "name": "fresh"}, "status": {}}

    table = template_table(in_order([cluster, fresh, valid]), NOW, namespaces=True, wide=True)

    assert table.columns == (
        *("NAMESPACE", "KIND", "NAME", "READY", "REASON", "TYPE", "INSTANCES", "ROLLOUT"),
        *("AGE", "ENDPOINT", "IMAGE", "LATEST", "STABLE", "SHARED-WITH", "MESSAGE"),
    )
    name, unknown, invalid = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert (name["NAMESPACE"], name["KIND"], name["READY"]) == ("team-a", "ModelTemplate", "True")
    assert name["IMAGE"].count(":") == 1
    assert name["MESSAGE"] == ""
    assert (unknown["READY"], unknown["REASON"], unknown["INSTANCES"]) == ("Unknown", "<none>", "<none>")
    assert (invalid["NAMESPACE"], invalid["KIND"]) == ("<none>", "ClusterModelTemplate")
    assert invalid["REASON"] == "TemplateInvalid"
    assert invalid["MESSAGE"].endswith("Action (template owner): fix the listed fields.")


def test_table_of_instances() -> None:
    found = in_order([recorded("ModelInstance", name) for name in ("rolled-out", "no-status")])

    table = instance_table(found, NOW, namespaces=False, wide=False)

    assert table.columns == (
        *("NAME", "READY", "REASON", "TEMPLATE", "UP-TO-DATE"),
        *("SERVING", "WORKERS", "URL", "AGE"),
    )
    assert table.rows == [
        ("minilm", "True", "RolledOut", "encoder", "Latest", "1", "1", "http://minilm.team-a.svc", "5m"),
        ("minilm", "Unknown", "<none>", "encoder", "<none>", "<none>", "<none>", "<none>", "5m"),
    ]


def test_a_template_of_another_namespace_is_shown_with_it() -> None:
    model = recorded("ModelInstance", "rolled-out")
    model["status"]["template"]["namespace"] = "platform"
    (row,) = instance_table([model], NOW, namespaces=False, wide=False).rows
    assert row[3] == "platform/encoder"
    model["status"]["template"]["namespace"] = "team-a"
    (row,) = instance_table([model], NOW, namespaces=False, wide=False).rows
    assert row[3] == "encoder"
    del model["status"]
    model["spec"]["model_template_namespace"] = "platform"
    (row,) = instance_table([model], NOW, namespaces=False, wide=False).rows
    assert row[3] == "platform/encoder"


@pytest.mark.parametrize(
    ("kind", "grant", "expected"),
    [
        ("ModelTemplate", None, "Same"),
        ("ClusterModelTemplate", None, "All"),
        ("ModelTemplate", {"from": "All"}, "All"),
        ("ModelTemplate", {"from": "Selected", "names": ["a", "b-*"]}, "a,b-*"),
        ("ModelTemplate", {"from": "Selected", "selector": {"matchLabels": {"a": "b"}}}, "(labels)"),
        ("ModelTemplate", {"from": "Some"}, "Unknown"),
    ],
)
def test_with_whom_a_template_is_shared(kind: str, grant: Any, expected: str) -> None:
    metadata = {"name": "t", **({"namespace": "team-a"} if kind == "ModelTemplate" else {})}
    spec = {} if grant is None else {"allowed_namespaces": grant}
    assert shared_with({"kind": kind, "metadata": metadata, "spec": spec}) == expected


def test_a_roll_out_that_has_not_reached_an_instance_yet() -> None:
    template, model = recorded("ModelTemplate", "template-valid"), recorded("ModelInstance", "rolled-out")
    template["status"] |= {
        "conditions": [{"type": "RolledOut", "status": "False", "reason": "Soaking", "message": "."}],
        "rollout": {"step": "canary"},
        "latest_revision": "b" * 12,
        "stable_revision": "a" * 12,
    }
    model["status"]["conditions"] = [{"type": "UpToDate", "status": "False", "reason": "AwaitingRollout"}]

    templates = template_table([template], NOW, namespaces=False, wide=True)
    models = instance_table([model], NOW, namespaces=False, wide=False)

    shown = dict(zip(templates.columns, templates.rows[0], strict=True))
    assert (shown["ROLLOUT"], shown["LATEST"], shown["STABLE"]) == ("Soaking (canary)", "b" * 12, "a" * 12)
    assert dict(zip(models.columns, models.rows[0], strict=True))["UP-TO-DATE"] == "AwaitingRollout"


def test_objects_for_other_programs() -> None:
    obj = recorded("ModelInstance", "rolled-out")
    obj["metadata"]["managedFields"] = [{"manager": "kubectl"}]

    assert full_names([obj]) == ["modelinstance.modeloperator.dev/minilm"]
    listed = as_list([obj])
    assert (listed["kind"], listed["apiVersion"]) == ("List", "v1")
    assert "managedFields" not in listed["items"][0]["metadata"]
    assert listed["items"][0]["status"] == obj["status"]
