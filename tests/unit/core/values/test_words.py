"""Counts in messages agree with their nouns."""

from __future__ import annotations

import pytest

from model_operator.core.values.words import duration, plural


@pytest.mark.parametrize(("count", "text"), [(0, "0 old workers"), (1, "1 old worker"), (2, "2 old workers")])
def test_a_count_agrees_with_its_noun(count: int, text: str) -> None:
    assert plural(count, "old worker") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (1800, "30 minutes"),
        (7200, "2 hours"),
        (604_800, "7 days"),
    ],
)
def test_a_time_has_the_largest_unit_that_fits(seconds: int, text: str) -> None:
    assert duration(seconds) == text
