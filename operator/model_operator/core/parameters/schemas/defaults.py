"""Apply the defaults of a schema to parameters and to fields of nested objects."""

from __future__ import annotations

from typing import Any

from model_operator.core.values.json_values import MAPPINGS, canonical_copy


def with_defaults(schema: Any, value: Any) -> Any:
    """Return a new canonical copy of a value with the defaults of its missing fields.

    A field that is set keeps its value, also null. Fields of a nested object get defaults only if the object
    is present, as in a CustomResourceDefinition. Items of lists get no defaults, and defaults inside
    ``anyOf``, ``oneOf`` and ``allOf`` are ignored. Every default is thus used at most once, and the result
    stays small.
    """
    # Most parameters are scalars, of which the check for an ABC is slow.
    if type(value) is str or not isinstance(value, MAPPINGS):
        return canonical_copy(value)
    properties = schema.get("properties", {}) if isinstance(schema, MAPPINGS) else {}
    given = dict(value)
    for name, subschema in properties.items():
        if name not in given and isinstance(subschema, MAPPINGS) and "default" in subschema:
            given[name] = subschema["default"]
    return {name: with_defaults(properties.get(name), given[name]) for name in sorted(given)}
