"""Facts about the values of a schema that follow from the schema alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.values.json_values import JSON_TYPES, json_type

_ALL: Final = frozenset(JSON_TYPES)


def possible_types(schema: Any) -> frozenset[str]:
    """Return the JSON types that a valid value may have.

    ``number`` in the result always comes with ``integer``, since an integer is a number; ``integer`` alone
    means integers only. The result may have a type too many, but never one too few: ``not`` is ignored.
    """
    if not isinstance(schema, Mapping):
        return _ALL
    types = _ALL
    if "type" in schema:
        names = schema["type"]
        types &= _with_integer({names} if isinstance(names, str) else set(names))
    if "const" in schema:
        types &= _with_integer({json_type(schema["const"])})
    if "enum" in schema:
        types &= _with_integer({json_type(value) for value in schema["enum"]})
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            types &= frozenset[str]().union(*(possible_types(branch) for branch in schema[keyword]))
    for branch in schema.get("allOf", ()):
        types &= possible_types(branch)
    return types


def possible_item_types(schema: Any) -> frozenset[str]:
    """Return the JSON types that an item of a valid list may have; empty if the value cannot be a list."""
    if "array" not in possible_types(schema):
        return frozenset()
    if not isinstance(schema, Mapping):
        return _ALL
    types = _ALL
    if "enum" in schema or "const" in schema:
        lists = [value for value in schema.get("enum", [schema.get("const")]) if isinstance(value, list)]
        types &= _with_integer({json_type(item) for value in lists for item in value})
    if "items" in schema:
        schemas = [
            *schema.get("prefixItems", ()),
            *([schema["items"]] if schema["items"] is not False else []),
        ]
        types &= frozenset[str]().union(*(possible_types(each) for each in schemas))
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            types &= frozenset[str]().union(*(possible_item_types(branch) for branch in schema[keyword]))
    for branch in schema.get("allOf", ()):
        types &= possible_item_types(branch)
    return types


def _with_integer(types: set[str]) -> frozenset[str]:
    return frozenset(types | {"integer"}) if "number" in types else frozenset(types)


def is_closed(schema: Any) -> bool:
    """Whether the schema lists all valid values (``enum``, ``const``); null is always allowed."""
    if not isinstance(schema, Mapping):
        return False
    if "enum" in schema or "const" in schema or schema.get("type") == "null":
        return True
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema and all(is_closed(branch) for branch in schema[keyword]):
            return True
    return any(is_closed(branch) for branch in schema.get("allOf", ()))


def has_closed_items(schema: Any) -> bool:
    """Whether the schema lists all valid items of its list."""
    if is_closed(schema):
        return True
    if not isinstance(schema, Mapping):
        return False
    if "items" in schema:
        schemas = [
            *schema.get("prefixItems", ()),
            *([schema["items"]] if schema["items"] is not False else []),
        ]
        if all(is_closed(each) for each in schemas):
            return True
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema and all(has_closed_items(branch) for branch in schema[keyword]):
            return True
    return any(has_closed_items(branch) for branch in schema.get("allOf", ()))
