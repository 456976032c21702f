"""The program ``kubectl-model``, which is ``kubectl model``, and its part in kubectl's completion."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO

import typer
from typer.core import TyperGroup

from model_operator.cli.app import new_app
from model_operator.cli.plugin.instances import instances
from model_operator.cli.plugin.status import status
from model_operator.cli.plugin.templates import templates
from model_operator.cli.plugin.wait import wait
from model_operator.cli.plugin.why import why
from model_operator.cli.render import render
from model_operator.cli.terminal import write
from model_operator.cli.validate import validate

FILE = "kubectl-model"
NAME = "kubectl model"
_OF_FILES = frozenset({"render", "validate"})
_NO_FILES, _FILES = ":4", ":0"
"""Directives of cobra, kubectl's library for this: whether files are offered where nothing else is."""


class _Context(typer.Context):
    """Where the help says how to call the program, it says it as it is called by kubectl."""

    @property
    def command_path(self) -> str:
        return super().command_path.replace(FILE, NAME, 1)


class _Group(TyperGroup):
    context_class = _Context


app = new_app(
    FILE,
    "Shows the models of a cluster, and what they lack.",
    (status, why, wait, instances, templates, render, validate),
    NAME,
    _Group,
)


def main() -> None:
    """Run the plugin."""
    sys.exit(app(prog_name=FILE))


def complete() -> None:
    """Print what may come next on a command line, as kubectl wants it of ``kubectl_complete-model``.

    The arguments are the words after ``kubectl model``; the last one, perhaps empty, is to be completed.
    Typer is asked by its protocol for fish, the one in which a choice has a description, too.
    """
    *words, last = sys.argv[1:] or [""]
    os.environ |= {
        "COLUMNS": "1000",  # a description is not to be wrapped
        "_KUBECTL_MODEL_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": f"{shlex.join([FILE, *words])} {shlex.quote(last) if last else ''}",
    }
    written = StringIO()
    with redirect_stdout(written), suppress(SystemExit):
        app(prog_name=FILE)
    choices = [line for line in written.getvalue().splitlines() if line]
    takes_files = not choices and bool(_OF_FILES & set(words[:1]))
    write("".join(f"{line}\n" for line in [*choices, _FILES if takes_files else _NO_FILES]))
