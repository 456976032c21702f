"""The pages of docs/decisions have one form, are numbered as the list has them, and name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cluster.processes import REPOSITORY

PAGES = sorted((REPOSITORY / "docs" / "decisions").glob("*.md"))
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOTS = (REPOSITORY, REPOSITORY / "operator" / "model_operator")
PRODUCT_FILES = {path.name for path in ROOTS[1].rglob("*.py")}


def test_the_list_has_every_page_in_order_with_its_title() -> None:
    listed = re.findall(r"^\* \[(.+)\]\(decisions/(.+)\)$", ARCHITECTURE, re.MULTILINE)

    assert [name for _, name in listed] == [page.name for page in PAGES]
    assert [int(page.name[:2]) for page in PAGES] == list(range(1, len(PAGES) + 1))
    titles = [page.read_text(encoding="utf-8").splitlines()[0] for page in PAGES]
    assert [f"# {title}" for title, _ in listed] == titles


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_form_of_a_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Evidence", "Consequence"]
    assert "\n\n##" not in re.sub(r"\n\n## \w+\n\n(?=\S)", "", text), "a section is empty"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_of_a_page_exist(page: Path) -> None:
    for name in re.findall(r"`([\w./-]+\.(?:py|yaml))`", page.read_text(encoding="utf-8")):
        assert any((root / name).is_file() for root in ROOTS) or name in PRODUCT_FILES, name
