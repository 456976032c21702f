"""Fills in the defaults of a schema, for parameters and for fields of nested objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.values.json_values import canonical_copy


def with_defaults(schema: Any, value: Any) -> Any:
    """Return a fresh canonical copy of a value in which every missing field with a default has it.

    A field that is given, be it null, keeps its value. Fields of a nested object are filled when the object
    is there, as the API server does for a CustomResourceDefinition. Items of lists are not filled, nor what
    ``anyOf`` and its like say: so every default is used at most once, and the result stays small.
    """
    if not isinstance(value, Mapping):
        return canonical_copy(value)
    properties = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
    given = dict(value)
    for name, subschema in properties.items():
        if name not in given and isinstance(subschema, Mapping) and "default" in subschema:
            given[name] = subschema["default"]
    return {name: with_defaults(properties.get(name), given[name]) for name in sorted(given)}
