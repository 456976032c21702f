"""The deny list of words finds what it should, and nothing else."""

from __future__ import annotations

import pytest

from hack.words import DENIED, Allowed, find, read_allowed, read_denied, unused

LIST = read_denied(DENIED.read_text())


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("It is told twice.", "told"),
        ("def has_told_of(self):", "told"),
        ("def _tells_later(self):", "tells"),
        ("Somebody else's Service", "Somebody else's"),
        ("what serves stays", "what serves"),
        ("the template has gone", "has gone"),
        ("roll-outs that do not get on", "get on"),
    ],
)
def test_denied_word_is_found(text: str, word: str) -> None:
    assert word in [finding.word for finding in find("a.md", text, LIST, ())]


@pytest.mark.parametrize(
    "text", ["Toldby", "a tellurium mirror", "he gets one", "targets on a node", "goneness"]
)
def test_part_of_a_word_is_no_word(text: str) -> None:
    assert list(find("a.md", text, LIST, ())) == []


def test_finding_has_the_line_and_a_replacement() -> None:
    (finding,) = find("a.md", "one\nwhat serves\n", LIST, ())

    assert (finding.path, finding.line) == ("a.md", 2)
    assert finding.instead


def test_exception_holds_for_its_file_only() -> None:
    allowed = (Allowed("a.md", "quoted: told"),)

    assert list(find("a.md", "quoted: told", LIST, allowed)) == []
    assert list(find("b.md", "quoted: told", LIST, allowed)) != []


def test_exception_without_a_line_is_named() -> None:
    allowed = read_allowed("allowed: [{path: a.md, text: told, reason: a quotation}]")

    assert unused(allowed, {"a.md": "nothing"}) == list(allowed)
    assert unused(allowed, {"a.md": "told"}) == []
