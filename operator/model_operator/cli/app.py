"""What the commands ``model-operator`` and ``kubectl model`` have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import getdoc
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from model_operator import __version__
from model_operator.cli.terminal import guard_streams, write

PROGRAM = "model-operator"


def new_app(
    name: str,
    summary: str,
    commands: Iterable[Callable[..., Any]],
    shown_name: str = PROGRAM,
    group: type[TyperGroup] = TyperGroup,
    options: Callable[..., None] | None = None,
) -> typer.Typer:
    """Return a command line.

    Parameters
    ----------
    name
        Name of the program's file.
    summary
        Its purpose, in a sentence.
    commands
        The functions of its commands.
    shown_name
        The name in the examples of the commands' help.
    group
        The click group of the commands.
    options
        A function whose parameters are the options before the command; by default only ``--version``.
    """
    guarded = type(group.__name__, (_Guarded, group), {})
    app = typer.Typer(
        name=name,
        help=summary,
        cls=guarded,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help keeps the lines of examples, and is the same in a pipe
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for command in commands:
        text = (getdoc(command) or "").replace(
            f"{PROGRAM} {command.__name__}", f"{shown_name} {command.__name__}"
        )
        app.command(help=text)(command)
    app.callback(help=summary)(options or _options)
    return app


def new_group(name: str, summary: str, commands: Mapping[str, Callable[..., Any]]) -> typer.Typer:
    """Return a group of commands, to add to a command line.

    Parameters
    ----------
    name, summary
        Its name and purpose.
    commands
        The functions of its commands, by name.
    """
    group = typer.Typer(name=name, help=summary, no_args_is_help=True, rich_markup_mode=None)
    for command, function in commands.items():
        group.command(command)(function)
    return group


class _Guarded(TyperGroup):
    """Escapes all output, also that of click: usage errors repeat the arguments."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        guard_streams()
        return super().main(*args, **kwargs)


def _print_version(wanted: bool) -> None:
    if wanted:
        write(f"{PROGRAM} {__version__}\n")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
]


def _options(_version: Version = False) -> None:
    """Take the options before the command."""
