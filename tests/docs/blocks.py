"""The code blocks of the documents, each with a mark before it that says what keeps it true.

A mark is a comment in the line before the block, and one of these:

=========================  =======================================================================
`run`                      commands; a test runs them without a cluster and compares what they write
`on a cluster`             commands; a test runs them on what ``make dev`` starts, and compares
`file: NAME`               a file that the document's commands read
`example: X`, `result: X`  the parts of a template and an instance, and what they become
`tested by: PATH`          a test of its own, or several between commas
`not run: REASON`          nothing runs it, and why
=========================  =======================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.cluster.processes import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = "run"
ON_A_CLUSTER = "on a cluster"
COMMANDS = frozenset({RUN, ON_A_CLUSTER})
TESTED_BY = "tested by"
NOT_RUN = "not run"

_LANGUAGES = {
    RUN: {"console"},
    ON_A_CLUSTER: {"console"},
    "file": {"yaml", "dockerfile", "python", "json"},
    "example": {"yaml"},
    "result": {"yaml", "text"},
    TESTED_BY: {"yaml", "console", "text", "python"},
    NOT_RUN: {"yaml", "console", "text", "csv"},
}
_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]+) -->\n)?(?P<indent> *)(?P<fence>```+)(?P<language>[^\n]*)\n"
    r"(?P<text>.*?)^(?P=indent)(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_FEWEST_WORDS = 4


@dataclass(frozen=True)
class Block:
    """A code block of a document.

    Attributes
    ----------
    file
        The name of the file that it is, else empty.
    mark
        What stands in the comment before it, else empty.
    text
        What is in it.
    start, end
        Where that begins and ends in the document.
    language
        The word behind the fence.
    line
        The line of the fence, from 1.
    """

    file: str
    mark: str
    text: str
    start: int
    end: int
    language: str = "console"
    line: int = 0

    @property
    def kind(self) -> str:
        """What the mark says in general: what stands before its colon."""
        return self.mark.partition(":")[0]

    @property
    def detail(self) -> str:
        """What the mark says in particular: what stands behind its colon."""
        return self.mark.partition(":")[2].strip()


def documents() -> list[Path]:
    """Give the Markdown files of the repository that are for people to read."""
    patterns = ("*.md", "docs/*.md", "docs/decisions/*.md", "examples/*/*.md")
    return sorted(path for pattern in patterns for path in REPOSITORY.glob(pattern))


def blocks(document: str) -> Iterator[Block]:
    """Yield all code blocks of a document's text, in order."""
    for match in _BLOCK.finditer(document):
        mark = match["mark"] or ""
        start, end = match.span("text")
        yield Block(
            file=mark.removeprefix("file: ") if mark.startswith("file: ") else "",
            mark=mark,
            text=match["text"],
            start=start,
            end=end,
            language=match["language"],
            line=document.count("\n", 0, match.start("fence")) + 1,
        )


def commands(block: Block) -> list[str]:
    """Give the commands of a block: behind prompts where it has any, else each line but the comments.

    A line that ends with a backslash goes on in the next.
    """
    lines = block.text.replace("\\\n", "\\\0").splitlines()
    prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    chosen = prompted or [line for line in lines if line and not line.startswith("#")]
    return [line.replace("\\\0", "\\\n") for line in chosen]


def faults(document: str) -> Iterator[str]:
    """Yield what is wrong with the marks of a document's blocks, each with its line."""
    found = list(blocks(document))
    fences = len(re.findall(r"^ *```", document, re.MULTILINE))
    if fences != 2 * len(found):
        yield f"expected each of its {fences} fences to begin or end a block, got {len(found)} blocks"
    for block in found:
        for fault in _faults(block):
            yield f"line {block.line}: {fault}"


def _faults(block: Block) -> Iterator[str]:
    if block.kind not in _LANGUAGES:
        known = ", ".join(_LANGUAGES)
        yield f"a block needs a mark that says what keeps it true ({known}), got {block.mark!r}"
        return
    if block.language not in _LANGUAGES[block.kind]:
        known = ", ".join(sorted(_LANGUAGES[block.kind]))
        yield f"a block with the mark {block.kind!r} must be of {known}, got {block.language!r}"
    if block.kind == NOT_RUN and len(block.detail.split()) < _FEWEST_WORDS:
        yield f"say why nothing runs it, got {block.detail!r}"
    if block.kind == TESTED_BY:
        for path in block.detail.split(", "):
            if not re.fullmatch(r"tests/\S*test_\w+\.py", path) or not (REPOSITORY / path).is_file():
                yield f"{path!r} is no file of tests"
