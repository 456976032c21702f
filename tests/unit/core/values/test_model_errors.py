"""What the models refuse, in our words: for each field of the API, and each kind of wrong value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from model_operator.api import ClusterModelTemplate, ModelInstance, ModelTemplate
from model_operator.core.values.model_errors import model_violations

SECRET = "hunter2"
WRONG: tuple[Any, ...] = (
    None, True, -1, 2**54, 1.5, "", SECRET, SECRET * 20_000, [], [SECRET], [{}] * 30, {}, {"a": SECRET},
    {str(number): 1 for number in range(1_100)},
)  # fmt: skip
PYDANTIC = ("Input should", "should have", "Field required", "valid dictionary", "instance of", "<Model")


def refused(resource: type[BaseModel], obj: Mapping[str, Any]) -> list[str]:
    try:
        resource.model_validate(obj)
    except ValidationError as error:
        return [f"{each} ({each.type})" for each in model_violations(error)]
    return []


def variants(model: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of all fields of a model; a list is entered at its first item."""
    schema = TypeAdapter(model).json_schema()
    yield from _paths(schema, schema.get("$defs", {}), path)


def _paths(
    schema: Mapping[str, Any], defs: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    for option in (schema, *schema.get("anyOf", ()), *schema.get("allOf", ())):
        if "$ref" in option:
            yield from _paths(defs[option["$ref"].rpartition("/")[2]], defs, path)
        elif "items" in option:
            yield from _paths(option["items"], defs, (*path, "[]"))
        for name, inner in option.get("properties", {}).items():
            yield (*path, name)
            yield from _paths(inner, defs, (*path, name))


def nested(path: tuple[str, ...], value: Any) -> Any:
    for part in reversed(path):
        value = [value] if part == "[]" else {part: value}
    return value


@pytest.mark.parametrize("resource", [ModelInstance, ModelTemplate, ClusterModelTemplate])
def test_no_message_is_pydantics_or_holds_the_value(resource: type[BaseModel]) -> None:
    paths = [path for path in variants(resource) if path[0] == "spec"]

    texts = {text for path in paths for value in WRONG for text in refused(resource, nested(path, value))}

    assert len(paths) > 30
    assert len(texts) > 100
    assert [text for text in texts if any(words in text for words in PYDANTIC)] == []
    assert [text for text in texts if SECRET in text] == []


@pytest.mark.parametrize(
    ("spec", "violation"),
    [
        ("{model_template_id: 1}",
         "spec.model_template_id: must be a string, got an integer; put it in quotes (string_type)"),
        ("{replicas: many}", "spec.replicas: must be an integer, got a string (int_type)"),
        ("{replicas: -1}", "spec.replicas: must be >= 0, got a smaller number (greater_than_equal)"),
        ("{replicas: 5001}", "spec.replicas: must be <= 5000, got a larger number (less_than_equal)"),
        ("{deployments: {}}", "spec.deployments: must be a list, got an object (list_type)"),
        ("{deployments: [a]}", ("spec.deployments[0]: must be an object, got a string; write an object with "
         "a name, such as {name: NAME} (model_type)")),
        ("{deployments: [{}]}", "spec.deployments[0].name: required field is missing (missing)"),
        ("{deployments: [{name: ''}]}", "spec.deployments[0].name: must not be empty (string_too_short)"),
        ("{base_model_metadata: []}", "spec.base_model_metadata: must be an object, got a list (model_type)"),
    ],
)  # fmt: skip
def test_words_of_an_instance(spec: str, violation: str) -> None:
    found = refused(ModelInstance, {"metadata": {"name": "a"}, "spec": yaml.safe_load(spec)})

    assert violation in found


def test_an_enum_lists_its_values_and_not_the_one_that_was_given() -> None:
    found = refused(ModelInstance, {"metadata": {"name": "a"}, "spec": {"model_template_kind": SECRET}})

    assert found[0].startswith(
        "spec.model_template_kind: must be 'ModelTemplate' or 'ClusterModelTemplate', got another"
    )


def test_an_enum_lists_no_value_that_a_rule_rejects() -> None:
    spec = {"model_type": "TEXT_GENERATION"}

    (found, *_) = refused(ModelInstance, {"metadata": {"name": "a"}, "spec": spec})

    assert found == (
        "spec.model_type: must be 'COMPLETION', 'CHAT_COMPLETION', 'AGENT', 'EMBEDDING', 'RERANKING' or "
        "'GENERIC', got another string; did you mean CHAT_COMPLETION or COMPLETION? (enum)"
    )


@pytest.mark.parametrize(
    ("model", "value", "violation"),
    [
        (list[int], [SECRET], "[0]: must be an integer, got a string"),
    ],
)
def test_path_starts_with_that_of_the_object(model: Any, value: Any, violation: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(model).validate_python(value, strict=True)

    (found,) = model_violations(refusal.value, at=("metadata",))

    assert str(found) == f"metadata{violation}"
