"""The pictures of the documents belong to their sources and name files that exist."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hack import pictures
from tests.cluster.processes import REPOSITORY
from tests.docs.blocks import documents

PRODUCT = REPOSITORY / "operator" / "model_operator"
SOURCES = sorted(pictures.PICTURES.glob("*.dot"))


def test_no_picture_is_outdated() -> None:
    assert SOURCES
    assert pictures.outdated() == []
    assert {path.stem for path in pictures.PICTURES.glob("*.svg")} == {source.stem for source in SOURCES}


def test_a_changed_or_missing_picture_is_outdated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PICTURES", tmp_path)
    source = tmp_path / "a.dot"
    source.write_text("digraph { a -> b }")
    assert pictures.outdated() == [source]
    source.with_suffix(".svg").write_text(pictures.mark(source))
    assert pictures.outdated() == []
    source.write_text("digraph { a -> c }")
    assert pictures.outdated() == [source]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_picture_has_the_words_of_its_source_and_loads_nothing(source: Path) -> None:
    svg = ET.fromstring(source.with_suffix(".svg").read_text(encoding="utf-8"))
    texts = [(text.text or "").strip() for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    labels = re.findall(r'^  .*\[label="([^"]+)"', source.read_text(encoding="utf-8"), re.MULTILINE)
    assert labels
    assert [
        line for label in labels for line in label.split(r"\n") if line.strip() and line.strip() not in texts
    ] == []
    assert [each.tag for each in svg.iter() if any(name.endswith("href") for name in each.attrib)] == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_picture_names_files_that_exist(source: Path) -> None:
    folders = [PRODUCT, *(path for path in PRODUCT.rglob("*") if path.is_dir())]
    text = source.read_text(encoding="utf-8").replace(r"\n", "\n")
    for name in re.findall(r"\w+/[\w/.]*|\w+\.py", text):
        assert any((folder / name).exists() for folder in folders), name


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_a_document_shows_the_picture(source: Path) -> None:
    assert any(f"(pictures/{source.stem}.svg)" in path.read_text(encoding="utf-8") for path in documents())
