"""What is said to people: on a terminal with colours, in a pipe without; mistakes in one line."""

from __future__ import annotations

import os
import sys
from typing import NoReturn, TextIO

import click
import typer

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
    typer.echo(f"model-operator: error: {message}", err=True)
    raise typer.Exit(code=code)


def has_colours(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal on which colours are welcome (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, colour: str, stream: TextIO) -> str:
    """Return a text in a colour, where a stream takes colours."""
    return click.style(text, fg=colour) if has_colours(stream) else text


def write(text: str) -> None:
    """Write to standard output at once, so that a closed pipe is noticed here and not at the end."""
    sys.stdout.write(text)
    sys.stdout.flush()
