"""Find denied words in the product and in the documents: ``make check`` fails on any.

The words and their replacements are in ``hack/denied_words.yaml``, the reasons in ``docs/style.md``. A line
that needs one, such as a quotation, is listed in ``hack/allowed_words.yaml`` with its reason.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
DENIED = ROOT / "hack" / "denied_words.yaml"
ALLOWED = ROOT / "hack" / "allowed_words.yaml"
CHECKED = (
    "operator/**/*.py",
    "*.md",
    "docs/**/*.md",
    "examples/**/*.md",
    "charts/**/*.md",
    "charts/*/values.yaml",
    "manifests/**/*.yaml",
    "crds/*.yaml",
    "Makefile",
)


class Finding(NamedTuple):
    """One denied word in a text.

    Attributes
    ----------
    path
        The file, relative to the repository.
    line
        Its line, from 1.
    word
        The word as it is written.
    instead
        What to write.
    """

    path: str
    line: int
    word: str
    instead: str


class Denied(NamedTuple):
    """One entry of the deny list, compiled."""

    pattern: re.Pattern[str]
    instead: str


class Allowed(NamedTuple):
    """One exception: a file, and a part of each line that may hold the word."""

    path: str
    text: str


def read_denied(text: str) -> tuple[Denied, ...]:
    """Read the deny list.

    Parameters
    ----------
    text
        YAML: ``denied`` is a mapping of a regular expression to what to write instead.
    """
    # `_` belongs to an identifier: `has_told` is a name that holds the word.
    return tuple(
        Denied(re.compile(rf"(?<![^\W_])(?:{expression})(?![^\W_])", re.IGNORECASE), instead)
        for expression, instead in yaml.safe_load(text)["denied"].items()
    )


def read_allowed(text: str) -> tuple[Allowed, ...]:
    """Read the exceptions.

    Parameters
    ----------
    text
        YAML: ``allowed`` is a list of ``{path, text, reason}``.
    """
    return tuple(Allowed(entry["path"], entry["text"]) for entry in yaml.safe_load(text)["allowed"])


def find(path: str, text: str, denied: tuple[Denied, ...], allowed: tuple[Allowed, ...]) -> Iterator[Finding]:
    """Yield the denied words of one file.

    Parameters
    ----------
    path
        The file, relative to the repository.
    text
        What it holds.
    denied, allowed
        The deny list and its exceptions.
    """
    exceptions = [entry.text for entry in allowed if entry.path == path]
    for number, line in enumerate(text.splitlines(), 1):
        if any(exception in line for exception in exceptions):
            continue
        for entry in denied:
            for match in entry.pattern.finditer(line):
                yield Finding(path, number, match.group(), entry.instead)


def unused(allowed: tuple[Allowed, ...], texts: dict[str, str]) -> list[Allowed]:
    """Return the exceptions that no checked file needs."""
    return [entry for entry in allowed if entry.text not in texts.get(entry.path, "")]


def main() -> int:
    """Print the findings; give 1 if there is any."""
    denied = read_denied(DENIED.read_text())
    allowed = read_allowed(ALLOWED.read_text())
    paths = sorted({path for pattern in CHECKED for path in ROOT.glob(pattern) if path.is_file()})
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in paths}
    findings = [finding for path, text in texts.items() for finding in find(path, text, denied, allowed)]
    for finding in findings:
        print(f"{finding.path}:{finding.line}: {finding.word!r}; write: {finding.instead}")
    stale = unused(allowed, texts)
    for entry in stale:
        print(f"{ALLOWED.name}: {entry.path}: no line holds {entry.text!r}; remove the exception")
    print(f"{len(findings)} denied words in {len(texts)} files.")
    return 1 if findings or stale else 0


if __name__ == "__main__":
    sys.exit(main())
