"""What is said to people: on a terminal with colours, in a pipe without; mistakes in one line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TextIO

import click
import typer

_GAP = 3
_BREAKS = re.compile(r"\s*[\r\n\t]\s*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
UNUSABLE = 2
"""Exit status when a command could not do its work: wrong options, files that cannot be read."""


def fail(message: str, code: int = UNUSABLE) -> NoReturn:
    """End the program with a message for who started it.

    Parameters
    ----------
    message
        What was expected, what was got, and what to do.
    code
        Exit status.
    """
    typer.echo(f"{program()}: error: {printable(message)}", err=True)
    raise typer.Exit(code=code)


def program() -> str:
    """Return what the program was called as: kubectl runs ``kubectl-model`` for ``kubectl model``."""
    return "kubectl model" if Path(sys.argv[0]).name.startswith("kubectl") else "model-operator"


def has_colours(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal on which colours are welcome (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, colour: str, stream: TextIO) -> str:
    """Return a text in a colour, where a stream takes colours."""
    return click.style(text, fg=colour) if has_colours(stream) else text


def printable(text: str) -> str:
    """Return a text from a cluster without what would steer the terminal: all in one line, and no escapes."""
    return _UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], _BREAKS.sub(" ", text))


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns stand below each other, however long they get."""
    widths = [max(map(len, column)) + _GAP for column in zip(*rows, strict=True)]
    return [
        "".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def write(text: str) -> None:
    """Write to standard output at once, so that a closed pipe is noticed here and not at the end."""
    sys.stdout.write(text)
    sys.stdout.flush()
