"""Texts of other components, which authors of objects can influence, are searched in bounded time."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

from model_operator.core import diagnosis
from model_operator.core.diagnosis.foreign_messages import Refuser, rejection

MODULES = [each.name for each in pkgutil.iter_modules(diagnosis.__path__)]
UNBOUNDED = re.compile(r"\.[*+]")


def patterns(value: Any) -> Iterator[str]:
    if isinstance(value, re.Pattern):
        yield value.pattern
    elif isinstance(value, tuple):
        for each in value:
            yield from patterns(each)


@pytest.mark.parametrize("name", MODULES)
def test_no_pattern_has_two_unbounded_parts(name: str) -> None:
    module = importlib.import_module(f"{diagnosis.__name__}.{name}")

    for pattern in patterns(tuple(vars(module).values())):
        assert len(UNBOUNDED.findall(pattern)) <= 2 * pattern.count("|") + 1, pattern


MARKS = "exceeded quota: team, requested: "


@pytest.mark.parametrize(
    "message",
    [
        MARKS * 20 + ", used: " * 100 + ", limited: " * 100 + "\n\nx",
        MARKS + ", used: " * 400,
        MARKS + "pods=1, used: pods=one, limited: pods=1",
    ],
)
def test_a_text_like_that_of_a_quota_is_one_without_amounts(message: str) -> None:
    assert rejection(message).refuser is Refuser.QUOTA
    assert rejection(message).uses == ()
