"""JSON on the wire means the same to a JSON and to a YAML parser."""

from __future__ import annotations

import json

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_operator.core.json_values import wire_json

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
