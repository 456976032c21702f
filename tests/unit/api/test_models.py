"""The models accept and refuse what the API server does, offline."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model_operator.api import (
    ClusterModelTemplate,
    ClusterModelTemplateRevision,
    ModelInstance,
    ModelTemplate,
    ModelTemplateRevision,
    ModelVendor,
    ObjectMeta,
    Resource,
)
from model_operator.api.crd import open_api_schema
from tests.examples.crds.cases import Case, load, overlay, schemas

KINDS: dict[str, type[Resource]] = {
    kind.__name__: kind
    for kind in (
        ModelTemplate,
        ClusterModelTemplate,
        ModelInstance,
        ModelTemplateRevision,
        ClusterModelTemplateRevision,
    )
}

RULES = [
    rule
    for kind in KINDS.values()
    for _, schema in schemas(open_api_schema(kind))
    for rule in schema.get("x-kubernetes-validations", [])
]


def parse(given: dict[str, Any]) -> Resource:
    return KINDS[given["kind"]].model_validate(given)


def paths(error: ValidationError) -> set[str]:
    """The paths of all errors, as the API server writes them."""
    found = set()
    for detail in error.errors():
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
        found.add("".join(parts).lstrip("."))
    return found


def in_a_rule(message: str) -> bool:
    """Whether a message is one of ours rather than one of the API server's."""
    return any(message in entry["message"] for entry in RULES)


@pytest.mark.parametrize("case", load("valid"), ids=str)
def test_accepted(case: Case) -> None:
    parsed = parse(case.object)

    written = parsed.model_dump(mode="json", exclude_none=True)["spec"]
    assert overlay(written, case.object["spec"]) == written, "something given was lost or changed"


@pytest.mark.parametrize("case", load("invalid"), ids=str)
def test_refused(case: Case) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(case.object)

    assert case.path in paths(caught.value)


@pytest.mark.parametrize("case", [case for case in load("invalid") if in_a_rule(case.message)], ids=str)
def test_refused_in_the_same_words(case: Case) -> None:
    with pytest.raises(ValidationError) as caught:
        parse(case.object)

    assert any(case.message in error["msg"] for error in caught.value.errors())


def test_unknown_fields_are_ignored() -> None:
    given = {
        "metadata": {"name": "a", "managedFields": [{"manager": "kubectl"}]},
        "spec": {"model_template_id": "t", "of_a_later_version": {"x": 1}},
    }

    parsed = ModelInstance.model_validate(given)

    assert parsed.model_dump(exclude_none=True)["spec"] == {"model_template_id": "t"}


def test_name_may_be_left_to_the_server() -> None:
    given = {"metadata": {"generateName": "Any-"}, "spec": {"model_template_id": "t"}}

    assert ModelInstance.model_validate(given).metadata.name == ""


def test_nulls_of_metadata_are_missing_fields() -> None:
    metadata = {
        "name": "a",
        "creationTimestamp": None,
        "uid": None,
        "annotations": None,
        "ownerReferences": None,
    }

    parsed = ModelInstance.model_validate({"metadata": metadata, "spec": {"model_template_id": "t"}})

    assert parsed.metadata == ObjectMeta(name="a")


def test_parameters_stay_as_given() -> None:
    values = {"a": 1, "b": 1.5, "c": None, "d": [{"e": "1"}], "f": True, "null": ""}
    given = {"metadata": {}, "spec": {"model_template_id": "t", "model_creation_parameters": values}}

    assert ModelInstance.model_validate(given).spec.model_creation_parameters == values


def test_before_the_operator_has_seen_an_object() -> None:
    parsed = ModelInstance.model_validate({"metadata": {}, "spec": {"model_template_id": "t"}})

    assert parsed.status.observedGeneration == -1


def test_external_vendors() -> None:
    ours = {vendor for vendor in ModelVendor if not vendor.is_external}

    assert ours == {ModelVendor.LAUNCH, ModelVendor.LLMENGINE}
