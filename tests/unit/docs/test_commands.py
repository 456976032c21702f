"""The commands of the documents that need no cluster are run: the files, the commands, and what they write.

``UPDATE_GOLDEN=1 pytest tests/unit/docs/test_commands.py`` writes what they write now into the documents.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster.processes import REPOSITORY
from tests.docs.blocks import RUN, blocks, documents
from tests.docs.console import run

DOCUMENTS = [
    path
    for path in documents()
    if any(block.mark == RUN for block in blocks(path.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_commands(path: Path, tmp_path: Path) -> None:
    text = document = path.read_text(encoding="utf-8")
    moved = 0
    for block in blocks(document):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        if block.mark != RUN:
            continue
        written = run(block, tmp_path)
        if os.environ.get("UPDATE_GOLDEN"):
            text = text[: block.start + moved] + written + text[block.end + moved :]
            moved += len(written) - len(block.text)
            path.write_text(text, encoding="utf-8")
        else:
            assert written == block.text


def test_the_command_line_s_is_among_them() -> None:
    assert REPOSITORY / "docs" / "cli.md" in DOCUMENTS
