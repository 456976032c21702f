"""Bounds on values: what is too large is refused before it is looked at."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.parameters.validation import validate_parameters
from model_operator.core.values.limits import Limits, _fits, _Walk, check_limits

LOOP: list[Any] = []
LOOP.append(LOOP)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, []),
        ({"a": [1, 2.5, True, None, "é" * 16 * 1024]}, []),
        ({"a": 2**53, "b": -(2**53), "c": 1e300}, []),
        ({"a": 2**53 + 1}, ["p.a: must be an integer within ±2^53, got a larger one"]),
        ({"a": -(10**400)}, ["p.a: must be an integer within ±2^53, got a larger one"]),
        ({"a": 1e21, "b": -1e300}, []),
        # The API server sends it as 100000000000000000000, and nobody can tell what was given.
        ({"a": 1e20}, ["p.a: must be an integer within ±2^53, got a larger one"]),
        ({"a": math.nan}, ["p.a: must be a finite number, got NaN or an infinity"]),
        ({"a": [1, -math.inf]}, ["p.a[1]: must be a finite number, got NaN or an infinity"]),
        ({"a": list(range(999))}, []),
        ({"a": list(range(1000))}, ["p: must have at most 1000 elements, got more"]),
        ({str(i): {} for i in range(1001)}, ["p: must have at most 1000 elements, got more"]),
        ({"a": nested(8)}, []),
        ({"a": nested(9)}, ["p.a[0][0][0][0][0][0][0][0]: must be nested at most 8 levels deep, got more"]),
        ({"a": LOOP}, ["p.a[0][0][0][0][0][0][0][0]: must be nested at most 8 levels deep, got more"]),
        ({"a": "x" * 32 * 1024}, []),
        ({"a": "x" * (32 * 1024 + 1)}, ["p.a: must be a string of at most 32 KiB, got more"]),
        ({"a": "é" * (16 * 1024 + 1)}, ["p.a: must be a string of at most 32 KiB, got more"]),
        ({"a": ["x" * 32000, "x" * 32000, "x" * 3000]}, ["p: must be at most 64 KiB as JSON, got more"]),
        ({"a": ["\x01" * 12000]}, ["p: must be at most 64 KiB as JSON, got more"]),
        ({"k" * 257: 1}, ["p: keys must have at most 256 characters, got more"]),
        ({1: 2}, ["p: keys must be strings, got a key that is an integer"]),
        ({None: 2}, ["p: keys must be strings, got a key that is null"]),
        ({"a\0": 2}, ["p: keys must be valid Unicode without NUL characters"]),
        (
            {"a": "\ud800"},
            ["p.a: must be valid Unicode without NUL characters: arguments and variables cannot hold them"],
        ),
        (
            {"a": "x\0y"},
            ["p.a: must be valid Unicode without NUL characters: arguments and variables cannot hold them"],
        ),
        (
            {"a": date(2025, 1, 31)},
            ["p.a: must be a string, number, boolean, list, object or null, got a value of type date"],
        ),
    ],
)
def test_limits(value: Any, expected: list[str]) -> None:
    assert [str(violation) for violation in check_limits(value, ("p",))] == expected

    values, violations = validate_parameters(
        parse_parameter_schema({"additionalProperties": True}, ()), value, ("p",)
    )
    assert [str(violation) for violation in violations] == expected
    assert bool(values) == (not expected and bool(value))


def test_at_most_ten_are_told() -> None:
    assert len(check_limits([math.nan] * 900, ())) == 10
    assert len(check_limits(dict.fromkeys(range(900)), ())) == 10


@pytest.mark.parametrize(
    "value", ["", 'é"\\\n\x7f', [], {}, [1, [2.5, None], {"a": True, "b": False}], -0.5, 12]
)
def test_size_is_that_of_canonical_json(value: Any) -> None:
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode())

    assert not check_limits(value, (), Limits(size=size, elements=10, depth=10, string=1024))
    assert check_limits(value, (), Limits(size=size - 1, elements=10, depth=10, string=1024))


def test_defaults_count_too() -> None:
    schema = parse_parameter_schema({"properties": {"a": {"default": "x" * 8000}, "b": {}}}, ())

    assert validate_parameters(schema, {"b": ["y" * 29_000] * 2}, ("p",))[1] != ()
    assert validate_parameters(schema, {"a": "", "b": ["y" * 29_000] * 2}, ("p",))[1] == ()


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(
        [2**53, 2**53 + 1, 2**64, -(2**70), "a" * 30, "é" * 16, "\0", "\ud800", "\\u0000", (), date.min]
    )
    | st.text(max_size=40)
)
KEYS = st.text(max_size=3) | st.integers(0, 1) | st.sampled_from(["k" * 256, "k" * 257])


@settings(deadline=None)
@given(
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=20,
    ),
    st.builds(Limits, st.integers(0, 60), st.integers(0, 8), st.integers(0, 3), st.integers(0, 32)),
)
def test_what_the_short_look_lets_through_has_nothing_wrong(value: Any, limits: Limits) -> None:
    if _fits(value, limits):
        assert _Walk(limits, ()).check(value) == ()


def test_the_short_look_is_enough_for_what_people_write() -> None:
    value = {
        "MODEL": "BAAI/bge-small-en-v1.5",
        "BATCH": 8,
        "RATE": 0.5,
        "FLAGS": [True, None, {"a": "größer"}],
    }
    assert _fits(value, Limits(size=200, elements=20, depth=3, string=40))
