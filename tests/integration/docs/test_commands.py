"""The commands of the documents do on a control plane what the documents show.

``UPDATE_GOLDEN=1 pytest tests/integration/docs/test_commands.py`` writes what they write now into them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import REPOSITORY
from tests.docs.blocks import ON_A_CLUSTER, Block, blocks, documents
from tests.docs.console import matches, run

if TYPE_CHECKING:
    from tests.integration.docs.conftest import Reader

WITH_TESTS_OF_THEIR_OWN = {REPOSITORY / "docs" / name for name in ("cli.md", "kubectl-plugin.md")}
"""In tests/integration/cli and tests/integration/plugin."""
SHORTENED = {
    "fleet/encoder.yaml": {
        "soak_seconds: 1800": "soak_seconds: 15",
        "\n  rollout:\n": "\n  rollout:\n    soak_seconds: 2\n",
    }
}
"""What stands in files of the documents, and what the test has in its place, so that it waits less."""
DOCUMENTS = [
    path
    for path in documents()
    if path not in WITH_TESTS_OF_THEIR_OWN
    and any(block.mark == ON_A_CLUSTER for block in blocks(path.read_text(encoding="utf-8")))
]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_commands(path: Path, reader: Reader) -> None:
    text = document = path.read_text(encoding="utf-8")
    moved = 0
    for block in blocks(document):
        if block.file:
            (reader.folder / block.file).write_text(shortened(block), encoding="utf-8")
        if block.mark != ON_A_CLUSTER:
            continue
        written = run(block, reader.folder, reader.environment)
        if os.environ.get("UPDATE_GOLDEN") and not matches(block.text, written):
            text = text[: block.start + moved] + written + text[block.end + moved :]
            moved += len(written) - len(block.text)
            path.write_text(text, encoding="utf-8")
        elif not os.environ.get("UPDATE_GOLDEN"):
            assert matches(block.text, written), (
                f"{path.name}:{block.line} shows:\n{block.text}\nbut:\n{written}"
            )


def shortened(block: Block) -> str:
    text = block.text
    for written, shorter in SHORTENED.get(block.file, {}).items():
        assert written in text, written
        text = text.replace(written, shorter)
    return text


def test_the_walks_are_among_them() -> None:
    assert {path.name for path in DOCUMENTS} >= {"README.md", "tutorial.md", "rollouts.md"}
