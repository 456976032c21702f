"""The program ``kubectl-model``, run as ``kubectl model``, and its completion for kubectl."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO
from typing import Any

import typer
from typer.core import TyperGroup

from model_operator.cli.app import Version, new_app, new_group
from model_operator.cli.options import Context, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.history import diff, history, undo
from model_operator.cli.plugin.instances import instances
from model_operator.cli.plugin.key import create, list_keys, revoke
from model_operator.cli.plugin.rollout_changes import approve, pause, resume
from model_operator.cli.plugin.rollout_status import rollout_status
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
_OF_ALL = ("namespace", "context", "kubeconfig")
"""Options that may also come before the command."""
_NO_FILES, _FILES = ":4", ":0"
"""Directives of cobra, kubectl's completion library: whether to offer files without other choices."""


class _Context(typer.Context):
    """Shows the program in its help as kubectl calls it."""

    @property
    def command_path(self) -> str:
        return super().command_path.replace(FILE, NAME, 1)


class _Group(TyperGroup):
    """Takes the options of the cluster also before the command, as kubectl does."""

    context_class = _Context

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest: list[str] = super().parse_args(ctx, args)
        given = {name: ctx.params[name] for name in _OF_ALL if ctx.params.get(name) is not None}
        # What comes after the command counts first.
        ctx.default_map = {name: _defaults(command, given) for name, command in self.commands.items()}
        return rest


def _defaults(command: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return the default map of a command; a group has one for each of its commands."""
    if isinstance(command, TyperGroup):
        return {name: _defaults(each, given) for name, each in command.commands.items()}
    return given


def _options(
    _version: Version = False,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Take the options before the command; `_Group` hands those of the cluster on to it."""


app = new_app(
    FILE,
    "Shows the models of a cluster and why they are not ready, and gives keys for them.",
    (status, why, wait, instances, templates, diff, render, validate),
    NAME,
    _Group,
    _options,
)
app.add_typer(
    new_group(
        "rollout",
        "Shows how an edit of a template reaches its instances, and holds, approves or undoes it.",
        {
            "status": rollout_status,
            "history": history,
            "undo": undo,
            "pause": pause,
            "resume": resume,
            "approve": approve,
        },
    )
)
app.add_typer(
    new_group(
        "key",
        "Creates, lists and revokes keys for the gateway.",
        {"create": create, "list": list_keys, "revoke": revoke},
    )
)


def main() -> None:
    """Run the plugin."""
    sys.exit(app(prog_name=FILE))


def complete() -> None:
    """Print completions for kubectl, which runs this as ``kubectl_complete-model``.

    The arguments are the words after ``kubectl model``; the last one, possibly empty, is completed. Typer is
    called by its protocol for fish, in which a choice has a description.
    """
    *words, last = sys.argv[1:] or [""]
    os.environ |= {
        "COLUMNS": "1000",  # do not wrap descriptions
        "_KUBECTL_MODEL_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": f"{shlex.join([FILE, *words])} {shlex.quote(last) if last else ''}",
    }
    written = StringIO()
    with redirect_stdout(written), suppress(SystemExit):
        app(prog_name=FILE)
    choices = [line for line in written.getvalue().splitlines() if line]
    takes_files = not choices and bool(_OF_FILES & set(words))
    write("".join(f"{line}\n" for line in [*choices, _FILES if takes_files else _NO_FILES]))
