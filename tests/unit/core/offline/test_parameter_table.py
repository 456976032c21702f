"""What the table of parameters says of the alternatives of a value."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.offline.parameter_table import parameter_rows
from model_operator.core.parameters.schema import parse_parameter_schema


@pytest.mark.parametrize(
    ("branches", "allowed"),
    [
        ([{"enum": ["--a", "--b"]}, {"pattern": "^--c=[0-9]+$"}], '"--a", "--b" or matches ^--c=[0-9]+$'),
        (
            [{"type": "string", "minLength": 1, "maxLength": 2}, {"const": "abc"}],
            'at least 1 characters and at most 2 characters or "abc"',
        ),
        ([{"enum": ["a"]}, {"allOf": [{"minLength": 3}]}], "more rules, see `model-operator schema`"),
        ([{"enum": ["a"]}, {"type": "string"}], "more rules, see `model-operator schema`"),
    ],
)
def test_alternatives_are_shown_unless_they_have_more_rules(branches: list[Any], allowed: str) -> None:
    items = {"type": "string", "anyOf": branches}
    schema = parse_parameter_schema({"properties": {"args": {"type": "array", "items": items}}}, ())

    (row,) = parameter_rows(schema, {})

    assert row.allowed == f"items: {allowed}"
