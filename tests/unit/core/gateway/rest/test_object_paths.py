"""Paths of fields that were written as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.gateway.rest.object_paths import parse_path
from model_operator.core.values.violations import Loc, format_loc


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("<nil>", ()),
        ("spec", ("spec",)),
        ("spec.deployments[0].name", ("spec", "deployments", 0, "name")),
        ("spec.a[0][12].b", ("spec", "a", 0, 12, "b")),
        (".spec.x", ("spec", "x")),
        ('spec.model_creation_parameters["a.b"][0].c', ("spec", "model_creation_parameters", "a.b", 0, "c")),
        ("spec.env['a.b']", ("spec", "env", "a.b")),
        ("metadata.labels[a.b/c]", ("metadata", "labels", "a.b/c")),
        ("spec.env[]", ("spec", "env", "")),
        ("spec.env[x]y].z", ("spec", "env", "x]y", "z")),
        (r"spec.env[a\nb\x00\u2028\\]", ("spec", "env", "a\nb\x00\u2028\\")),
        ("spec.env[open", ("spec", "env", "open")),
        ("spec..x", ("spec", "x")),
        ("spec.x.", ("spec", "x")),
    ],
)
def test_a_text_gives_a_path(text: str, path: Loc) -> None:
    assert parse_path(text) == path


def test_of_several_readings_the_one_that_the_object_has_comes_first() -> None:
    text = "spec.env[a].b[c]"
    assert parse_path(text) == ("spec", "env", "a", "b", "c")
    assert parse_path(text, {"spec": {"env": {"a].b[c": 1}}}) == ("spec", "env", "a].b[c")
    assert parse_path('spec["q"]', {"spec": {'"q"': 1}}) == ("spec", '"q"')


KEYS = st.text(max_size=8)


@given(st.lists(st.integers(0, 10**6) | KEYS, max_size=6))
def test_every_path_that_we_write_is_read_back_where_the_object_has_it(path: list[str | int]) -> None:
    loc: Loc = ("spec", *path)
    known: object = 1
    for part in reversed(loc):
        known = [known] * 1 if isinstance(part, int) and part == 0 else {part: known}
    assert parse_path(format_loc(loc), known) == loc


@given(st.text(max_size=30))
def test_any_text_is_read(text: str) -> None:
    assert isinstance(parse_path(text), tuple)
