"""The checks of the dialect's keywords: in linear time, with messages that never hold the value.

Each function is a `Keyword`: it gets the evaluation, the keyword's value, the value to check and the whole
schema, and yields the faults of that value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from model_operator.core.parameters.schemas.evaluation import Evaluation, Fault, Faults, Keyword
from model_operator.core.parameters.schemas.formats import FORMATS, has_format
from model_operator.core.parameters.schemas.vocabulary import SECRET_REF
from model_operator.core.values.hints import closest, type_hint
from model_operator.core.values.json_values import has_type
from model_operator.core.values.words import noun, nouns, plural, shorten, shown, shown_list

_TYPE_CODES: Final = {
    "string": "string_type",
    "integer": "int_type",
    "number": "float_type",
    "boolean": "bool_type",
    "array": "list_type",
    "object": "dict_type",
    "null": "none_required",
}
_SUGGESTIONS: Final = 3  # finding one takes up to 3 ms


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _type(evaluation: Evaluation, types: Any, value: Any, schema: Mapping[str, Any]) -> Faults:
    names = [types] if isinstance(types, str) else types
    if has_type(value, names):
        return
    message = f"must be {nouns(names)}, got {noun(value)}"
    code = _TYPE_CODES[names[0]] if len(names) == 1 else "type"
    yield Fault(code, message + _right_form(evaluation, value, names, schema))


def _right_form(evaluation: Evaluation, value: Any, names: Sequence[str], schema: Mapping[str, Any]) -> str:
    """Return the hint at the right form of a value whose type is wrong."""
    if schema.get(SECRET_REF) is True and "object" in names:
        return "; write the name of a Secret and its key, as {name: NAME, key: KEY}"
    text = schema.get("pattern")
    if isinstance(text, str) and "string" in names and _is_number(value):
        pattern = evaluation.patterns[text]
        evaluation.budget.spend(pattern.cost(str(value)))
        if not pattern.matches(str(value)):  # in quotes it would be refused, too
            example = _like(evaluation, text, schema, "; write a string")
            return example or f"; write a string that matches the pattern {shorten(text)}"
    return type_hint(value, names)


def _enum(evaluation: Evaluation, values: list[Any], value: Any, schema: Mapping[str, Any]) -> Faults:
    if not _type_is_wrong(value, schema) and not evaluation.is_member(value, values):
        yield not_listed(evaluation, value, values)


def _const(evaluation: Evaluation, expected: Any, value: Any, schema: Mapping[str, Any]) -> Faults:
    budget = evaluation.budget
    if not _type_is_wrong(value, schema) and budget.key(value) != budget.key(expected):
        yield not_listed(evaluation, value, [expected])


def not_listed(evaluation: Evaluation, value: Any, values: Sequence[Any]) -> Fault:
    """Return the error of a value that the template does not list; it carries the listed values."""
    evaluation.budget.spend(len(values) // 16)
    expected = f"one of {shown_list(values)}" if len(values) > 1 else shown_list(values)
    message = f"must be {expected}; got {_other(value, values)}"
    return Fault("enum", message, listed=values, expected=f"must be {expected}")


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
    def keyword(_evaluation: Evaluation, bound: Any, value: Any, _schema: Mapping[str, Any]) -> Faults:
        if _is_number(value) and not holds(value, bound):
            expected = f"must be {sign} {bound}"
            yield Fault(code, f"{expected}, got a {got} number", expected=expected)

    return keyword


def _multiple_of(_evaluation: Evaluation, divisor: Any, value: Any, _schema: Mapping[str, Any]) -> Faults:
    if not _is_number(value):
        return
    # In decimal, 0.3 is a multiple of 0.1; in binary floating point it is not.
    quotient = Fraction(Decimal(repr(value))) / Fraction(Decimal(repr(divisor)))
    if quotient.denominator != 1:
        yield Fault("multiple_of", f"must be a multiple of {divisor}, got another number")


def _min_length(_evaluation: Evaluation, limit: int, value: Any, _schema: Mapping[str, Any]) -> Faults:
    if isinstance(value, str) and len(value) < limit:
        message = f"must have at least {plural(limit, 'character')}, got fewer"
        yield Fault("string_too_short", "must not be empty" if limit == 1 else message)


def _max_length(_evaluation: Evaluation, limit: int, value: Any, _schema: Mapping[str, Any]) -> Faults:
    if isinstance(value, str) and len(value) > limit:
        yield Fault("string_too_long", f"must have at most {plural(limit, 'character')}, got more")


def _pattern(evaluation: Evaluation, text: str, value: Any, schema: Mapping[str, Any]) -> Faults:
    if not isinstance(value, str):
        return
    pattern = evaluation.patterns[text]
    evaluation.budget.spend(pattern.cost(value))
    if not pattern.matches(value):
        expected = f"must match the pattern {shorten(text)}"
        example = _like(evaluation, text, schema, "; write it")
        message = f"{expected}, got a string that does not{example}"
        yield Fault("string_pattern_mismatch", message, expected=expected)


def _like(evaluation: Evaluation, text: str, schema: Mapping[str, Any], beginning: str) -> str:
    """Return the end of a message: a default or an example of the schema that fits; empty if none does."""
    pattern = evaluation.patterns[text]
    examples = schema.get("examples")
    for each in (schema.get("default"), *(examples[:1] if isinstance(examples, list) else ())):
        if isinstance(each, str):
            evaluation.budget.spend(pattern.cost(each))
            if pattern.matches(each):
                return f"{beginning} like {shown(each)}"
    return ""


def _format(_evaluation: Evaluation, name: str, value: Any, _schema: Mapping[str, Any]) -> Faults:
    if isinstance(value, str) and not has_format(value, name):
        yield Fault("string_format", f"must be {FORMATS[name].description}, got another string")


def _min_items(_evaluation: Evaluation, limit: int, value: Any, _schema: Mapping[str, Any]) -> Faults:
    if isinstance(value, list) and len(value) < limit:
        message = (
            "must not be empty" if limit == 1 else f"must have at least {plural(limit, 'item')}, got fewer"
        )
        yield Fault("too_short", message)


def _max_items(_evaluation: Evaluation, limit: int, value: Any, _schema: Mapping[str, Any]) -> Faults:
    if isinstance(value, list) and len(value) > limit:
        yield Fault("too_long", f"must have at most {plural(limit, 'item')}, got more")


def _items(evaluation: Evaluation, items: Any, value: Any, schema: Mapping[str, Any]) -> Faults:
    if not isinstance(value, list):
        return
    first = len(schema.get("prefixItems", ()))
    if items is False:
        if len(value) > first:
            yield Fault("too_long", f"must have at most {plural(first, 'item')}, got more")
        return
    for index in range(first, len(value)):
        yield from evaluation.check(value[index], items, index)


def _prefix_items(
    evaluation: Evaluation, schemas: list[Any], value: Any, _schema: Mapping[str, Any]
) -> Faults:
    if isinstance(value, list):
        for index, (item, subschema) in enumerate(zip(value, schemas, strict=False)):
            yield from evaluation.check(item, subschema, index)


def _unique_items(evaluation: Evaluation, unique: bool, value: Any, _schema: Mapping[str, Any]) -> Faults:
    if not unique or not isinstance(value, list):
        return
    seen = set()
    for index, item in enumerate(value):
        key = evaluation.budget.key(item)
        if key in seen:
            yield Fault("not_unique", "must not repeat an item that comes before", (index,))
        seen.add(key)


def _contains(evaluation: Evaluation, wanted: Any, value: Any, schema: Mapping[str, Any]) -> Faults:
    if not isinstance(value, list):
        return
    least, most = schema.get("minContains", 1), schema.get("maxContains")
    count = sum(1 for item in value if not any(evaluation.check(item, wanted)))
    kind = "of the kind that `contains` describes"
    if count < least:
        yield Fault("too_short", f"must have at least {plural(least, 'item')} {kind}, got fewer")
    elif most is not None and count > most:
        yield Fault("too_long", f"must have at most {plural(most, 'item')} {kind}, got more")


def _properties(
    evaluation: Evaluation, properties: Mapping[str, Any], value: Any, _schema: Mapping[str, Any]
) -> Faults:
    if isinstance(value, dict):
        for name, subschema in properties.items():
            if name in value:
                yield from evaluation.check(value[name], subschema, name)


def _required(evaluation: Evaluation, names: list[str], value: Any, schema: Mapping[str, Any]) -> Faults:
    if isinstance(value, dict):
        for name in names:
            if name not in value:
                yield Fault("missing", f"required {_word(evaluation, schema)} is missing", (name,))


def _additional_properties(
    evaluation: Evaluation, rest: Any, value: Any, schema: Mapping[str, Any]
) -> Faults:
    if not isinstance(value, dict):
        return
    declared = schema.get("properties", {})
    for index, name in enumerate(sorted(value.keys() - declared.keys())):
        if rest is False:
            close = closest(name, declared) if index < _SUGGESTIONS else ""
            message = f"unknown {_word(evaluation, schema)}; {_declared(declared, close)}"
            yield Fault("extra_forbidden", message, (name,))
        else:
            yield from evaluation.check(value[name], rest, name)


def _declared(declared: Mapping[str, Any], close: str) -> str:
    if not declared:
        return "the template declares none"
    names = f"template declares: {shorten(', '.join(declared))}"
    return f"did you mean {close}? The {names}" if close else f"the {names}"


def _property_names(evaluation: Evaluation, names: Any, value: Any, _schema: Mapping[str, Any]) -> Faults:
    if isinstance(value, dict):
        for name in sorted(value):
            for fault in evaluation.check(name, names, name):
                yield fault._replace(message=f"the name {fault.message}")


def _min_properties(_evaluation: Evaluation, limit: int, value: Any, _schema: Mapping[str, Any]) -> Faults:
    if isinstance(value, dict) and len(value) < limit:
        yield Fault("too_short", f"must have at least {plural(limit, 'field')}, got fewer")


def _max_properties(_evaluation: Evaluation, limit: int, value: Any, _schema: Mapping[str, Any]) -> Faults:
    if isinstance(value, dict) and len(value) > limit:
        yield Fault("too_long", f"must have at most {plural(limit, 'field')}, got more")


def _dependent_required(
    evaluation: Evaluation, needed: Mapping[str, list[str]], value: Any, schema: Mapping[str, Any]
) -> Faults:
    if not isinstance(value, dict):
        return
    for name, others in needed.items():
        if name in value:
            evaluation.budget.spend_for(others)
            for other in others:
                if other not in value:
                    word = _word(evaluation, schema)
                    message = f"required {word} is missing: it must be given with {name}"
                    yield Fault("missing", message, (other,))


def _dependent_schemas(
    evaluation: Evaluation, needed: Mapping[str, Any], value: Any, _schema: Mapping[str, Any]
) -> Faults:
    if isinstance(value, dict):
        for name, subschema in needed.items():
            if name in value:
                yield from evaluation.check(value, subschema)


def _word(evaluation: Evaluation, schema: Mapping[str, Any]) -> str:
    return "parameter" if schema is evaluation.root else "field"


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
