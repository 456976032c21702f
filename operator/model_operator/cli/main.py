"""The command ``model-operator``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from model_operator import __version__
from model_operator.cli.explain import explain
from model_operator.cli.render import render
from model_operator.cli.run import run
from model_operator.cli.schema import schema
from model_operator.cli.validate import validate

app = typer.Typer(
    name="model-operator",
    help="Deploys models from templates on Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help keeps the lines of examples, and is the same in a pipe
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (run, validate, render, schema, explain):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"model-operator {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Deploys models from templates on Kubernetes."""


def main() -> None:
    """Run the command line."""
    sys.exit(app())
