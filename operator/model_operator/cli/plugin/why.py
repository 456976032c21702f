"""``kubectl model why``: what is wrong with an instance, where, who must act and how."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import typer

from model_operator.cli.options import Context, InstanceName, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.queries import Target, instance_name, run_query
from model_operator.cli.terminal import Painted, Part, write
from model_operator.core.inspection.explanation import Explanation, explain
from model_operator.core.values.printable import printable

_WIDTH = 9


def why(
    instance: InstanceName,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Explain why an instance is not Ready: what is wrong, where, who must act and how.

    Exit status: 0 if it is Ready with its current generation and revision of the template, 1 if not, 2 if
    the cluster cannot be queried.

    \b
    Examples:
      kubectl model why minilm
      kubectl model why minilm --namespace team-a || echo "not Ready"
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    name = instance_name(instance)
    facts = run_query(Target(kubeconfig, context, namespace), lambda cluster: cluster.facts(name))
    found = explain(facts, datetime.datetime.now(datetime.UTC))
    write(*why_parts(found))
    raise typer.Exit(0 if found.is_healthy else 1)


def why_parts(found: Explanation) -> list[Part]:
    """Return an explanation as text."""
    title = Painted(printable(found.title), "green" if found.is_healthy else "red")
    return [title, "\n", *labelled(found.parts)]


def labelled(parts: Iterable[tuple[str, Iterable[str]]]) -> list[Part]:
    """Return labels with their texts, as lines."""
    return [
        f"{word if number == 0 else '':{_WIDTH}}{printable(text)}\n"
        for word, texts in parts
        for number, text in enumerate(texts)
    ]
