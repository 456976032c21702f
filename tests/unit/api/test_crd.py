"""The generated CustomResourceDefinitions: up to date, structural, explained, each rule with an example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.api import ModelInstance, ModelTemplate
from model_operator.api.crd import KINDS, custom_resource_definition, main, open_api_schema, to_yaml
from tests.examples.crds.cases import load, schemas

CRDS = Path(__file__).parents[3] / "crds"
OPEN = "x-kubernetes-preserve-unknown-fields"
RULES = "x-kubernetes-validations"

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def test_files_are_up_to_date() -> None:
    main([str(CRDS), "--check"])


def test_written_files_pass_the_check(tmp_path: Path) -> None:
    main([str(tmp_path / "crds")])
    main([str(tmp_path / "crds"), "--check"])

    assert sorted(path.name for path in (tmp_path / "crds").iterdir()) == [
        "clustermodeltemplaterevisions.yaml",
        "clustermodeltemplates.yaml",
        "modelinstances.yaml",
        "modeltemplaterevisions.yaml",
        "modeltemplates.yaml",
    ]


def test_check_names_a_stale_file_and_leaves_it(tmp_path: Path) -> None:
    main([str(tmp_path)])
    stale = tmp_path / "modelinstances.yaml"
    stale.write_text("old")

    with pytest.raises(SystemExit, match=r"out of date, run `make crds`: \S*modelinstances\.yaml$"):
        main([str(tmp_path), "--check"])

    assert stale.read_text() == "old"


@kinds
def test_file_says_what_the_models_say(kind: Any) -> None:
    assert yaml.safe_load(to_yaml(kind)) == custom_resource_definition(kind)


@kinds
def test_every_field_is_explained(kind: Any) -> None:
    silent = [
        path
        for path, schema in schemas(open_api_schema(kind, described=True))
        if not schema.get("description", "").endswith(".")
        and not path.endswith("[]")
        and not path.startswith("metadata")
    ]
    assert silent == []


@kinds
def test_every_field_is_typed_or_open(kind: Any) -> None:
    loose = [
        path
        for path, schema in schemas(open_api_schema(kind))
        if "type" not in schema and "x-kubernetes-int-or-string" not in schema
    ]
    assert loose == []


@kinds
def test_nothing_that_a_structural_schema_may_not_say(kind: Any) -> None:
    forbidden = {"$ref", "$defs", "title", "anyOf", "const", "nullable", "definitions"}
    assert [path for path, schema in schemas(open_api_schema(kind)) if forbidden & schema.keys()] == []


@kinds
def test_lists_say_how_they_merge(kind: Any) -> None:
    silent = [
        path
        for path, schema in schemas(open_api_schema(kind))
        if schema.get("type") == "array" and not {"x-kubernetes-list-type", "maxItems"} <= schema.keys()
    ]
    assert silent == []


@kinds
def test_open_objects(kind: Any) -> None:
    is_open = {path for path, schema in schemas(open_api_schema(kind)) if schema.get(OPEN)}
    expected = (
        {
            "spec.model_creation_parameters",
            "spec.deployments[].model_creation_parameters",
            "spec.deployments[].deployment_metadata",
            "status.request_schema",
            "status.response_schema",
        }
        if kind is ModelInstance
        else {"spec.template_spec"}
        if kind.__name__.endswith("Revision")
        else {
            "spec.model_creation_parameters_schema",
            "spec.model_request_parameters_schema",
            "spec.pod_template.metadata",
            "spec.pod_template.spec",
        }
    )
    assert is_open == expected


def test_fields_that_the_pod_template_can_also_set_have_no_default() -> None:
    defaults = {
        path: schema["default"]
        for path, schema in schemas(open_api_schema(ModelTemplate))
        if "default" in schema and path.startswith("spec")
    }
    configuration = "spec.vendor_configuration"
    assert defaults == {
        "spec.endpoint_type": "SYNC",
        f"{configuration}.vendor": "LAUNCH",
        f"{configuration}.bundle_config.predict_route": "/predict",
        f"{configuration}.endpoint_config": {},
        f"{configuration}.endpoint_config.min_workers": 1,
        f"{configuration}.endpoint_config.per_worker": 10,
    }


@kinds
def test_every_rule_has_an_example(kind: Any) -> None:
    refused = [case.message for case in load("invalid") if case.object["kind"] == kind.__name__]
    if kind.__name__ == "ClusterModelTemplate":
        # Its specification is that of a ModelTemplate.
        refused += [case.message for case in load("invalid") if case.object["kind"] == "ModelTemplate"]
    without = [
        rule["message"]
        for _, schema in schemas(open_api_schema(kind))
        for rule in schema.get(RULES, [])
        if "oldSelf" not in rule["rule"] and not any(message == rule["message"] for message in refused)
    ]
    assert without == []


def test_only_instances_scale() -> None:
    versions = {
        kind.__name__: custom_resource_definition(kind)["spec"]["versions"][0].get("subresources")
        for kind in KINDS
    }
    assert versions == {
        "ModelTemplate": {"status": {}},
        "ClusterModelTemplate": {"status": {}},
        "ModelTemplateRevision": None,
        "ClusterModelTemplateRevision": None,
        "ModelInstance": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
    }
