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

from model_operator.cli.app import Command, CommandGroup, Version, new_app, new_group
from model_operator.cli.options import Context, Kubeconfig, NamespaceOfContext
from model_operator.cli.terminal import write

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


class _Commands(CommandGroup):
    """Takes the options of the cluster also before the command, as kubectl does."""

    context_class = _Context
    shown_name = NAME
    table = (
        Command(
            "status",
            "model_operator.cli.plugin.status:status",
            "Show an instance, its Deployments and their pods, and why they are not ready.",
        ),
        Command(
            "why",
            "model_operator.cli.plugin.why:why",
            "Explain why an instance is not Ready: what is wrong, where, who must act and how.",
        ),
        Command(
            "wait",
            "model_operator.cli.plugin.wait:wait",
            "Wait until an instance is Ready with its current generation and revision of the template.",
        ),
        Command(
            "instances",
            "model_operator.cli.plugin.instances:instances",
            "List the instances of a template, or all instances.",
        ),
        Command(
            "templates",
            "model_operator.cli.plugin.templates:templates",
            "List the ModelTemplates of a namespace, and the ClusterModelTemplates that are shared with it.",
        ),
        Command(
            "diff",
            "model_operator.cli.plugin.history:diff",
            "Show the differences between two revisions of a template, as a unified diff.",
        ),
        Command(
            "render",
            "model_operator.cli.render:render",
            "Print the Deployments, Services and other objects that the operator would apply for instances.",
        ),
        Command(
            "validate",
            "model_operator.cli.validate:validate",
            "Check templates and instances as the API server, the webhooks and the operator would.",
        ),
    )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest: list[str] = super().parse_args(ctx, args)
        given = {name: ctx.params[name] for name in _OF_ALL if ctx.params.get(name) is not None}
        # What comes after the command counts first.
        ctx.default_map = {name: _defaults(command, given) for name, command in self.commands.items()}
        return rest


class _RolloutCommands(CommandGroup):
    table = (
        Command(
            "status",
            "model_operator.cli.plugin.rollout_status:rollout_status",
            "Show where the roll-out of a template stands: the step, the instances, and what it waits for.",
        ),
        Command(
            "history",
            "model_operator.cli.plugin.history:history",
            "List the stored revisions of a template, the newest last, and how many instances run each.",
        ),
        Command(
            "undo",
            "model_operator.cli.plugin.history:undo",
            "Print a template as it was at an earlier revision, to commit it or for ``kubectl apply -f -``.",
        ),
        Command(
            "pause",
            "model_operator.cli.plugin.rollout_changes:pause",
            "Pause the roll-out of a template: no instance gets another revision.",
        ),
        Command(
            "resume",
            "model_operator.cli.plugin.rollout_changes:resume",
            "Resume the roll-out of a template that is paused.",
        ),
        Command(
            "approve",
            "model_operator.cli.plugin.rollout_changes:approve",
            "Approve the revision of a template that rolls out, for its steps with needs_approval.",
        ),
    )


class _KeyCommands(CommandGroup):
    table = (
        Command(
            "create",
            "model_operator.cli.plugin.key:create",
            "Create a key for the gateway and print it.",
        ),
        Command(
            "list",
            "model_operator.cli.plugin.key:list_keys",
            "List the keys of a namespace.",
        ),
        Command(
            "revoke",
            "model_operator.cli.plugin.key:revoke",
            "Revoke a key and delete all its parts.",
        ),
    )


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
    """Take the options before the command; `_Commands` hands those of the cluster on to it."""


app = new_app(
    FILE,
    "Shows the models of a cluster and why they are not ready, and gives keys for them.",
    _Commands,
    _options,
)
app.add_typer(
    new_group(
        "rollout",
        "Shows how an edit of a template reaches its instances, and holds, approves or undoes it.",
        _RolloutCommands,
    )
)
app.add_typer(new_group("key", "Creates, lists and revokes keys for the gateway.", _KeyCommands))


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
