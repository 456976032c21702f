"""The parameters of a template as a table, one row each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.values.json_values import JSON_TYPES
from model_operator.core.values.words import shown, shown_list

_BOUNDS: Final = {
    "minimum": ">= {}",
    "exclusiveMinimum": "> {}",
    "maximum": "<= {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
    "format": "{}",
}
_COMPOUND: Final = ("allOf", "anyOf", "oneOf", "not", "contains", "dependentRequired", "propertyNames")


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One parameter.

    Attributes
    ----------
    name, type, default, allowed, description
        Texts; empty where nothing applies. `default` is ``required`` for a parameter that must be given, and
        ends with ``(env)`` if it is the value of an environment variable of the template.
    """

    name: str
    type: str
    default: str
    allowed: str
    description: str


def parameter_rows(schema: ParameterSchema, env: Mapping[str, str]) -> list[ParameterRow]:
    """Return the parameters, required ones first, then by name.

    Parameters
    ----------
    schema
        The parameters.
    env
        The template's environment variables: one with the name of a parameter is its default.
    """
    return sorted(
        (_row(schema, name, each, env) for name, each in schema.properties.items()),
        key=lambda row: (row.default != "required", row.name),
    )


def _row(schema: ParameterSchema, name: str, each: Any, env: Mapping[str, str]) -> ParameterRow:
    keywords = each if isinstance(each, Mapping) else {}
    default = ""
    if name in schema.defaults:
        default = shown(schema.defaults[name])
    elif name in schema.required:
        default = "required"
    elif name in env:
        default = f"{shown(env[name])} (env)"
    is_secret = schema.is_secret_ref(name)
    return ParameterRow(
        name=name,
        type="secret {name, key}" if is_secret else _type(schema, name, keywords),
        default=default,
        allowed="" if is_secret and "enum" not in keywords else "; ".join(_allowed(keywords)),
        description=" ".join(str(keywords.get("description", "")).split()),
    )


def _type(schema: ParameterSchema, name: str, keywords: Mapping[str, Any]) -> str:
    types = set(schema.types(name))
    if "number" in types:
        types.discard("integer")
    if types >= set(JSON_TYPES) - {"integer"}:
        return "any"
    words = [each for each in JSON_TYPES if each in types]
    items = keywords.get("items")
    if words == ["array"] and isinstance(items, Mapping) and isinstance(items.get("type"), str):
        return f"array of {items['type']}"
    return ", ".join(words)


def _alternatives(source: Mapping[str, Any]) -> str:
    """Return what the branches of the only compound keyword, `anyOf`, allow; empty if a branch has more."""
    branches = source.get("anyOf")
    if not isinstance(branches, list) or [each for each in _COMPOUND if each in source] != ["anyOf"]:
        return ""
    simple = {"const", "enum", "type", *_BOUNDS}
    if not all(isinstance(each, Mapping) and each.keys() <= simple for each in branches):
        return ""
    shown_branches = [" and ".join(_allowed(each)) for each in branches]
    return " or ".join(shown_branches) if all(shown_branches) else ""


def _allowed(keywords: Mapping[str, Any]) -> Iterator[str]:
    items = keywords.get("items")
    for source, beginning in ((keywords, ""), (items if isinstance(items, Mapping) else {}, "items: ")):
        if "const" in source:
            yield f"{beginning}{shown(source['const'])}"
        if "enum" in source:
            yield f"{beginning}{shown_list(source['enum'])}"
        for keyword, text in _BOUNDS.items():
            if keyword in source:
                yield beginning + text.format(source[keyword])
        alternatives = _alternatives(source)
        if alternatives:
            yield f"{beginning}{alternatives}"
        elif any(keyword in source for keyword in _COMPOUND):
            yield f"{beginning}more rules, see `model-operator schema`"
    if keywords.get("uniqueItems"):
        yield "unique items"
