"""Tables of the documents keep each row on one line: a row that spans lines ends the table."""

from __future__ import annotations

import pytest

from hack.build.cache import REPOSITORY

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])


def broken_rows(text: str) -> list[str]:
    """Give the rows that do not end on the line on which they begin, outside of code blocks."""
    is_code = False
    found = []
    for line in text.splitlines():
        is_code ^= line.lstrip().startswith("```")
        if not is_code and line.startswith("| ") and not line.rstrip().endswith("|"):
            found.append(line)
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=[str(path.relative_to(REPOSITORY)) for path in DOCUMENTS])
def test_each_row_is_one_line(path: object) -> None:
    assert broken_rows(REPOSITORY.joinpath(str(path)).read_text()) == []


def test_a_row_that_spans_lines_is_found() -> None:
    assert broken_rows("| a | b |\n|---|---|\n| c | d\ne |\n```\n| f\n```\n") == ["| c | d"]
