"""Schemas and values made to hang, crash or reach out: each is refused or evaluated within bounds.

The bounds are counted in units of work (`core.parameters.schemas.budget`), of which one takes some 5 µs.
Calls are counted beside them to catch what the units do not count.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from model_operator.core.parameters.schema import ParameterSchema, parse_parameter_schema
from model_operator.core.parameters.schemas import evaluator as evaluator_module
from model_operator.core.parameters.schemas import patterns
from model_operator.core.parameters.schemas.budget import Budget
from model_operator.core.parameters.schemas.evaluator import Evaluator
from model_operator.core.parameters.validation import validate_parameters
from model_operator.core.values.violations import InvalidObjectError
from tests.examples.hostile_parameters import REFUSED_SCHEMAS, STRINGS, VALUES, one, tree
from tests.work import bounded_calls

LOC = ("spec", "model_creation_parameters")
MOST_CALLS = 1_000_000


@pytest.mark.parametrize(("schema", "message"), REFUSED_SCHEMAS.values(), ids=REFUSED_SCHEMAS)
def test_schema_is_refused(schema: Any, message: str) -> None:
    with bounded_calls(MOST_CALLS), pytest.raises(InvalidObjectError) as refused:
        parse_parameter_schema(schema, ("spec",))

    assert 1 <= len(refused.value.violations) <= 10
    assert message in str(refused.value)


@pytest.mark.parametrize(("schema", "given", "codes"), VALUES.values(), ids=VALUES)
def test_value_is_evaluated_in_bounds(schema: Any, given: Any, codes: list[str]) -> None:
    parsed = parse_parameter_schema(schema, ("spec",))

    with bounded_calls(MOST_CALLS):
        values, violations = validate_parameters(parsed, given, LOC)

    assert sorted({violation.type for violation in violations}) == codes
    assert len(violations) <= 10
    assert len(json.dumps([violation.to_dict() for violation in violations])) < 20_000
    if values:
        assert validate_parameters(parsed, given, LOC)[1] == violations


def test_faults_found_before_the_work_ran_out_are_told() -> None:
    items = {"allOf": [{"maximum": 1}, tree("allOf", {"type": "integer"}, 1)]}
    schema = parse_parameter_schema(one({"items": items}), ())

    _, violations = validate_parameters(schema, {"a": [2, *[1] * 990]}, ())

    assert [violation.type for violation in violations] == ["too_complex", "less_than_equal"]


def test_schema_and_value_at_every_limit_are_accepted() -> None:
    schema = parse_parameter_schema({"properties": {f"p{i:02}": STRINGS for i in range(64)}}, ())

    values, violations = validate_parameters(schema, {f"p{i:02}": ["x" * 60] * 14 for i in range(64)}, ())

    assert len(values) == 64
    assert violations == ()


@pytest.mark.parametrize("error", [RuntimeError, RecursionError, OverflowError, MemoryError])
def test_a_check_that_fails_is_a_violation(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise error

    schema = parse_parameter_schema({}, ())
    monkeypatch.setattr(Budget, "spend_for", fail)

    _, violations = validate_parameters(schema, {"a": 1}, ("p",))

    assert [violation.to_dict() for violation in violations] == [
        {
            "loc": ["p"],
            "msg": "could not be checked against its schema; simplify the schema",
            "type": "not_checkable",
        }
    ]


@pytest.mark.parametrize("reference", ["https://schemas.test/a", "file:///etc/passwd", "#/properties/a"])
def test_no_reference_is_resolved(reference: str) -> None:
    with pytest.raises(InvalidObjectError, match="write the schema out"):
        parse_parameter_schema(one({"$ref": reference}), ())

    # Nor would an evaluation: there is no check of this keyword.
    assert list(Evaluator(one({"$ref": reference})).violations({"a": 1}, ())) == []


def test_the_schema_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    compile_pattern: Callable[[str], Any] = patterns.compile_pattern

    def count(text: str) -> Any:
        compiled.append(text)
        return compile_pattern(text)

    schema: ParameterSchema = parse_parameter_schema(one({"pattern": "x"}), ())
    monkeypatch.setattr(evaluator_module, "compile_pattern", count)
    for _ in range(3):
        validate_parameters(schema, {"a": "x"}, ())

    assert compiled == ["x"]
