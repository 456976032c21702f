"""The keywords of the dialect, the values that they take, and replacements of unsupported keywords."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from model_operator.core.parameters.schemas.formats import FORMATS
from model_operator.core.values.hints import closest, did_you_mean
from model_operator.core.values.json_values import JSON_TYPES, json_type
from model_operator.core.values.words import noun, shown_list

SUBSCHEMA: Final = frozenset({"items", "contains", "propertyNames", "additionalProperties", "not"})
"""Keywords whose value is a schema."""

SUBSCHEMA_LIST: Final = frozenset({"prefixItems", "allOf", "anyOf", "oneOf"})
"""Keywords whose value is a list of schemas."""

SUBSCHEMA_MAP: Final = frozenset({"properties", "dependentSchemas"})
"""Keywords whose value maps names to schemas."""

SECRET_REF: Final = "x-secret-ref"  # noqa: S105 - a keyword
"""Marks a parameter whose value refers to a key of a Secret."""

ENV: Final = "x-env"
"""With ``false``, marks a parameter that is no environment variable."""

EXTENSION_PREFIX: Final = "x-"
"""Prefix of custom keywords; they are annotations, kept but not checked."""

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
"""The only supported ``$schema``."""

Shape = Callable[[Any], str | None]
"""Returns a description of the expected value; None if the value is valid."""


def _of_type(name: str, expected: str) -> Shape:
    return lambda value: None if json_type(value) == name else f"{expected}, got {noun(value)}"


def _count(value: Any) -> str | None:
    if json_type(value) == "integer":
        return None if value >= 0 else "an integer >= 0, got a smaller one"
    return f"an integer >= 0, got {'a fraction or a very large number' if _is_number(value) else noun(value)}"


def _number(value: Any) -> str | None:
    return None if _is_number(value) else f"a number, got {noun(value)}"


def _positive(value: Any) -> str | None:
    fits = _is_number(value) and value > 0
    return None if fits else f"a number > 0, got {'a smaller one' if _is_number(value) else noun(value)}"


def _is_number(value: Any) -> bool:
    return json_type(value) in {"integer", "number"}


_OTHER_TYPES: Final[Mapping[Any, str]] = {
    "str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array",
    "dict": "object", "map": "object",
}  # fmt: skip
"""Names of types in other languages."""


def _types(value: Any) -> str | None:
    names = value if isinstance(value, list) else [value]
    if names and all(isinstance(name, str) and name in JSON_TYPES for name in names):
        return None if len(set(names)) == len(names) else "types without repeats, got one twice"
    given = names[0] if len(names) == 1 and isinstance(names[0], str) else ""
    hint = (
        f"; did you mean {_OTHER_TYPES[given]}?" if given in _OTHER_TYPES else did_you_mean(given, JSON_TYPES)
    )
    return f"one of {', '.join(JSON_TYPES)}, or a list of these{hint}"


def _values(value: Any) -> str | None:
    return None if isinstance(value, list) and value else "a list of at least one value"


def _names(value: Any) -> str | None:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        hint = "; `required` belongs to the object" if isinstance(value, bool) else ""
        return f"a list of names{hint}"
    return None if len(set(value)) == len(value) else "a list of names without repeats, got one twice"


def _names_by_name(value: Any) -> str | None:
    if isinstance(value, Mapping) and all(_names(names) is None for names in value.values()):
        return None
    return "an object of lists of names"


def _format(value: Any) -> str | None:
    return None if isinstance(value, str) and value in FORMATS else f"one of {shown_list(list(FORMATS))}"


_STRING: Final = _of_type("string", "a string")
_BOOLEAN: Final = _of_type("boolean", "true or false")
_LIST: Final = _of_type("array", "a list")

SHAPES: Final[Mapping[str, Shape]] = {
    **dict.fromkeys(("title", "description", "$comment", "pattern"), _STRING),
    **dict.fromkeys(("deprecated", "readOnly", "writeOnly", "uniqueItems", SECRET_REF, ENV), _BOOLEAN),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _count),
    **dict.fromkeys(("minProperties", "maxProperties", "minContains", "maxContains"), _count),
    "const": lambda _value: None,
    "default": lambda _value: None,
    "dependentRequired": _names_by_name,
    "enum": _values,
    "examples": _LIST,
    "format": _format,
    "multipleOf": _positive,
    "required": _names,
    "type": _types,
}
"""Keywords without subschemas, and the checks of their values."""

_KNOWN: Final = sorted({*SHAPES, *SUBSCHEMA, *SUBSCHEMA_LIST, *SUBSCHEMA_MAP})
_WRITE_OUT: Final = "write the schema out where it is used"
_INSTEAD: Final = {
    **dict.fromkeys(("$ref", "$dynamicRef", "$recursiveRef", "$defs", "definitions"), _WRITE_OUT),
    **dict.fromkeys(("$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor"), _WRITE_OUT),
    **dict.fromkeys(("if", "then", "else"), "use oneOf, one object schema for each case"),
    **dict.fromkeys(("contentEncoding", "contentMediaType", "contentSchema"), "use description"),
    "$schema": "it belongs to the root",
    "$vocabulary": "leave it out",
    "additionalItems": "use prefixItems and items",
    "dependencies": "use dependentRequired or dependentSchemas",
    "divisibleBy": "use multipleOf",
    "example": "use examples, a list",
    "nullable": 'use a list of types, such as type: [string, "null"]',
    "patternProperties": "declare each property, or give additionalProperties a schema",
    "unevaluatedItems": "use items",
    "unevaluatedProperties": "use additionalProperties",
}


def instead_of(keyword: str, value: Any = None) -> tuple[str, str]:
    """Return the message and the code for a keyword, with this value, that the dialect does not have."""
    if keyword in _INSTEAD:
        return f"this keyword is not supported; {_INSTEAD[keyword]}", "keyword_forbidden"
    if isinstance(value, Mapping):
        return "unknown keyword; if it is a parameter, declare it in properties", "keyword_unknown"
    close = closest(keyword, _KNOWN)
    hint = f"did you mean {close}?" if close else f"keywords of your own start with {EXTENSION_PREFIX}"
    return f"unknown keyword; {hint}", "keyword_unknown"


def subschemas(schema: Mapping[str, Any]) -> Iterator[tuple[Any, tuple[str | int, ...]]]:
    """Yield the direct subschemas of a schema with their paths, sorted by keyword."""
    for keyword in sorted(schema):
        value = schema[keyword]
        if keyword in SUBSCHEMA:
            yield value, (keyword,)
        elif keyword in SUBSCHEMA_LIST:
            yield from ((each, (keyword, index)) for index, each in enumerate(value))
        elif keyword in SUBSCHEMA_MAP:
            yield from ((value[name], (keyword, name)) for name in sorted(value))
