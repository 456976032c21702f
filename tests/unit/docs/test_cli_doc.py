"""Every example of docs/cli.md is run: its files, its commands, and what they write.

``UPDATE_GOLDEN=1 pytest tests/unit/docs/test_cli_doc.py`` writes what they write now into the document.
"""

from __future__ import annotations

import os
from pathlib import Path

from model_operator.core.offline.stored_form import unevaluated_rules
from tests.unit.docs.console import blocks, run

DOCUMENT = Path(__file__).parents[3] / "docs" / "cli.md"
ON_A_CLUSTER = "on a cluster"


def test_examples(tmp_path: Path) -> None:
    text = document = DOCUMENT.read_text(encoding="utf-8")
    moved = 0
    ran = 0
    for block in blocks(document):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.mark != ON_A_CLUSTER:
            written = run(block, tmp_path)
            ran += 1
            if os.environ.get("UPDATE_GOLDEN"):
                text = text[: block.start + moved] + written + text[block.end + moved :]
                moved += len(written) - len(block.text)
                DOCUMENT.write_text(text, encoding="utf-8")
            else:
                assert written == block.text
    assert ran > 8


def test_names_the_rules_that_are_not_evaluated() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition("### What only a cluster finds")[2]
    paths = [path for _, path, _ in unevaluated_rules()]
    assert paths
    assert all(f"`{path}`" in section for path in paths)
