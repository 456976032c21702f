"""Parameter schemas in the platform's list form, whichever form the template has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.parameters.list_form import LIST_KEY, schema_of_list
from model_operator.core.values.violations import InvalidObjectError

JSON_SCHEMA: Final = "json_schema"
"""Key beside a list that does not say all of the template's schema, with that schema."""

_TYPES: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_ROOT_KEYWORDS: Final = frozenset({"$schema", "type", "properties", "required", "additionalProperties"})
_KEYWORDS: Final = frozenset({"type", "description"})


def parameter_list(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter schema in list form.

    Parameters
    ----------
    schema
        The schema as the template has it.

    Returns
    -------
    dict
        ``{"parameters": […]}``. A JSON Schema that says more than a list can, such as an ``enum``, a default
        or an object, comes as ``json_schema`` beside the list of the parameters that a list can have.
    """
    if LIST_KEY in schema:
        return _checked_list(schema)
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        # The template is invalid, and reported as such.
        return {LIST_KEY: [], JSON_SCHEMA: dict(schema)}
    entries = [
        {
            "name": name,
            "type": _TYPES[each["type"]],
            "description": str(each.get("description", "")),
            "required": name in required and "default" not in each,
        }
        for name, each in properties.items()
        if _is_sayable(each)
    ]
    is_whole = (
        schema.keys() <= _ROOT_KEYWORDS
        and schema.get("additionalProperties", False) is False
        and all(_is_whole(each) for each in properties.values())
        and all(name in properties for name in required)
    )
    return {LIST_KEY: entries, **({} if is_whole else {JSON_SCHEMA: dict(schema)})}


def _checked_list(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a list as it is; of an invalid one, which the template's status reports, its valid entries."""
    try:
        schema_of_list(schema, ())
    except InvalidObjectError:
        listed = schema[LIST_KEY] if isinstance(schema[LIST_KEY], list) else []
        return {LIST_KEY: [each for each in listed if _is_entry(each)], JSON_SCHEMA: dict(schema)}
    return dict(schema)


def _is_entry(entry: Any) -> bool:
    try:
        schema_of_list({LIST_KEY: [entry]}, ())
    except InvalidObjectError:
        return False
    return True


def _is_whole(schema: Any) -> bool:
    """Return whether an entry of a list says all of a parameter's schema."""
    return (
        _is_sayable(schema) and schema.keys() <= _KEYWORDS and isinstance(schema.get("description", ""), str)
    )


def _is_sayable(schema: Any) -> bool:
    return isinstance(schema, Mapping) and isinstance(schema.get("type"), str) and schema["type"] in _TYPES
