"""The reader of JSON is bounded in depth, whatever Python's own would bear."""

import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.values.json_reading import MAX_LEVELS, cut_off, levels_of, read_json

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('ab\\"[]{}', max_size=4), inner, max_size=4)
    ),
    max_leaves=40,
)


def nested(levels: int, inner: bytes = b"1") -> bytes:
    return b'{"a":' * levels + inner + b"}" * levels


@pytest.mark.parametrize("levels", [1, MAX_LEVELS - 1, MAX_LEVELS])
def test_what_is_within_the_bound_is_read_as_it_is(levels: int) -> None:
    assert read_json(nested(levels)) == orjson.loads(nested(levels))


@pytest.mark.parametrize("levels", [MAX_LEVELS + 1, 254, 255, 1000, 1023, 1024, 1025, 9_994, 300_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_lies_deeper_is_null(levels: int, opening: bytes, closing: bytes) -> None:
    value = read_json(opening * levels + b"1" + closing * levels)

    assert levels_of(value) == MAX_LEVELS
    for _ in range(MAX_LEVELS):
        (value,) = value.values() if isinstance(value, dict) else value
    assert value is None


def test_only_the_deep_part_is_cut_off() -> None:
    deep = nested(9_994, b'"}"')
    text = b'{"items":[{"n":1,"x":' + deep + b',"z":"[\\"{"},{"n":2}],"metadata":{"v":"7"}}'

    value = read_json(text)

    assert [item["n"] for item in value["items"]] == [1, 2]
    assert value["items"][0]["z"] == '["{'
    assert value["metadata"] == {"v": "7"}


@pytest.mark.parametrize("name", ["{}", "[]", "{}" * 9, "[]{}"])
def test_empty_brackets_in_names_hide_no_level(name: str) -> None:
    opening = '{"%s":' % name  # noqa: UP031
    value = read_json((opening * 900 + "1" + "}" * 900).encode())
    assert levels_of(value, 2000) == MAX_LEVELS


def test_many_empty_objects_are_read_as_they_are() -> None:
    text = b"[" + b",".join([b"{}", b"[]", b'{"f:spec":{}}'] * 500) + b"]"
    assert read_json(text) == [{}, [], {"f:spec": {}}] * 500


def test_a_page_with_a_deep_object_in_the_middle_keeps_all_others() -> None:
    items = [
        orjson.dumps({"metadata": {"name": f"n{number}"}, "spec": {"a": [{}] * 9}}) for number in range(500)
    ]
    items[250] = b'{"metadata":{"name":"n250"},"spec":' + nested(9_990) + b"}"

    page = read_json(b'{"items":[' + b",".join(items) + b"]}")

    assert [item["metadata"]["name"] for item in page["items"]] == [f"n{number}" for number in range(500)]


@given(json_values)
def test_cutting_changes_nothing_that_is_not_deep(value: Any) -> None:
    text = orjson.dumps(value)
    assert cut_off(text) == text
    assert read_json(text) == value


@given(json_values, st.integers(1, 4))
def test_cutting_leaves_as_many_levels_as_there_may_be(value: Any, levels: int) -> None:
    cut = orjson.loads(cut_off(orjson.dumps(value), levels))

    assert levels_of(cut) <= levels
    if levels_of(value) <= levels:
        assert cut == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1,]",
        b"NaN",
        b"[Infinity]",
        b"1e400",
        b"1" * 5000,
        rb'"\ud800"',
        b'"\xff"',
        b"[" * 9_994,
        b"]" * 300,
        b'{"a":' * 9_994,
        b"[" * 300 + b'"\\' * 10,
        b"[" * 300 + b'"' + b"\\" * 100_001,
        b"[" * 300 + b"]" * 301,
    ],
)
def test_what_is_no_json_is_refused_by_one_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"line 1 column|UTF-8|empty"):
        read_json(text)


def test_large_integers_are_floats_and_zeroes_are_kept() -> None:
    assert read_json(b"[123456789012345678901234567890, -0, 9007199254740993]") == [
        1.2345678901234568e29,
        0,
        2**53 + 1,
    ]


def test_values_fit_what_recurses_with_pythons_own_limit() -> None:
    """The operator no longer raises it: what is read is at most a fifth as deep."""
    assert sys.getrecursionlimit() >= 5 * MAX_LEVELS
    orjson.dumps(read_json(nested(9_994)))
