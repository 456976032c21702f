"""Valid schemas are kept by their text, so what differs in one character is another schema."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from model_operator.core.parameters import schema as subject
from model_operator.core.parameters.schema import KEPT_BYTES, KEPT_SCHEMAS, parse_parameter_schema
from model_operator.core.values.violations import InvalidObjectError

LOC = ("spec", "model_creation_parameters_schema")


def with_default(value: Any, **others: Any) -> dict[str, Any]:
    return {"properties": {"NAME": {"default": value}, **others}}


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> None:
    subject._kept.cache_clear()


def test_the_same_schema_is_checked_once() -> None:
    first = parse_parameter_schema(with_default(1, OTHER={}), LOC)
    frozen: Mapping[str, Any] = MappingProxyType(with_default(1.0, OTHER={}))
    assert parse_parameter_schema(frozen, LOC) is first
    reordered = {"properties": {"OTHER": {}, "NAME": {"default": 1}}}
    assert parse_parameter_schema(reordered, LOC) is first


def test_values_that_python_takes_for_equal_are_different() -> None:
    found = [parse_parameter_schema(with_default(value), LOC) for value in (1, True, "1", 0, False, None)]
    assert [repr(each.defaults["NAME"]) for each in found] == ["1", "True", "'1'", "0", "False", "None"]


def test_a_schema_that_changes_after_its_check_changes_nothing() -> None:
    written = with_default(1)
    parse_parameter_schema(written, LOC)
    written["properties"]["NAME"]["default"] = 2
    assert parse_parameter_schema(written, LOC).defaults == {"NAME": 2}
    assert parse_parameter_schema(with_default(1), LOC).defaults == {"NAME": 1}


def test_violations_are_found_each_time_at_their_own_path() -> None:
    for loc in (LOC, LOC, ("spec", "model_request_parameters_schema")):
        with pytest.raises(InvalidObjectError) as caught:
            parse_parameter_schema({"properties": {"NAME": {"type": "text"}}}, loc)
        assert [each.loc for each in caught.value.violations] == [(*loc, "properties", "NAME", "type")]


def test_few_and_small_schemas_are_kept() -> None:
    for number in range(2 * KEPT_SCHEMAS):
        parse_parameter_schema(with_default(number), LOC)
    parse_parameter_schema(with_default("x" * KEPT_BYTES), LOC)
    info = subject._kept.cache_info()
    assert (info.currsize, info.misses) == (KEPT_SCHEMAS, 2 * KEPT_SCHEMAS)
