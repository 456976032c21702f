"""Which markers tests have: a newcomer without a control plane runs ``pytest -m "not cluster"``."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from tests.marks import MARKS, is_older, marks

TESTS = Path(__file__).parents[1]
WITHOUT = {"unit"}
"""Folders whose tests take nothing but Python."""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("unit/test_settings.py", []),
        ("unit/chaos/test_proxy.py", []),
        ("integration/operator/test_run.py", ["cluster"]),
        ("integration/test_images.py", ["cluster", "root"]),
        ("integration/real_node/test_failures.py", ["cluster", "root", "slow"]),
        ("chaos/test_chaos.py", ["cluster", "slow"]),
        ("e2e/test_image.py", ["cluster", "root", "slow"]),
    ],
)
def test_marks_of_a_file(path: str, expected: list[str]) -> None:
    assert marks(PurePath(path)) == expected


def test_each_place_is_there() -> None:
    assert [place for places in MARKS.values() for place in places if not (TESTS / place).exists()] == []


def test_each_folder_with_tests_has_a_marker_or_needs_none() -> None:
    folders = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}

    assert folders - WITHOUT == set(MARKS["cluster"])


def test_this_run_has_the_markers(request: pytest.FixtureRequest) -> None:
    wrong = [
        item.nodeid
        for item in request.session.items
        if {mark.name for mark in item.iter_markers()} & MARKS.keys()
        != set(marks(item.path.relative_to(TESTS)))
    ]
    assert wrong == []


def test_the_newest_version_is_older_than_none() -> None:
    assert not is_older(None, "1.36")
    assert is_older("1.30.14", "1.36")
    assert is_older("1.9.9", "1.10")
    assert not is_older("1.36.3", "1.36")
