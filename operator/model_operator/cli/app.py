"""What the commands ``model-operator`` and ``kubectl model`` have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import getdoc
from pkgutil import resolve_name
from typing import Annotated, Any, ClassVar, NamedTuple

import typer
from typer.core import TyperGroup

from model_operator import __version__
from model_operator.cli.terminal import guard_streams, write
from model_operator.process.garbage_collection import without_collection

PROGRAM = "model-operator"


class Command(NamedTuple):
    """A command, whose module is imported only when it is run or completed, or its help is shown.

    Attributes
    ----------
    name
        Its name.
    function
        Its function, as ``module:name``.
    summary
        The first sentence of the function's docstring, or its beginning, for lists of commands.
    """

    name: str
    function: str
    summary: str


class CommandGroup(TyperGroup):
    """A click group that replaces the stub of a command by the command itself when its name is found.

    Until then the stub stands for it in lists of commands and in the completion of names. Importing the
    modules of all commands takes longer than most commands run. All output is escaped, also that of click:
    usage errors repeat the arguments.

    Attributes
    ----------
    table
        The commands.
    shown_name
        The name of the program in the examples of their help.
    """

    table: ClassVar[Sequence[Command]] = ()
    shown_name: ClassVar[str] = PROGRAM

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        guard_streams()
        return super().main(*args, **kwargs)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name of a command, the command, and its arguments."""
        name, found, rest = super().resolve_command(ctx, args)
        for command in self.table:
            if command.name == name:
                found = self.commands[name] = self._loaded(command)
        return name, found, rest

    def _loaded(self, command: Command) -> Any:
        with without_collection():
            function = resolve_name(command.function)
        text = (getdoc(function) or "").replace(
            f"{PROGRAM} {command.name}", f"{self.shown_name} {command.name}"
        )
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(command.name, help=text)(function)
        return typer.main.get_command(alone)


def new_app(
    name: str, summary: str, group: type[CommandGroup], options: Callable[..., None] | None = None
) -> typer.Typer:
    """Return a command line.

    Parameters
    ----------
    name
        Name of the program's file.
    summary
        Its purpose, in a sentence.
    group
        Its commands.
    options
        A function whose parameters are the options before the command; by default only ``--version``.
    """
    app = typer.Typer(
        name=name,
        help=summary,
        cls=group,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help keeps the lines of examples, and is the same in a pipe
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    _add_stubs(app, group)
    app.callback(help=summary)(options or _options)
    return app


def new_group(name: str, summary: str, group: type[CommandGroup]) -> typer.Typer:
    """Return a group of commands, to add to a command line.

    Parameters
    ----------
    name, summary
        Its name and purpose.
    group
        Its commands.
    """
    app = typer.Typer(name=name, help=summary, cls=group, no_args_is_help=True, rich_markup_mode=None)
    _add_stubs(app, group)
    return app


def _add_stubs(app: typer.Typer, group: type[CommandGroup]) -> None:
    for command in group.table:
        app.command(command.name, help=command.summary)(_stub)


def _stub() -> None:
    """Stand for a command whose module is not imported yet."""


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
