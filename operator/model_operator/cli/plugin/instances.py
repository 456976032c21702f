"""``kubectl model instances``: the instances of a template, or all."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model_operator.cli.options import AllNamespaces, Context, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.completion import template_names
from model_operator.cli.plugin.listing import ListFormat, Output, write_list
from model_operator.cli.plugin.queries import QueryError, Target, run_query, template_reference
from model_operator.cli.terminal import note
from model_operator.core.inspection.listings import TemplateReference, in_order, instance_table
from model_operator.core.values.printable import printable
from model_operator.kube.resources import MODEL_INSTANCES

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster


def instances(
    template: Annotated[
        TemplateReference | None,
        typer.Option(
            "--template",
            "-t",
            parser=template_reference,
            metavar="TEMPLATE",
            help="Show only instances of this template: NAME or id, mt/NAME or cmt/NAME with its kind, or "
            "mt/NAMESPACE/NAME.",
            autocompletion=template_names,
        ),
    ] = None,
    namespace: NamespaceOfContext = None,
    all_namespaces: AllNamespaces = False,
    output: Output = ListFormat.TABLE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List the instances of a template, or all instances.

    An instance belongs to the bound template in its status; without a status, to the template in its spec.

    \b
    Examples:
      kubectl model instances --template encoder
      kubectl model instances -A --template cmt/vllm-chat -o wide
      kubectl model instances --template encoder -o name | xargs -n 1 kubectl model wait
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines

    async def query(cluster: Cluster) -> tuple[list[dict[str, Any]], str]:
        where = "" if all_namespaces else cluster.namespace
        found = await cluster.all(MODEL_INSTANCES, where)
        if template is not None:
            found = [each for each in found if template.is_used_by(each)]
        message = "no instances found" + (f" of {template}" if template else "")
        message += f" in namespace {where}" if where else ""
        if found or template is None:
            return found, message
        return found, message + await _hint(cluster, where, template)

    found, message = run_query(Target(kubeconfig, context, namespace), query)
    if not found and output in (ListFormat.TABLE, ListFormat.WIDE):
        note(printable(message))
        return
    found = in_order(found)
    now = datetime.datetime.now(datetime.UTC)
    table = instance_table(found, now, namespaces=all_namespaces, wide=output is ListFormat.WIDE)
    write_list(found, table, output)


async def _hint(cluster: Cluster, namespace: str, template: TemplateReference) -> str:
    """Return a hint that a template without instances may not exist; empty if it exists.

    Raises
    ------
    QueryError
        When all templates are readable and it is not among them.
    """
    # Importing the API client takes half a second; other commands do not need it.
    from model_operator.cli.plugin.cluster import no_template  # noqa: PLC0415

    readable, unreadable = await cluster.templates(template.namespace or namespace)
    if any(map(template.matches, readable)):
        return ""
    if unreadable:
        return f"; among the readable templates, {no_template(template, readable)}"
    raise QueryError(no_template(template, readable))
