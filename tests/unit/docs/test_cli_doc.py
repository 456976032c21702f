"""docs/cli.md names what it should; its examples are run by test_commands.py."""

from __future__ import annotations

from pathlib import Path

from model_operator.core.offline.stored_form import unevaluated_rules

DOCUMENT = Path(__file__).parents[3] / "docs" / "cli.md"


def test_names_the_rules_that_are_not_evaluated() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition("### Differences from a cluster")[2]
    paths = [path for _, path, _ in unevaluated_rules()]
    assert paths
    assert all(f"`{path}`" in section for path in paths)
