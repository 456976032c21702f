"""``kubectl model templates``: the templates that a namespace can use."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from model_operator.cli.options import AllNamespaces, Context, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.listing import ListFormat, Output, write_list
from model_operator.cli.plugin.queries import Target, run_query
from model_operator.cli.terminal import note
from model_operator.core.inspection.listings import in_order, template_table
from model_operator.core.values.printable import printable

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster


def templates(
    namespace: NamespaceOfContext = None,
    all_namespaces: AllNamespaces = False,
    output: Output = ListFormat.TABLE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List the ModelTemplates of a namespace, and the ClusterModelTemplates that are shared with it.

    With --all-namespaces, all templates are listed. A ModelTemplate of another namespace is in the list of
    that one.
    INSTANCES is the number of instances that use the template; for a ClusterModelTemplate, in all namespaces.

    \b
    Examples:
      kubectl model templates
      kubectl model templates --all-namespaces -o wide
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines

    async def query(cluster: Cluster) -> tuple[list[dict[str, Any]], str, str]:
        found, unreadable = await cluster.templates("" if all_namespaces else cluster.namespace)
        return found if all_namespaces else await cluster.usable(found), unreadable, cluster.namespace

    found, unreadable, where = run_query(Target(kubeconfig, context, namespace), query)
    if unreadable:
        note(f"without ClusterModelTemplates: {printable(unreadable)}")
    if not found and output in (ListFormat.TABLE, ListFormat.WIDE):
        note("no templates found" + ("" if all_namespaces else f" for namespace {where}"))
        return
    found = in_order(found)
    now = datetime.datetime.now(datetime.UTC)
    table = template_table(found, now, namespaces=all_namespaces, wide=output is ListFormat.WIDE)
    write_list(found, table, output)
