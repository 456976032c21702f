"""What holds for every schema of the dialect and every JSON value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry

from model_operator.core.parameters.schema import ParameterSchema, parse_parameter_schema
from model_operator.core.parameters.schemas.evaluator import Evaluator
from model_operator.core.parameters.validation import validate_parameters
from model_operator.core.values.json_values import canonical_copy, equality_key
from model_operator.core.values.limits import VALUE_LIMITS, check_limits
from model_operator.core.values.violations import InvalidObjectError

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
LOC = ("spec", "model_creation_parameters")
MARK = "zq7x"

names = st.sampled_from(["a", "b", "model_name", "Batch2"])
numbers = st.integers(-5, 5) | st.sampled_from([0.5, 1.0, -2.5, 1e21])
scalars = st.none() | st.booleans() | numbers | st.sampled_from(["", "a", "abc", "1", "true"])
marked = st.text("ab1.-", max_size=6).map(lambda text: MARK + text)


def json_values(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=8,
    )


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    schemas = st.lists(inner, min_size=1, max_size=3)
    count = st.integers(0, 3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(
                ["string", "integer", "number", "boolean", "array", "object", ["string", "null"]]
            ),
            "enum": st.lists(json_values(scalars), min_size=1, max_size=3),
            "const": scalars,
            "minimum": numbers,
            "exclusiveMaximum": numbers,
            "multipleOf": st.sampled_from([1, 2, 0.1, 0.5]),
            "minLength": count,
            "maxLength": count,
            "pattern": st.sampled_from(["^a", "b+", "^(a+)+$", "[0-9]"]),
            "format": st.sampled_from(["date", "ipv4", "uri"]),
            "items": inner,
            "prefixItems": schemas,
            "contains": inner,
            "minContains": count,
            "minItems": count,
            "maxItems": count,
            "properties": st.dictionaries(names, inner, max_size=3),
            "required": st.lists(names, unique=True, max_size=2),
            "additionalProperties": st.booleans() | inner,
            "propertyNames": inner,
            "dependentSchemas": st.dictionaries(names, inner, max_size=2),
            "dependentRequired": st.dictionaries(names, st.lists(names, unique=True, max_size=2), max_size=2),
            "maxProperties": count,
            "anyOf": schemas,
            "oneOf": schemas,
            "allOf": schemas,
            "not": inner,
            "title": st.just("Title"),
            "x-order": st.integers(),
        },
    )


leaves = keywords(st.just({}))
subschemas = st.recursive(leaves, keywords, max_leaves=6)
roots = st.dictionaries(names, subschemas, max_size=3).flatmap(
    lambda properties: st.fixed_dictionaries(
        {"properties": st.just(properties)},
        optional={
            "required": st.lists(names, unique=True, max_size=2),
            "additionalProperties": st.booleans(),
        },
    )
)
values = st.dictionaries(names, json_values(scalars), max_size=4)


def parsed_or_none(schema: Any) -> Any:
    try:
        return parse_parameter_schema(schema, ("spec",))
    except InvalidObjectError as error:
        violations = error.violations
    assert 1 <= len(violations) <= 10
    assert all(violation.loc[0] == "spec" for violation in violations)
    return None


NESTED = {
    "a": {
        "prefixItems": [{"type": "number"}],
        "items": {"properties": {"b": {"maximum": 1}}, "required": ["a"]},
    },
    "b": {"propertyNames": {"maxLength": 2}, "additionalProperties": {"const": 1}, "minProperties": 3},
    "c": {"properties": {"a": {}}, "additionalProperties": False, "dependentRequired": {"a": ["b"]}},
    "d": {"anyOf": [{"type": "string"}, {"items": {"enum": [1, 2]}, "type": "array"}]},
    "e": {"dependentSchemas": {"a": {"properties": {"b": {"not": {"type": "null"}}}}}},
    "f": {"contains": {"type": "string"}, "minContains": 2},
}
FAULTY = {
    "a": ["x", {"a": 1, "b": 1}, {"b": 2}],
    "b": {"a": 1, "long": 1},
    "c": {"a": 1, "x": 1, "y": 1},
    "d": [1, 3],
    "e": {"a": 1, "b": None},
    "f": ["x", 1],
}


@unhurried
@given(roots, values)
def test_agrees_with_jsonschema(schema: dict[str, Any], value: dict[str, Any]) -> None:
    """jsonschema is the oracle: the same values are valid, and the same parts of a value have faults."""
    parsed = parsed_or_none(schema)
    if parsed is not None:
        assert_agrees(parsed, value)


def test_agrees_with_jsonschema_on_nested_faults() -> None:
    schema = {"properties": {**NESTED, "g": {}}, "required": ["g"]}

    assert_agrees(parse_parameter_schema(schema, ()), FAULTY)


def assert_agrees(parsed: ParameterSchema, value: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(parsed.schema)
    peer = Draft202012Validator(
        parsed.schema, registry=Registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
    )

    own = list(parsed.evaluator.violations(canonical_copy(value), LOC))

    assert {violation.type for violation in own}.isdisjoint({"too_complex", "not_checkable"})
    if _differs(parsed.schema):
        return
    found = {violation.loc[len(LOC) :] for violation in own}
    errors = list(peer.iter_errors(value))
    branching = {tuple(error.path) for error in errors if error.validator in {"anyOf", "oneOf"}}
    expected = {path for error in errors for path in _places(error)} - branching
    # The dialect reports such a fault at the value, or within the alternative that was meant.
    within = {path for path in found for above in branching if path[: len(above)] == above}
    assert expected <= found <= expected | within
    assert all(any(path[: len(above)] == above for path in within) for above in branching)


def _places(error: ValidationError) -> list[tuple[str | int, ...]]:
    """Return the paths that the dialect names: those of missing and unknown members themselves."""
    path, value, rule = tuple(error.path), cast("Any", error.instance), cast("Any", error.validator_value)
    if "propertyNames" in error.schema_path:
        return [(*path, value)]
    match error.validator:
        case "required":
            names = [name for name in rule if name not in value]
        case "dependentRequired":
            names = [each for name, needed in rule.items() if name in value for each in needed]
            names = [name for name in names if name not in value]
        case "additionalProperties":
            assert isinstance(error.schema, Mapping)
            names = [name for name in value if name not in error.schema.get("properties", {})]
        case _:
            return [path]
    return [(*path, name) for name in names]


def _differs(schema: Any) -> bool:
    """jsonschema checks no `uri` unless another package is there, and takes 1e20 for an integer."""
    text = json.dumps(schema)
    return '"uri"' in text or '"integer"' in text or "0.1" in text


@unhurried
@given(roots, values)
def test_deterministic_and_stable(schema: dict[str, Any], value: dict[str, Any]) -> None:
    parsed = parsed_or_none(schema)
    if parsed is None:
        return
    filled, violations = validate_parameters(parsed, value, LOC)

    assert validate_parameters(parse_parameter_schema(parsed.schema, ()), value, LOC) == (filled, violations)
    backwards = dict(reversed(value.items()))
    assert validate_parameters(parsed, backwards, LOC) == (filled, violations)
    assert validate_parameters(parsed, filled, LOC) == (filled, violations)
    assert all(violation.loc[: len(LOC)] == LOC for violation in violations)


@unhurried
@given(roots, st.dictionaries(names, json_values(marked | scalars), max_size=4))
def test_messages_hold_no_value(schema: dict[str, Any], value: dict[str, Any]) -> None:
    parsed = parsed_or_none(schema)
    if parsed is None:
        return
    _, violations = validate_parameters(parsed, value, LOC)

    assert all(MARK not in violation.msg for violation in violations)


@unhurried
@given(roots, st.data())
def test_defaults_of_accepted_schemas_are_valid(schema: dict[str, Any], data: st.DataObject) -> None:
    for subschema in schema["properties"].values():
        subschema["default"] = data.draw(json_values(scalars))
    parsed = parsed_or_none({"properties": schema["properties"]})
    if parsed is None:
        return
    filled, violations = validate_parameters(parsed, {}, LOC)

    assert violations == ()
    assert set(filled) == set(parsed.properties)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
)


@unhurried
@given(anything, anything)
def test_never_raises(schema: Any, value: Any) -> None:
    parsed = parsed_or_none(schema)
    for known in filter(None, [parsed, parse_parameter_schema({"additionalProperties": True}, ())]):
        filled, violations = validate_parameters(known, value, LOC)

        assert len(violations) <= 10
        json.dumps(filled, allow_nan=False)


@unhurried
@given(
    st.dictionaries(
        st.sampled_from(
            ["type", "properties", "items", "required", "anyOf", "enum", "pattern", "default", "parameters"]
        ),
        anything,
    )
)
def test_malformed_keywords_are_refused_not_raised(schema: Any) -> None:
    parsed_or_none(schema)
    parsed_or_none({"properties": {"a": schema}})


@unhurried
@given(json_values(scalars | st.floats(allow_nan=False, allow_infinity=False)), json_values(scalars))
def test_equality_is_jsons(one: Any, other: Any) -> None:
    equal = json.dumps(canonical_copy(one)) == json.dumps(canonical_copy(other))

    assert (equality_key(one) == equality_key(other)) is equal
    assert equality_key(one) == equality_key(json.loads(json.dumps(one)))


@pytest.mark.parametrize("number", [2**53, -(2**53), 1.7976931348623157e308, 5e-324])
def test_extreme_numbers(number: float) -> None:
    assert check_limits([number], (), VALUE_LIMITS) == ()
    assert list(Evaluator({"multipleOf": 5e-324, "minimum": -1e308}).violations(number, ())) == []
