"""``kubectl model key``: keys with which applications call models at the gateway."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model_operator.cli.options import AllNamespaces, Context, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.completion import instance_names, key_names
from model_operator.cli.plugin.queries import QueryError, Target, run_query
from model_operator.cli.terminal import columns, fail, note, write
from model_operator.core.gateway.access import DEFAULT_AUDIENCE
from model_operator.core.gateway.keys import Key, checked_models, checked_name, key_rows, lifetime
from model_operator.core.values.printable import printable, to_json
from model_operator.kube.clock import utc_now

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster
    from model_operator.cli.plugin.key_parts import Issued

_COLUMNS = ("NAMESPACE", "NAME", "MODELS", "EXPIRES", "AGE")
_TOLERANCE = datetime.timedelta(minutes=1)
"""How much less than requested a key may live without a note: the request takes its time."""


class KeyFormat(StrEnum):
    """Output format of the list of keys."""

    TABLE = "table"
    NAME = "name"
    JSON = "json"


def _name(text: str) -> str:
    try:
        return checked_name(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


KeyName = Annotated[str, typer.Argument(parser=_name, metavar="NAME", help="Name of the key.")]


def create(
    name: KeyName,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A model that the key may call, NAME or NAMESPACE/NAME; may be repeated. By default all "
            "models of the namespace, also later ones.",
            autocompletion=instance_names,
        ),
    ] = None,
    expires: Annotated[
        str, typer.Option(metavar="DURATION", help="Lifetime, such as 90d, 12h or 30m.")
    ] = "90d",
    audience: Annotated[
        str,
        typer.Option(help="Audience of the gateway (setting IDENTITY__AUDIENCE)."),
    ] = DEFAULT_AUDIENCE,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Create a key for the gateway and print it.

    The cluster does not store it, so it is printed only once. The key is a token of a ServiceAccount of its
    own, which the API server of the cluster refuses. Standard output has the key alone.

    \b
    Examples:
      KEY=$(kubectl model key create app --model qwen --expires 90d)
      kubectl model key create reports -n team-a --model qwen --model team-b/minilm
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines

    async def query(cluster: Cluster) -> Issued:
        # Importing the API client takes half a second; other commands do not need it.
        from model_operator.cli.plugin.key_parts import create_key  # noqa: PLC0415

        try:
            grants = checked_models(model or [], cluster.namespace)
        except ValueError as error:
            raise QueryError(f"--model {error}") from error
        return await create_key(cluster, Key(cluster.namespace, name, grants, audience), seconds)

    try:
        seconds = lifetime(expires)
    except ValueError as error:
        fail(f"--expires {error}")

    issued = run_query(Target(kubeconfig, context, namespace), query)
    write(f"{issued.token}\n")
    note(
        printable(f"key {issued.key.name} for {issued.models} expires at {issued.expires:%Y-%m-%dT%H:%M:%SZ}")
    )
    if issued.expires < issued.requested - _TOLERANCE:
        note(
            f"the cluster limits the lifetime of tokens, so it is shorter than --expires {expires}. Action "
            "(cluster administrator): raise --service-account-max-token-expiration of kube-apiserver"
        )


def list_keys(
    namespace: NamespaceOfContext = None,
    all_namespaces: AllNamespaces = False,
    output: Annotated[KeyFormat, typer.Option("--output", "-o", help="Output format.")] = KeyFormat.TABLE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List the keys of a namespace.

    The list has what each may call and when it expires, and never the key itself.

    \b
    Examples:
      kubectl model key list
      kubectl model key list --all-namespaces -o json
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines

    async def query(cluster: Cluster) -> tuple[list[dict[str, Any]], str]:
        # Importing the API client takes half a second; other commands do not need it.
        from model_operator.cli.plugin.key_parts import known_keys  # noqa: PLC0415

        return await known_keys(cluster, "" if all_namespaces else cluster.namespace), cluster.namespace

    found, where = run_query(Target(kubeconfig, context, namespace), query)
    if output is KeyFormat.JSON:
        write(to_json(found, indent=4))
    elif output is KeyFormat.NAME:
        write("".join(f"{printable(each['name'])}\n" for each in found))
    elif not found:
        note("no keys found" + ("" if all_namespaces else f" in namespace {where}"))
    else:
        first = 0 if all_namespaces else 1
        rows = [tuple(map(printable, row[first:])) for row in key_rows(found, utc_now())]
        write("".join(f"{line}\n" for line in columns([_COLUMNS[first:], *rows])))


def revoke(
    name: Annotated[
        str,
        typer.Argument(parser=_name, metavar="NAME", help="Name of the key.", autocompletion=key_names),
    ],
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Revoke a key and delete all its parts.

    Without such a key it does nothing. The gateway refuses the key within 20 seconds.

    Exit status: 0 if no part of the key is left, 2 if not.

    \b
    Examples:
      kubectl model key revoke app
      kubectl model key list -o name | xargs -n 1 kubectl model key revoke
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines

    async def query(cluster: Cluster) -> tuple[list[str], list[str], str]:
        # Importing the API client takes half a second; other commands do not need it.
        from model_operator.cli.plugin.key_parts import revoke_key  # noqa: PLC0415

        return *await revoke_key(cluster, name), cluster.namespace

    deleted, kept, where = run_query(Target(kubeconfig, context, namespace), query)
    shown = f"key {name} of namespace {where}"
    if kept:
        fail(f"{shown}: not all parts could be deleted: {'; '.join(kept)}")
    if deleted:
        write(f"{shown} is revoked; deleted {', '.join(deleted)}\n")
    else:
        note(f"there is no {shown}: nothing to revoke")
