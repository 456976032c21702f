"""Example parameters that a template's own schema offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from model_operator.core.parameters.examples import ExampleParameters, example_parameters
from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.parameters.validation import validate_parameters
from tests.unit.core.parameters.test_parameter_properties import parsed_or_none, roots, unhurried
from tests.work import bounded_calls

CASES = yaml.safe_load((Path(__file__).parent / "examples.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["about"])
def test_example(case: dict[str, Any]) -> None:
    schema = parse_parameter_schema(case["schema"], ("spec",))

    found = example_parameters(schema, case.get("stated_only", ()))

    assert found == ExampleParameters(case.get("values"), tuple(case.get("missing", ())))


@unhurried
@given(roots)
def test_what_is_found_is_valid_and_what_is_missing_is_required(written: dict[str, Any]) -> None:
    schema = parsed_or_none(written)
    if schema is None:
        return

    found = example_parameters(schema)

    if found.values is None:
        assert set(found.missing) <= set(schema.properties) | schema.required
    else:
        assert validate_parameters(schema, found.values, ())[1] == ()
    assert example_parameters(schema) == found


HOSTILE: dict[str, Any] = {
    "endless string": {"type": "string", "minLength": 2**53},
    "endless list": {"type": "array", "minItems": 2**53},
    "list of lists": {
        "type": "array",
        "minItems": 999,
        "items": {"type": "array", "minItems": 999, "items": {"type": "array", "minItems": 999}},
    },
    "costly pattern": {"type": "string", "minLength": 30_000, "pattern": "^((a|b|c)+(x|y)+){20}z$"},
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_schema_is_given_up_soon(hostile: dict[str, Any]) -> None:
    names = [f"P{number}" for number in range(20)]
    schema = parse_parameter_schema(
        {"required": names, "properties": dict.fromkeys(names, hostile)}, ("spec",)
    )

    with bounded_calls(100_000):
        found = example_parameters(schema)

    assert found.values is None
