"""``kubectl model status``: an instance with its Deployments and pods, as a tree."""

from __future__ import annotations

import datetime
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.text import Text

from model_operator.cli.options import Context, InstanceName, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.queries import Target, instance_name, run_query
from model_operator.cli.terminal import Painted, Part, columns, console, note, write
from model_operator.core.inspection.facts import Facts
from model_operator.core.inspection.tree import COLUMNS, Tone, closing_lines, instance_tree
from model_operator.core.values.printable import printable

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster

_AGE = COLUMNS.index("AGE")
_COLOURS = {Tone.GOOD: "green", Tone.BUSY: "yellow", Tone.BAD: "red", Tone.PLAIN: ""}


def status(
    instance: InstanceName,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep running and show each change, until Ctrl-C.")
    ] = False,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show an instance, its Deployments and their pods, and why they are not ready.

    On a terminal, --watch updates the output in place; in a pipe, it prints the whole tree again after each
    change, separated by an empty line. It ends when the instance is deleted.

    \b
    Examples:
      kubectl model status minilm
      kubectl model status minilm --namespace team-a --watch
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    name = instance_name(instance)
    target = Target(kubeconfig, context, namespace)
    if watch:
        run_query(target, lambda cluster: _watch(cluster, name))
    else:
        write(*status_parts(run_query(target, lambda cluster: cluster.facts(name)), _now()))


async def _watch(cluster: Cluster, name: str) -> None:
    # Importing the API client takes half a second; other commands do not need it.
    from model_operator.cli.plugin.following import follow  # noqa: PLC0415

    screen = console()
    if sys.stdout.isatty() and not screen.is_dumb_terminal:
        with Live(console=screen, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
            async for facts in follow(cluster, name):
                live.update(Text.assemble(*status_parts(facts, _now())[:-1]), refresh=True)
    else:
        shown: list[tuple[str, ...]] = []
        async for facts in follow(cluster, name):
            now = _now()
            lines = [line.texts for line in instance_tree(facts, now)]
            # A change may concern only ages, or fields that are not shown.
            tree = [(*texts[:_AGE], *texts[_AGE + 1 :]) for texts in lines] + [tuple(closing_lines(facts))]
            if tree != shown:
                write("\n" if shown else "", *status_parts(facts, now))
                shown = tree
    note(f"ModelInstance {cluster.namespace}/{name} was deleted")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def status_parts(facts: Facts, now: datetime.datetime) -> list[Part]:
    """Return an instance's tree with its closing lines.

    Parameters
    ----------
    facts
        The instance and its objects in the cluster.
    now
        The current time, for ages.
    """
    tree = instance_tree(facts, now)
    rows = [tuple(map(printable, line.texts)) for line in tree]
    title, *lines = columns([COLUMNS, *rows])
    parts: list[Part] = [title]
    for text, row, line in zip(lines, rows, tree, strict=True):
        parts += ["\n", *_with_colour(text, row, _COLOURS[line.tone])]
    words = [printable(each) for each in closing_lines(facts)]
    parts += (f"\n{each}" for each in [*([""] if words else []), *words])
    return [*parts, "\n"]


def _with_colour(text: str, row: tuple[str, ...], colour: str) -> list[Part]:
    """Return a line with its status in a colour."""
    name, state, *_ = row
    start = text.index(state, len(name))
    return [text[:start], Painted(state, colour), text[start + len(state) :]]
