"""What a template's references may ask of a parameter schema."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.parameters.schema import ParameterSchema, parse_parameter_schema
from model_operator.core.values.json_values import JSON_TYPES

ALL = set(JSON_TYPES)


def declare(schema: Any) -> ParameterSchema:
    return parse_parameter_schema({"properties": {"a": schema}}, ())


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        (True, ALL),
        ({}, ALL),
        ({"type": "string"}, {"string"}),
        ({"type": "integer"}, {"integer"}),
        ({"type": "number"}, {"number", "integer"}),
        ({"type": ["string", "null"]}, {"string", "null"}),
        ({"enum": ["x", 1]}, {"string", "integer"}),
        ({"const": True}, {"boolean"}),
        ({"type": "string", "enum": ["x"]}, {"string"}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"integer", "null"}),
        ({"oneOf": [{"const": "x"}, {"const": "y"}]}, {"string"}),
        ({"allOf": [{"type": ["string", "null"]}, {"type": ["string", "integer"]}]}, {"string"}),
        ({"x-secret-ref": True}, {"object"}),
    ],
)
def test_types(schema: Any, types: set[str]) -> None:
    assert declare(schema).types("a") == types


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({"type": "string"}, set()),
        ({"type": "array"}, ALL),
        (True, ALL),
        ({"items": {"type": "string"}}, {"string"}),
        ({"items": {"type": "string"}, "prefixItems": [{"type": "integer"}]}, {"string", "integer"}),
        ({"type": "array", "items": False, "prefixItems": [{"type": "integer"}]}, {"integer"}),
        ({"enum": [["x", 1], [None], "no list"]}, {"string", "integer", "null"}),
        ({"const": ["x"]}, {"string"}),
        ({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}, {"string"}),
        ({"type": "array", "allOf": [{"items": {"type": "integer"}}]}, {"integer"}),
    ],
)
def test_item_types(schema: Any, types: set[str]) -> None:
    assert declare(schema).item_types("a") == types


@pytest.mark.parametrize(
    ("schema", "closed", "items_closed"),
    [
        (True, False, False),
        ({"type": "string"}, False, False),
        ({"enum": ["x"]}, True, True),
        ({"const": "x"}, True, True),
        ({"anyOf": [{"enum": ["x"]}, {"type": "null"}]}, True, True),
        ({"anyOf": [{"enum": ["x"]}, {"type": "string"}]}, False, False),
        ({"allOf": [{"enum": ["x"]}, {"type": "string"}]}, True, True),
        ({"items": {"enum": ["x"]}}, False, True),
        ({"items": False, "prefixItems": [{"enum": ["x"]}]}, False, True),
        ({"items": {"enum": ["x"]}, "prefixItems": [{}]}, False, False),
        ({"anyOf": [{"type": "array", "items": {"enum": ["x"]}}, {"type": "null"}]}, False, True),
        ({"allOf": [{"items": {"enum": ["x"]}}]}, False, True),
        ({"not": {"enum": ["x"]}}, False, False),
    ],
)
def test_enum(schema: Any, closed: bool, items_closed: bool) -> None:
    assert declare(schema).has_enum("a") is closed
    assert declare(schema).items_have_enum("a") is items_closed


def test_presence() -> None:
    schema = parse_parameter_schema(
        {
            "required": ["needed", "both"],
            "properties": {
                "needed": {},
                "both": {"default": 1},
                "preset": {"default": None},
                "optional": True,
                "token": {"x-secret-ref": True},
                "open": {"x-secret-ref": False},
            },
            "additionalProperties": True,
        },
        (),
    )

    assert [name for name in schema.properties if schema.always_has_value(name)] == [
        "both",
        "needed",
        "preset",
    ]
    assert [name for name in schema.properties if schema.is_secret_ref(name)] == ["token"]
    assert schema.required == {"needed", "both"}
    assert schema.defaults == {"both": 1, "preset": None}


def test_undeclared() -> None:
    schema = parse_parameter_schema(None, ())

    assert not schema.declares("a")
    assert not schema.always_has_value("a")
    assert schema.types("a") == schema.item_types("a") == frozenset()
    assert not schema.has_enum("a")
    assert not schema.items_have_enum("a")
    assert not schema.is_secret_ref("a")
