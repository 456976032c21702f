"""Quantities as Kubernetes reads them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_operator.core.values.quantities import canonical_quantity, parse_quantity

READ = {
    "0": "0",
    "1": "1",
    "+1": "1",
    "-1.5": "-1.5",
    "5.": "5",
    ".5": "0.5",
    "007": "7",
    "100m": "0.1",
    "250u": "0.00025",
    "3n": "0.000000003",
    "2k": "2000",
    "2Ki": "2048",
    "1.5Gi": "1610612736",
    "1E": "1000000000000000000",
    "1Ei": "1152921504606846976",
    "1e3": "1000",
    "1E3": "1000",
    "1E-3": "0.001",
    "9223372036854775807": "9223372036854775807",
    "1.23456789012345678901234567890123456789": "1.23456789012345678901234567890123456789",
}


@pytest.mark.parametrize(("text", "number"), READ.items())
def test_read_exactly(text: str, number: str) -> None:
    assert parse_quantity(text) == Decimal(number)


@pytest.mark.parametrize(("given", "number"), [(2, "2"), (0, "0"), (0.5, "0.5"), (1e-05, "0.00001")])
def test_numbers_as_yaml_gives_them(given: float, number: str) -> None:
    assert parse_quantity(given) == Decimal(number)


TEXTS = ["", "x", "1 Gi", " 1", "1\n", "1gi", "1K", "1KI", "1.2.3", "1e", "1e3Gi", "1e100", "--1", "."]
OTHER_TEXTS = ["0x10", "1_000", "1,5", "Infinity", "NaN", "1" * 65, "\N{ARABIC-INDIC DIGIT ONE}"]
NO_TEXTS = [None, True, [1], float("inf"), float("nan")]


@pytest.mark.parametrize("given", [*TEXTS, *OTHER_TEXTS, *NO_TEXTS])
def test_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="expected a quantity such as 500m, 2 or 8Gi"):
        parse_quantity(given)


def test_the_message_never_has_the_value() -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse_quantity("hunter2")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("spellings", "canonical"),
    [
        (["1", "1.0", "1000m", "1e0", "+1", 1, 1.0], "1"),
        (["0", "0.0", "-0", "0Gi", 0, "0e5"], "0"),
        (["1Gi", "1024Mi", "1073741824", 1073741824], "1073741824"),
        (["0.5", ".5", "500m", 0.5], "0.5"),
        (["1e20", "100E"], "100000000000000000000"),
        # The API server rounds resources up to thousandths.
        (["1m", "0.5m", "1u", "1n"], "0.001"),
        (["1.0001Gi", "1073849198183m"], "1073849198.183"),
    ],
)
def test_one_text_for_all_spellings(spellings: list[str | float], canonical: str) -> None:
    assert {canonical_quantity(spelling) for spelling in spellings} == {canonical}


SUFFIXES = ["", *"numkMGTPE", *(f"{letter}i" for letter in "KMGTPE"), "e3", "E-3", "e+18"]


@given(st.decimals("-1e12", "1e12", allow_nan=False), st.sampled_from(SUFFIXES))
def test_property_the_canonical_text_is_a_quantity_and_canonical(number: Decimal, suffix: str) -> None:
    text = f"{number:.9f}{suffix}"
    canonical = canonical_quantity(text)

    assert canonical_quantity(canonical) == canonical
    # `abs` would round to 28 digits.
    assert Decimal(canonical).copy_abs() - parse_quantity(text).copy_abs() < Decimal("0.001")
