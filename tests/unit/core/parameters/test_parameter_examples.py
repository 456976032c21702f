"""Schemas and values as YAML, and what is said about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.parameters.validation import validate_parameters
from model_operator.core.values.violations import InvalidObjectError, Violation, format_loc

HERE = Path(__file__).parent


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def described(violation: Violation) -> str:
    assert violation.loc[0] == "spec"
    return f"{format_loc(violation.loc[1:])}: {violation.msg} ({violation.type})"


def value_cases() -> list[Any]:
    cases = []
    for path in sorted((HERE / "values").glob("*.yaml")):
        table = load(path)
        for index, case in enumerate(table["cases"]):
            cases.append(pytest.param(table["schema"], case, id=f"{path.stem}-{index}"))
    return cases


@pytest.mark.parametrize(("schema", "case"), value_cases())
def test_values(schema: Any, case: dict[str, Any]) -> None:
    parsed = parse_parameter_schema(schema, ("spec",))

    values, violations = validate_parameters(parsed, case["given"], ("spec",))

    assert [described(violation) for violation in violations] == case.get("violations", [])
    if "values" in case:
        assert json.dumps(values) == json.dumps(case["values"]), "keys are sorted, 2.0 is 2"


@pytest.mark.parametrize("case", load(HERE / "schemas" / "refused.yaml"))
def test_schema_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidObjectError) as refused:
        parse_parameter_schema(case["schema"], ("spec",))

    assert [described(violation) for violation in refused.value.violations] == case["violations"]


@pytest.mark.parametrize("case", load(HERE / "schemas" / "normalised.yaml"))
def test_schema_is_normalised(case: dict[str, Any]) -> None:
    parsed = parse_parameter_schema(case["schema"], ("spec",))

    assert parsed.schema == case["becomes"]
    assert parse_parameter_schema(parsed.schema, ("spec",)) == parsed


def test_schema_that_is_no_object() -> None:
    with pytest.raises(InvalidObjectError, match="spec: must be an object, got a list"):
        parse_parameter_schema([], ("spec",))  # type: ignore[arg-type]


def test_order_of_keys_makes_no_difference() -> None:
    one = parse_parameter_schema({"properties": {"a": {"type": "string", "default": ""}, "b": {}}}, ())
    other = parse_parameter_schema({"properties": {"b": {}, "a": {"default": "", "type": "string"}}}, ())

    assert str(one) == str(other)
    assert str(validate_parameters(one, {"b": {"x": 1, "y": 2}}, ())) == str(
        validate_parameters(other, {"b": {"y": 2, "x": 1}}, ())
    )


def test_input_is_neither_changed_nor_shared() -> None:
    schema = parse_parameter_schema({"properties": {"a": {"default": {"b": []}}, "c": {}}}, ())
    given: dict[str, Any] = {"c": {"d": []}}

    values, _ = validate_parameters(schema, given, ())
    values["c"]["d"].append(1)
    values["a"]["b"].append(1)

    assert given == {"c": {"d": []}}
    assert schema.defaults == {"a": {"b": []}}
