"""JSON on the wire means the same to a JSON and to a YAML parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_operator.core.values.json_values import stable_json, wire_json

# A lone surrogate is no text; limits refuse it.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None)
@given(TEXT, TEXT)
@example("🚀", "\x7f\x85\u2028\ufeff\uffff\U0010ffff")
@example("\\ud83d\\ude80", '"\n\t\0')
def test_json_and_yaml_read_the_same(key: str, text: str) -> None:
    wire = wire_json({key: [text]})

    assert json.loads(wire) == {key: [text]}
    if len(key) < 100:  # YAML bounds the length of a key
        assert yaml.safe_load(wire.decode()) == {key: [text]}


@pytest.mark.parametrize("value", [2**64, -(2**70), [[2**64], "é\x7f"]])
def test_integers_of_any_size_go_over_the_wire(value: Any) -> None:
    assert json.loads(wire_json(value)) == value


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXT, children, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUES)
@example(["a\x7f"])
@example({"b": 1, "a": [True, 1, 2**64, '\x7f\0"\\/', "é", "\ud800"]})
def test_stable_json_is_what_every_version_has_hashed(value: Any) -> None:
    assert stable_json(value) == json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def test_stable_json_tells_apart_what_python_does_not() -> None:
    assert len({stable_json([value]) for value in (True, 1, 1.0, "1", None, 0.0, -0.0)}) == 7


def test_stable_json_of_what_is_nested_deeply() -> None:
    value: Any = 1
    for _ in range(300):
        value = [value]
    assert stable_json(value) == json.dumps(value).encode()
