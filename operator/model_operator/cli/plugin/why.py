"""``kubectl model why``: what is wrong with an instance, where, who must act, and what comes next."""

from __future__ import annotations

import datetime

import typer

from model_operator.cli.options import Context, InstanceName, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.asking import Target, ask, instance_name
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
    """Say why an instance is not Ready: what is the case, where, who must act, and what the next step is.

    Exit status: 0 when it is Ready with its present generation and its template's, 1 when it is not, 2 when
    it cannot be found out.

    \b
    Examples:
      kubectl model why minilm
      kubectl model why minilm --namespace team-a || echo "not Ready"
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    name = instance_name(instance)
    facts = ask(Target(kubeconfig, context, namespace), lambda cluster: cluster.facts(name))
    found = explain(facts, datetime.datetime.now(datetime.UTC))
    write(*why_parts(found))
    raise typer.Exit(0 if found.is_healthy else 1)


def why_parts(found: Explanation) -> list[Part]:
    """Return an explanation as it is written."""
    lines: list[str] = []
    for word, texts in found.parts:
        lines += [
            f"{word if number == 0 else '':{_WIDTH}}{printable(text)}" for number, text in enumerate(texts)
        ]
    title = Painted(printable(found.title), "green" if found.is_healthy else "red")
    return [title, "\n", *(f"{line}\n" for line in lines)]
