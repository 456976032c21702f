"""Runs the examples of a document: its files, its commands, and what the commands write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BLOCK = re.compile(
    r"^(?:<!-- (?:file: (?P<file>[\w.-]+)|(?P<mark>[\w ]+)) -->\n)?"
    r"```(?P<language>yaml|console)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
COMMANDS = Path(sys.executable).parent


@dataclass(frozen=True)
class Block:
    """A block of a document: a file to write, or commands to run and what they write."""

    file: str
    mark: str
    text: str
    start: int
    end: int


def blocks(document: str) -> Iterator[Block]:
    """Yield the files and the commands of a document, in order; other blocks are left out."""
    for match in BLOCK.finditer(document):
        if match["file"] or match["language"] == "console":
            start, end = match.span("text")
            yield Block(match["file"] or "", match["mark"] or "", match["text"], start, end)


def commands(block: Block) -> list[str]:
    """Give the commands of a block."""
    return [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]


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


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
