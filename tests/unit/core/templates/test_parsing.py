"""Objects as the API server sends them, also those that break the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.values.violations import Violation
from tests.unit.core.values.rfc7386 import apply_merge_patch

TEMPLATE = yaml.safe_load((Path(__file__).parents[1] / "template.yaml").read_text())
INSTANCE = yaml.safe_load("""
    metadata: {name: demo, namespace: team, uid: u9, generation: 2, managedFields: [{manager: kubectl}]}
    spec: {model_template_id: embed}
    status:
      observedGeneration: 2
      template: {kind: ModelTemplate, name: embed, uid: u1, generation: 3}
""")


def places(violations: tuple[Violation, ...]) -> list[str]:
    return [f"{violation} ({violation.type})" for violation in violations]


def test_a_valid_instance() -> None:
    instance, violations = parse_instance(INSTANCE)

    assert violations == ()
    assert instance.spec.model_template_id == "embed"
    assert instance.status.template is not None
    assert instance.status.template.uid == "u1"


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ("{spec: {replicas: many}}", "spec.replicas: must be an integer, got a string (int_type)"),
        (
            "{spec: {deployments: [{name: a}, {}]}}",
            "spec.deployments[1].name: required field is missing (missing)",
        ),
        ("{spec: {model_vendor: NOBODY}}", "spec.model_vendor: must be 'OPENAI', "),
        ("{spec: {model_template_id: null}}", "spec.model_template_id: model_template_id is required"),
        ("{spec: null}", "spec: required field is missing (missing)"),
        ("{metadata: {name: Demo}}", "metadata.name: the name of an instance, which "),
    ],
)
def test_an_instance_that_breaks_the_schema_keeps_its_identity(change: str, violation: str) -> None:
    instance, violations = parse_instance(apply_merge_patch(INSTANCE, yaml.safe_load(change)))

    assert places(violations)[0].startswith(violation)
    assert (instance.metadata.uid, instance.metadata.generation) == ("u9", 2)
    assert instance.spec.model_template_id is None


def test_the_value_is_not_repeated() -> None:
    _, violations = parse_instance(
        apply_merge_patch(INSTANCE, {"spec": {"replicas": "hunter2", "model_type": "hunter2"}})
    )

    assert len(violations) == 2
    assert "hunter2" not in str(violations)


@pytest.mark.parametrize(
    "status",
    [
        {"deployments": [{"name": "demo", "status": "OF_A_LATER_VERSION"}]},
        {"template": {"kind": "OfALaterVersion", "name": "embed", "uid": "u1", "generation": 1}},
        {"conditions": [{"type": "Ready"}]},
    ],
)
def test_a_status_that_cannot_be_read_is_no_mistake_of_the_user(status: dict[str, Any]) -> None:
    instance, violations = parse_instance({**INSTANCE, "status": status})

    assert violations == ()
    assert instance.spec.model_template_id == "embed"
    assert instance.status.template is None


def test_what_is_wrong_with_the_spec_is_found_behind_a_status_that_cannot_be_read() -> None:
    broken = {**INSTANCE, "spec": {"model_template_id": 1}, "status": {"conditions": 1}}

    _, violations = parse_instance(broken)

    assert places(violations) == [
        "spec.model_template_id: must be a string, got an integer; put it in quotes (string_type)"
    ]


@pytest.mark.parametrize("kind", ["ModelTemplate", "ClusterModelTemplate"])
def test_a_valid_template(kind: str) -> None:
    template = parse_template({**TEMPLATE, "kind": kind})

    assert template.violations == ()
    assert template.resource.kind == kind
    assert list(template.parameters.properties) == ["MODEL_ID"]


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ("{spec: {model_type: SOMETHING}}", "spec.model_type: must be "),
        ("{spec: {model_type: BUNDLE}}", "spec.model_type: BUNDLE cannot be used directly"),
        ("{spec: null}", "spec: required field is missing (missing)"),
        ("{spec: {pod_template: {spec: 1}}}", "spec.pod_template.spec: "),
        ("{spec: {model_request_parameters_schema: {type: array}}}", "spec.model_request_parameters_schema"),
    ],
)
def test_a_template_that_is_wrong_keeps_its_identity(change: str, violation: str) -> None:
    template = parse_template(apply_merge_patch(TEMPLATE, yaml.safe_load(change)))

    assert places(template.violations)[0].startswith(violation)
    assert (template.resource.metadata.uid, template.resource.metadata.generation) == ("u1", 3)
    assert template.resource.kind == "ModelTemplate"


def test_a_template_with_a_status_that_cannot_be_read() -> None:
    assert parse_template({**TEMPLATE, "status": {"instance_count": "many"}}).violations == ()
