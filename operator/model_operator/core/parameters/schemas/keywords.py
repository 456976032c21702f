"""The checks of the dialect's keywords: in linear time, with messages that never hold the value.

Each function has jsonschema's signature of a keyword and yields its errors. An error's ``validator`` is the
code of the violation, its ``message`` the message; its path is relative to the checked value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, Final, TypeAlias

from jsonschema import ValidationError

from model_operator.core.parameters.schemas.budget import Budget
from model_operator.core.parameters.schemas.formats import FORMATS, has_format
from model_operator.core.values.json_values import has_type, json_type
from model_operator.core.values.words import noun, nouns, plural, shorten, shown_list

Errors: TypeAlias = Iterator[ValidationError]
Keyword: TypeAlias = Callable[[Any, Any, Any, Mapping[str, Any]], Errors]

_TYPE_CODES: Final = {
    "string": "string_type",
    "integer": "int_type",
    "number": "float_type",
    "boolean": "bool_type",
    "array": "list_type",
    "object": "dict_type",
    "null": "none_required",
}
_SUGGESTED_CHARACTERS: Final = 63
_SUGGESTIONS: Final = 3  # finding one takes up to 3 ms


def refusal(code: str, message: str, *path: str | int) -> ValidationError:
    """Return an error with a code and a message, at a path relative to the checked value."""
    return ValidationError(message, validator=code, path=path)


def budget_of(validator: Any) -> Budget:
    """Return the budget that the keywords of this check share."""
    budget: Budget = validator.format_checker
    return budget


def descend(validator: Any, value: Any, schema: Any, *path: str | int) -> Errors:
    """Check a value against a subschema; the paths of the errors start with `path`.

    jsonschema's own ``descend`` creates a validator and a reference resolver for each schema. That takes half
    the time of a check, and the dialect has no references.
    """
    if isinstance(schema, bool):
        yield from validator.descend(value, schema, *path)
        return
    checks = validator.VALIDATORS
    for keyword, expected in schema.items():
        if keyword in checks:
            for error in checks[keyword](validator, expected, value, schema):
                error.path.extendleft(path)
                yield error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _type(_validator: Any, types: Any, value: Any, _schema: Mapping[str, Any]) -> Errors:
    names = [types] if isinstance(types, str) else types
    if has_type(value, names):
        return
    message = f"must be {nouns(names)}, got {noun(value)}"
    code = _TYPE_CODES[names[0]] if len(names) == 1 else "type"
    yield refusal(code, message + _quotes_hint(value, names))


def _quotes_hint(value: Any, names: list[str]) -> str:
    """Return a hint about quotes in YAML, the usual cause of a wrong type."""
    if "string" in names and json_type(value) in {"integer", "number", "boolean"}:
        return "; put it in quotes"
    if isinstance(value, str):
        if "boolean" in names and value in {"true", "false"}:
            return "; remove the quotes"
        try:
            number = float(value) if len(value) < _SUGGESTED_CHARACTERS else None
        except ValueError:
            return ""
        if number is not None and has_type(number, names):
            return "; remove the quotes"
    return ""


def _enum(validator: Any, values: list[Any], value: Any, schema: Mapping[str, Any]) -> Errors:
    if not _type_is_wrong(value, schema) and not budget_of(validator).is_member(value, values):
        yield not_listed(validator, value, values)


def _const(validator: Any, expected: Any, value: Any, schema: Mapping[str, Any]) -> Errors:
    budget = budget_of(validator)
    if not _type_is_wrong(value, schema) and budget.key(value) != budget.key(expected):
        yield not_listed(validator, value, [expected])


def not_listed(validator: Any, value: Any, values: Sequence[Any]) -> ValidationError:
    """Return the error of a value that the template does not list; it carries the listed values."""
    budget_of(validator).spend(len(values) // 16)
    expected = f"one of {shown_list(values)}" if len(values) > 1 else shown_list(values)
    message = f"must be {expected}; got {_other(value, values)}"
    return ValidationError(message, validator="enum", validator_value=values)


def _type_is_wrong(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether ``type`` already rejects the value, so that one mistake is reported once."""
    types = schema.get("type", ())
    return bool(types) and not has_type(value, [types] if isinstance(types, str) else types)


