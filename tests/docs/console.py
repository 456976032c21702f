"""Runs the examples of a document: its commands, and what they write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.docs import blocks as documents
from tests.docs.blocks import Block, commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Block", "blocks", "commands", "matches", "run"]

COMMANDS = Path(sys.executable).parent
_AGE = re.compile(r"\b(\d+d)?(\d+h)?(\d+m)?(\d+s)?(?=\s|$)")


def blocks(document: str) -> Iterator[Block]:
    """Yield the files and the commands of a document, in order; other blocks are left out."""
    for block in documents.blocks(document):
        if block.file or block.mark in documents.COMMANDS:
            yield block


def run(block: Block, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a block's commands in a folder, in one shell, and give it as it would be written now."""
    script = "".join(f"printf '%s\\n' {_quoted('$ ' + command)}\n{command}\n" for command in commands(block))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("MODEL_OPERATOR_")},
            "PATH": f"{COMMANDS}:{os.environ['PATH']}",
            **(environment or {}),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


def matches(shown: str, written: str) -> bool:
    """Tell whether a document shows what was written, but for what differs each time.

    That are ages, as in kubectl's tables, and the width of columns. `…` stands for anything within a line;
    alone in a line, for any lines.
    """
    pattern = "".join(
        r"(?:.*\n)*?"
        if line.strip() == "…"
        else r"[^\n]*?".join(map(re.escape, _without_ages(line).split("…"))) + r"\n"
        for line in shown.splitlines()
    )
    plain = "".join(f"{_without_ages(line)}\n" for line in written.splitlines())
    return re.fullmatch(pattern, plain) is not None


def _without_ages(line: str) -> str:
    return re.sub(" {2,}", "  ", _AGE.sub(lambda age: "AGE" if age[0] else "", line)).rstrip()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
