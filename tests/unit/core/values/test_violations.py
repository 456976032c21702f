"""Violations: their order, their text and their form in a status."""

from __future__ import annotations

import pytest

from model_operator.core.values.violations import (
    InvalidObjectError,
    Loc,
    Violation,
    format_loc,
    sort_violations,
)


def violation(*loc: str | int, msg: str = "m", kind: str = "t") -> Violation:
    return Violation(loc, msg, kind)


def test_sorted_by_path_with_numbers_as_numbers_and_without_repeats() -> None:
    found = sort_violations(
        [
            violation("spec", "deployments", 10, "name"),
            violation("spec", "deployments", 2, "name"),
            violation("spec", "deployments"),
            violation("spec", "b", kind="b"),
            violation("spec", "b", kind="a"),
            violation("spec", "b", msg="a", kind="a"),
            violation("spec", "deployments", 2, "name"),
            violation("spec", "deployments", "x"),
        ]
    )

    assert found == (
        violation("spec", "b", msg="a", kind="a"),
        violation("spec", "b", kind="a"),
        violation("spec", "b", kind="b"),
        violation("spec", "deployments"),
        violation("spec", "deployments", 2, "name"),
        violation("spec", "deployments", 10, "name"),
        violation("spec", "deployments", "x"),
    )


@pytest.mark.parametrize(
    ("loc", "text"),
    [
        (("spec", "deployments", 0, "name"), "spec.deployments[0].name"),
        (("spec",), "spec"),
        ((0, 1, "a"), "[0][1].a"),
        ((), ""),
    ],
)
def test_path_as_kubectl_prints_it(loc: Loc, text: str) -> None:
    assert format_loc(loc) == text


def test_entry_of_a_status() -> None:
    entry = violation("spec", "deployments", 0).to_dict()

    assert entry == {"loc": ["spec", "deployments", 0], "msg": "m", "type": "t"}


def test_an_invalid_object_names_everything_that_is_wrong() -> None:
    error = InvalidObjectError([violation("spec", "b", msg="is missing"), violation("spec", "a")])

    assert error.violations == (violation("spec", "a"), violation("spec", "b", msg="is missing"))
    assert str(error) == "spec.a: m; spec.b: is missing"
