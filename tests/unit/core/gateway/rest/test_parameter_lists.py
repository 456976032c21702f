"""Parameter schemas in list form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scale_gp._models import validate_type
from scale_gp.types.parameter_schema import ParameterSchema

from model_operator.core.gateway.rest.parameter_lists import parameter_list
from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.values.violations import InvalidObjectError

_NAMES = st.text("ABCDEFG_", min_size=1, max_size=6)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_ENTRIES = st.fixed_dictionaries(
    {
        "name": _NAMES,
        "type": st.sampled_from(["str", "int", "float", "bool"]),
        "description": _TEXTS,
        "required": st.booleans(),
    }
)
_LISTS = st.lists(_ENTRIES, max_size=5, unique_by=lambda entry: str(entry["name"]))
_PROPERTIES = st.dictionaries(
    _NAMES,
    st.one_of(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["string", "integer", "number", "boolean"])},
            optional={"description": _TEXTS},
        ),
        st.sampled_from(
            [
                {"type": "string", "enum": ["a", "b"]},
                {"type": "integer", "default": 4},
                {"type": "array", "items": {"type": "string"}},
                {"type": ["string", "null"]},
                {"type": "object", "x-secret-ref": True},
                {},
            ]
        ),
    ),
    max_size=4,
)


def strict(shown: dict[str, Any]) -> None:
    read = validate_type(type_=ParameterSchema, value=shown)
    assert isinstance(read, ParameterSchema)


@given(_LISTS)
def test_a_list_is_shown_as_it_is(entries: list[dict[str, Any]]) -> None:
    shown = parameter_list({"parameters": entries})
    assert shown == {"parameters": entries}
    strict(shown)


@given(_LISTS)
def test_the_schema_of_a_list_is_shown_as_that_list(entries: list[dict[str, Any]]) -> None:
    schema = parse_parameter_schema({"parameters": entries}, ()).schema
    shown = parameter_list(schema)
    assert shown == {"parameters": sorted(entries, key=lambda each: str(each["name"]))}


@given(_PROPERTIES, st.data())
def test_what_a_list_cannot_have_is_beside_it(properties: dict[str, Any], data: st.DataObject) -> None:
    required = data.draw(st.lists(st.sampled_from(sorted(properties)), unique=True)) if properties else []
    schema = {"type": "object", "properties": properties, "required": required}
    shown = parameter_list(schema)
    strict(shown)
    if "json_schema" in shown:
        assert shown["json_schema"] == schema
        return
    # Nothing is lost: instances are validated alike.
    again, before = parse_parameter_schema(shown, ()), parse_parameter_schema(schema, ())
    assert again.properties.keys() == before.properties.keys()
    assert again.required == before.required
    for name in properties:
        assert again.types(name) == before.types(name)


@pytest.mark.parametrize(
    ("schema", "names", "is_whole"),
    [
        ({}, [], True),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}, [], True),
        ({"properties": {"A": {"type": "string"}}, "additionalProperties": False}, ["A"], True),
        ({"properties": {"A": {"type": "string"}}, "additionalProperties": True}, ["A"], False),
        ({"properties": {"A": {"type": "string", "enum": ["x"]}}}, ["A"], False),
        ({"properties": {"A": {"type": "array"}, "B": {"type": "integer"}}}, ["B"], False),
        ({"properties": {"A": True}}, [], False),
        ({"properties": {"A": {"type": "string"}}, "required": ["B"]}, ["A"], False),
        # Templates that no webhook has refused.
        ({"properties": 7}, [], False),
        ({"required": "A"}, [], False),
        ({"properties": {"A": {"type": "string", "description": 7}}}, ["A"], False),
        ({"parameters": 7}, [], False),
        ({"parameters": [{"name": "A"}, 7]}, [], False),
    ],
)
def test_schemas(schema: dict[str, Any], names: list[str], is_whole: bool) -> None:
    shown = parameter_list(schema)
    strict(shown)
    assert [each["name"] for each in shown["parameters"]] == names
    assert ("json_schema" not in shown) is is_whole


def test_a_parameter_with_a_default_is_not_required() -> None:
    schema = {"properties": {"A": {"type": "integer", "default": 1}}, "required": ["A"]}
    (entry,) = parameter_list(schema)["parameters"]
    assert entry == {"name": "A", "type": "int", "description": "", "required": False}


def test_the_valid_entries_of_an_invalid_list_are_shown() -> None:
    good = {"name": "A", "type": "str", "description": "", "required": True}
    shown = parameter_list({"parameters": [good, {**good, "type": "string"}]})
    assert shown["parameters"] == [good]
    with pytest.raises(InvalidObjectError):
        parse_parameter_schema(shown["json_schema"], ())
