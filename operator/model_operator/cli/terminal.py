"""Output of commands: with colours on a terminal, without in a pipe; errors in one line.

All output is escaped by `core.values.printable`: our own texts in `write` and `note`, and the output of
libraries and the interpreter, such as usage errors and tracebacks, by `guard_streams`.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TextIO

import click
import typer

from model_operator.core.values.printable import escaped, printable

if TYPE_CHECKING:
    from rich.console import Console

_GAP = 3
_KEPT = 32
"""Number of characters at the end of an open line that may begin a sequence to escape."""
UNUSABLE = 2
"""Exit status when a command could not do its work: wrong options, files that cannot be read."""


class Painted(NamedTuple):
    """A text in a colour, for streams that support colours; without a colour, plain text."""

    text: str
    colour: str


Part = str | Painted


class _Line:
    """Escapes text that is written in pieces as if each line were written at once."""

    def __init__(self) -> None:
        self._open = ""

    def escaped(self, text: str) -> str:
        whole = escaped(self._open + text)
        shown = whole[len(self._open) :]
        _, _, line = whole.rpartition("\n")
        if len(line) > _KEPT:
            line = " " if line.isspace() else f"-{line[-_KEPT:]}"
        self._open = line
        return shown


class _Guard(io.TextIOBase):
    """A stream that escapes all text written to it.

    It has no ``buffer``, by which libraries could bypass it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unguarded = stream
        self._line = _Line()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.unguarded.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.unguarded.errors

    def write(self, text: str) -> int:
        self.unguarded.write(self._line.escaped(text))
        return len(text)

    def flush(self) -> None:
        self.unguarded.flush()

    def isatty(self) -> bool:
        return self.unguarded.isatty()

    def fileno(self) -> int:
        return self.unguarded.fileno()

    def writable(self) -> bool:
        return True


def guard_streams() -> None:
    """Escape all further output to standard output and standard error, whatever code writes it."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, _Guard):
            if isinstance(stream, io.TextIOWrapper):
                # A character that the encoding lacks must not end the program.
                stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, _Guard(stream))


def unguarded(stream: TextIO) -> TextIO:
    """Return the stream behind a guard, for text that is already escaped."""
    return stream.unguarded if isinstance(stream, _Guard) else stream


def write(*parts: Part, commands: bool = False) -> None:
    """Write to standard output and flush, so that a closed pipe is noticed here and not at exit.

    Parameters
    ----------
    parts
        Texts of any number of lines.
    commands
        Whether the texts are commands to GitHub's runner.
    """
    _write(sys.stdout, parts, commands=commands)


def note(*parts: Part) -> None:
    """Write a line to standard error."""
    _write(sys.stderr, (*parts, "\n"))


def _write(stream: TextIO, parts: Iterable[Part], *, commands: bool = False) -> None:
    line, target = _Line(), unguarded(stream)
    coloured = has_colours(target)
    for part in parts:
        text, colour = part if isinstance(part, Painted) else (part, "")
        shown = escaped(text, commands=True) if commands else line.escaped(text)
        target.write(click.style(shown, fg=colour) if colour and coloured else shown)
    target.flush()


def plain(parts: Iterable[Part]) -> str:
    """Return texts without colours."""
    return "".join(part.text if isinstance(part, Painted) else part for part in parts)


def fail(message: str, code: int = UNUSABLE) -> NoReturn:
    """End the program with an error message.

    Parameters
    ----------
    message
        What was expected, what was found, and what to do.
    code
        Exit status.
    """
    note(f"{program()}: error: {printable(message)}")
    raise typer.Exit(code=code)


def program() -> str:
    """Return the name of the program: kubectl runs ``kubectl-model`` for ``kubectl model``."""
    return "kubectl model" if Path(sys.argv[0]).name.startswith("kubectl") else "model-operator"


def has_colours(stream: TextIO) -> bool:
    """Return whether a stream is a terminal with colours enabled (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def console() -> Console:
    """Return a console on standard output; make texts `printable` before drawing them."""
    # Few commands draw, and importing rich takes as long as all else that a list of commands needs.
    from rich.console import Console  # noqa: PLC0415

    return Console(file=unguarded(sys.stdout), highlight=False, markup=False, emoji=False)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns, without a limit of their width."""
    widths = [max(map(len, column)) + _GAP for column in zip(*rows, strict=True)]
    return [
        "".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
