"""Conditions and the patch that writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.objects.conditions import Condition, kstatus_conditions, merge_conditions
from model_operator.core.values.merge_patch import merge_patch
from tests.unit.core.values.rfc7386 import apply_merge_patch

BEFORE, NOW = "2026-01-01T08:00:00Z", "2026-01-01T09:00:00Z"


def test_merging_conditions() -> None:
    current = yaml.safe_load("""
        - {type: Ready, status: "False", reason: Deploying, message: Starting., observedGeneration: 1,
           lastTransitionTime: "2026-01-01T08:00:00Z"}
        - {type: Reconciling, status: "True", reason: Deploying, message: Starting., observedGeneration: 1,
           lastTransitionTime: "2026-01-01T08:00:00Z"}
        - {type: example.com/Audited, status: Unknown, reason: Waiting, message: "",
           lastTransitionTime: "2026-01-01T08:00:00Z"}
    """)
    wanted = [
        Condition("Ready", False, "NameConflict", "Somebody else's."),
        Condition("Stalled", True, "NameConflict", "Somebody else's."),
    ]

    merged = merge_conditions(current, wanted, generation=2, now=NOW)

    assert merged == yaml.safe_load("""
        - {type: example.com/Audited, status: Unknown, reason: Waiting, message: "",
           lastTransitionTime: "2026-01-01T08:00:00Z"}
        - {type: Ready, status: "False", reason: NameConflict, message: Somebody else's.,
           observedGeneration: 2, lastTransitionTime: "2026-01-01T08:00:00Z"}
        - {type: Stalled, status: "True", reason: NameConflict, message: Somebody else's.,
           observedGeneration: 2, lastTransitionTime: "2026-01-01T09:00:00Z"}
    """)


def test_a_message_is_cut_at_what_the_api_takes() -> None:
    merged = merge_conditions([], [Condition("Ready", True, "R", "x" * 40000)], generation=1, now=NOW)

    assert len(merged[0]["message"]) == 32768


@pytest.mark.parametrize(
    ("ready", "stalled", "types"),
    [
        (True, False, ["Ready"]),
        (True, True, ["Ready"]),
        (False, False, ["Ready", "Reconciling"]),
        (False, True, ["Ready", "Stalled"]),
    ],
)
def test_kstatus_types(ready: bool, stalled: bool, types: list[str]) -> None:
    conditions = kstatus_conditions(ready=ready, stalled=stalled, reason="R", message="M")

    assert [condition.type for condition in conditions] == types
    assert [condition.status for condition in conditions] == [ready, True][: len(types)]


@pytest.mark.parametrize(
    ("current", "wanted", "patch"),
    [
        ("{a: 1}", "{a: 1}", "{}"),
        ("{a: 1}", "{a: 2}", "{a: 2}"),
        ("{a: 1, b: 2}", "{b: 2}", "{a: null}"),
        ("{a: 1}", "{a: null}", "{a: null}"),
        ("{}", "{a: null}", "{}"),
        ("{}", "{a: {}, b: []}", "{a: {}, b: []}"),
        ("{s: {a: 1, b: {c: 1, d: 2}}}", "{s: {a: 1, b: {c: 2}}}", "{s: {b: {c: 2, d: null}}}"),
        ("{a: {b: 1}}", "{a: [1]}", "{a: [1]}"),
        ("{a: [1]}", "{a: {b: null}}", "{a: {}}"),
        ("{l: [{a: 1}, {b: 1}]}", "{l: [{a: 1}]}", "{l: [{a: 1}]}"),
        ("{s: {default: 1}}", "{s: {default: null}}", "{s: {default: null}}"),
        # To Python true is 1 and false is 0.
        ("{a: true}", "{a: 1}", "{a: 1}"),
        ("{a: 0}", "{a: false}", "{a: false}"),
        ("{l: [{a: 1}]}", "{l: [{a: true}]}", "{l: [{a: true}]}"),
        ("{a: {b: 1}}", "{a: {b: true}}", "{a: {b: true}}"),
        ("{a: 1}", "{a: 1.0}", "{}"),
        # The API server drops null fields in lists, too; null items stay.
        ("{l: [{t: 1}, null]}", "{l: [{t: 1, const: null}, null]}", "{}"),
    ],
)
def test_merge_patch(current: str, wanted: str, patch: str) -> None:
    found = merge_patch(yaml.safe_load(current), yaml.safe_load(wanted))

    assert json.dumps(found, sort_keys=True) == json.dumps(yaml.safe_load(patch), sort_keys=True)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)
STORED = OBJECTS.map(lambda obj: apply_merge_patch({}, obj))


@given(STORED, OBJECTS)
def test_property_the_patch_makes_what_is_wanted(current: dict[str, Any], wanted: dict[str, Any]) -> None:
    patched = apply_merge_patch(current, merge_patch(current, wanted))

    # As text, in which true is not 1.
    assert json.dumps(patched, sort_keys=True) == json.dumps(apply_merge_patch({}, wanted), sort_keys=True)
    assert merge_patch(patched, wanted) == {}


@given(STORED)
def test_property_no_patch_for_what_is_there(current: dict[str, Any]) -> None:
    assert merge_patch(current, current) == {}
