"""Counts in messages agree with their nouns."""

from __future__ import annotations

import pytest

from model_operator.core.values.words import plural


@pytest.mark.parametrize(("count", "text"), [(0, "0 old workers"), (1, "1 old worker"), (2, "2 old workers")])
def test_a_count_agrees_with_its_noun(count: int, text: str) -> None:
    assert plural(count, "old worker") == text