def _other(value: Any, values: Sequence[Any]) -> str:
    kind = noun(value)
    if all(noun(each) != kind for each in values):
        return kind
    return kind.replace("an ", "another ").replace("a ", "another ")


def _bound(code: str, sign: str, got: str, holds: Callable[[Any, Any], bool]) -> Keyword:
    def keyword(_validator: Any, bound: Any, value: Any, _schema: Mapping[str, Any]) -> Errors:
        if _is_number(value) and not holds(value, bound):
            yield refusal(code, f"must be {sign} {bound}, got a {got} number")

    return keyword


def _multiple_of(_validator: Any, divisor: Any, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if not _is_number(value):
        return
    # In decimal, 0.3 is a multiple of 0.1; in binary floating point it is not.
    quotient = Fraction(Decimal(repr(value))) / Fraction(Decimal(repr(divisor)))
    if quotient.denominator != 1:
        yield refusal("multiple_of", f"must be a multiple of {divisor}, got another number")


def _min_length(_validator: Any, limit: int, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if isinstance(value, str) and len(value) < limit:
        message = f"must have at least {plural(limit, 'character')}, got fewer"
        yield refusal("string_too_short", "must not be empty" if limit == 1 else message)


def _max_length(_validator: Any, limit: int, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if isinstance(value, str) and len(value) > limit:
        yield refusal("string_too_long", f"must have at most {plural(limit, 'character')}, got more")


def _pattern(validator: Any, text: str, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if not isinstance(value, str):
        return
    budget = budget_of(validator)
    pattern = budget.patterns[text]
    budget.spend(pattern.cost(value))
    if not pattern.matches(value):
        message = f"must match the pattern {shorten(text)}, got a string that does not"
        yield refusal("string_pattern_mismatch", message)


def _format(_validator: Any, name: str, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if isinstance(value, str) and not has_format(value, name):
        yield refusal("string_format", f"must be {FORMATS[name].description}, got another string")


def _min_items(_validator: Any, limit: int, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if isinstance(value, list) and len(value) < limit:
        message = (
            "must not be empty" if limit == 1 else f"must have at least {plural(limit, 'item')}, got fewer"
        )
        yield refusal("too_short", message)


def _max_items(_validator: Any, limit: int, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if isinstance(value, list) and len(value) > limit:
        yield refusal("too_long", f"must have at most {plural(limit, 'item')}, got more")


def _items(validator: Any, items: Any, value: Any, schema: Mapping[str, Any]) -> Errors:
    if not isinstance(value, list):
        return
    first = len(schema.get("prefixItems", ()))
    if items is False:
        if len(value) > first:
            yield refusal("too_long", f"must have at most {plural(first, 'item')}, got more")
        return
    for index in range(first, len(value)):
        yield from descend(validator, value[index], items, index)


def _prefix_items(validator: Any, schemas: list[Any], value: Any, _schema: Mapping[str, Any]) -> Errors:
    if isinstance(value, list):
        for index, (item, subschema) in enumerate(zip(value, schemas, strict=False)):
            yield from descend(validator, item, subschema, index)


def _unique_items(validator: Any, unique: bool, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if not unique or not isinstance(value, list):
        return
    seen = set()
    for index, item in enumerate(value):
        key = budget_of(validator).key(item)
        if key in seen:
            yield refusal("not_unique", "must not repeat an item that comes before", index)
        seen.add(key)


def _contains(validator: Any, wanted: Any, value: Any, schema: Mapping[str, Any]) -> Errors:
    if not isinstance(value, list):
        return
    least, most = schema.get("minContains", 1), schema.get("maxContains")
    count = sum(1 for item in value if not any(descend(validator, item, wanted)))
    kind = "of the kind that `contains` describes"
    if count < least:
        yield refusal("too_short", f"must have at least {plural(least, 'item')} {kind}, got fewer")
    elif most is not None and count > most:
        yield refusal("too_long", f"must have at most {plural(most, 'item')} {kind}, got more")


def _properties(
    validator: Any, properties: Mapping[str, Any], value: Any, _schema: Mapping[str, Any]
) -> Errors:
    if isinstance(value, dict):
        for name, subschema in properties.items():
            if name in value:
                yield from descend(validator, value[name], subschema, name)


def _required(validator: Any, names: list[str], value: Any, schema: Mapping[str, Any]) -> Errors:
    if isinstance(value, dict):
        for name in names:
            if name not in value:
                yield refusal("missing", f"required {_word(validator, schema)} is missing", name)


def _additional_properties(validator: Any, rest: Any, value: Any, schema: Mapping[str, Any]) -> Errors:
    if not isinstance(value, dict):
        return
    declared = schema.get("properties", {})
    for index, name in enumerate(sorted(value.keys() - declared.keys())):
        if rest is False:
            close = _closest(name, declared) if index < _SUGGESTIONS else ""
            message = f"unknown {_word(validator, schema)}; {_declared(declared, close)}"
            yield refusal("extra_forbidden", message, name)
        else:
            yield from descend(validator, value[name], rest, name)


def _closest(name: str, declared: Mapping[str, Any]) -> str:
    close = get_close_matches(name, declared, n=1) if len(name) <= _SUGGESTED_CHARACTERS else []
    return close[0] if close else ""


def _declared(declared: Mapping[str, Any], close: str) -> str:
    if not declared:
        return "the template declares none"
    names = f"template declares: {shorten(', '.join(declared))}"
    return f"did you mean {close}? The {names}" if close else f"the {names}"


def _property_names(validator: Any, names: Any, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if isinstance(value, dict):
        for name in sorted(value):
            for error in descend(validator, name, names, name):
                error.message = f"the name {error.message}"
                yield error


def _min_properties(_validator: Any, limit: int, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if isinstance(value, dict) and len(value) < limit:
        yield refusal("too_short", f"must have at least {plural(limit, 'field')}, got fewer")


def _max_properties(_validator: Any, limit: int, value: Any, _schema: Mapping[str, Any]) -> Errors:
    if isinstance(value, dict) and len(value) > limit:
        yield refusal("too_long", f"must have at most {plural(limit, 'field')}, got more")


def _dependent_required(
    validator: Any, needed: Mapping[str, list[str]], value: Any, schema: Mapping[str, Any]
) -> Errors:
    if not isinstance(value, dict):
        return
    for name, others in needed.items():
        if name in value:
            budget_of(validator).spend_for(others)
            for other in others:
                if other not in value:
                    word = _word(validator, schema)
                    yield refusal(
                        "missing", f"required {word} is missing: it must be given with {name}", other
                    )


def _dependent_schemas(
    validator: Any, needed: Mapping[str, Any], value: Any, _schema: Mapping[str, Any]
) -> Errors:
    if isinstance(value, dict):
        for name, subschema in needed.items():
            if name in value:
                yield from descend(validator, value, subschema)


def _word(validator: Any, schema: Mapping[str, Any]) -> str:
    return "parameter" if schema is budget_of(validator).root else "field"


CHECKS: Final[dict[str, Keyword]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _bound("greater_than_equal", ">=", "smaller", lambda value, bound: value >= bound),
    "maximum": _bound("less_than_equal", "<=", "larger", lambda value, bound: value <= bound),
    "exclusiveMinimum": _bound("greater_than", ">", "smaller or equal", lambda value, bound: value > bound),
    "exclusiveMaximum": _bound("less_than", "<", "larger or equal", lambda value, bound: value < bound),
    "multipleOf": _multiple_of,
    "minLength": _min_length,
    "maxLength": _max_length,
    "pattern": _pattern,
    "format": _format,
    "minItems": _min_items,
    "maxItems": _max_items,
    "items": _items,
    "prefixItems": _prefix_items,
    "uniqueItems": _unique_items,
    "contains": _contains,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional_properties,
    "propertyNames": _property_names,
    "minProperties": _min_properties,
    "maxProperties": _max_properties,
    "dependentRequired": _dependent_required,
    "dependentSchemas": _dependent_schemas,
}
"""Checks by keyword; those that combine schemas are in `core.parameters.schemas.combinators`."""
