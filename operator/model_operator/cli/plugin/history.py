"""``kubectl model rollout history`` and ``undo``, and ``kubectl model diff``: the revisions of a template."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from model_operator.cli.options import Context, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.completion import revision_words
from model_operator.cli.plugin.listing import ListFormat, Output, write_list
from model_operator.cli.plugin.queries import QueryError, Target, run_query
from model_operator.cli.plugin.template_arguments import (
    REVISION_HELP,
    Apply,
    Force,
    FromRevision,
    Template,
    ToRevision,
)
from model_operator.cli.terminal import fail, note, write
from model_operator.core.inspection.going_back import manifest_at, template_at
from model_operator.core.inspection.listings import TemplateReference, full_names
from model_operator.core.inspection.revision_history import (
    RevisionHistory,
    StoredRevision,
    history_table,
    revision_diff,
)
from model_operator.core.inspection.rollout_edits import commit_advice, template_title
from model_operator.core.objects.gitops_owners import gitops_owner
from model_operator.core.objects.ownership import ROLLOUT_MANAGER
from model_operator.core.values.printable import printable

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster
    from model_operator.kube.client import Object

_IS_DIFFERENT = 1
"""Exit status of a diff with differences, as diff's."""


def history(
    template: Template,
    output: Output = ListFormat.TABLE,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """List the stored revisions of a template, the newest last, and how many instances run each.

    MARKS says which one is the latest, the stable and the approved one.

    \b
    Examples:
      kubectl model rollout history encoder
      kubectl model rollout history cmt/vllm-chat -o wide
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines

    async def query(cluster: Cluster) -> tuple[RevisionHistory, list[Object], str]:
        # Importing the API client takes half a second; other commands do not need it.
        from model_operator.cli.plugin.template_reading import read_instances  # noqa: PLC0415

        found = await _history(cluster, template)
        return found, *await read_instances(cluster, found.template)

    found, instances, unreadable = run_query(Target(kubeconfig, context, namespace), query)
    _note_forged(found)
    if unreadable:
        note(printable(f"INSTANCES lacks those that are not readable: {unreadable}"))
    title = template_title(found.template)
    if not found.revisions and output in (ListFormat.TABLE, ListFormat.WIDE):
        note(printable(f"no revision of {title} is stored"))
        return
    if found.current not in {each.hash for each in found.revisions}:
        note(printable(f"{title} has no revision as it is now: kubectl model rollout status says why"))
    table = history_table(
        found, instances, datetime.datetime.now(datetime.UTC), wide=output is ListFormat.WIDE
    )
    write_list([dict(each.obj) for each in found.revisions], table, output)


def undo(
    template: Template,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            "--to-revision",
            metavar="REVISION",
            help=f"The revision: {REVISION_HELP}. By default the stable one; if that is the latest, the one "
            "before.",
            autocompletion=revision_words,
        ),
    ] = None,
    apply: Apply = False,
    force: Force = False,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print a template as it was at an earlier revision, to commit it or for ``kubectl apply -f -``.

    What is not part of a revision stays as it is: rollout, revision_history_limit, labels and annotations.
    With --apply the template is written to the cluster, which requires the right to update it. Going back to
    the stable revision takes no steps.

    \b
    Examples:
      kubectl model rollout undo encoder | kubectl apply -f -
      kubectl model rollout undo encoder --to 3f9a1c0b7d42 > encoder.yaml
      kubectl model rollout undo encoder --apply
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines

    async def query(cluster: Cluster) -> tuple[RevisionHistory, StoredRevision]:
        found = await _history(cluster, template)
        try:
            revision = found.before() if to is None else found.find(to)
        except ValueError as error:
            raise QueryError(str(error)) from error
        if apply:
            # Importing the API client takes half a second; other commands do not need it.
            from model_operator.cli.plugin.template_reading import (  # noqa: PLC0415
                kind_of,
                place_of,
                require_unowned,
            )

            require_unowned(found.template, is_forced=force)
            kind = kind_of(found.template)
            with cluster.query_errors("update", kind, place_of(found.template)):
                wanted = template_at(found.template, revision)
                await cluster.client.replace(kind, wanted, manager=ROLLOUT_MANAGER)
        return found, revision

    if force and not apply:
        fail("--force needs --apply")
    found, revision = run_query(Target(kubeconfig, context, namespace), query)
    _note_forged(found)
    owner = gitops_owner(found.template)
    title = template_title(found.template)
    marks = "".join(f", {word}" for word in found.marks(revision))
    number = f"number {revision.number}" if revision.number else "from a file"
    note(printable(f"{title} at revision {revision.hash} ({number}{marks})"))
    if revision.hash == found.current:
        note("the template is at this revision already")
    if to is None and found.is_taken_back(revision):
        note("this edit was taken back; for another revision, add --to")
    if owner is not None:
        note(printable(commit_advice(found.template, owner)))
    if (found.template["spec"].get("rollout") or {}).get("paused"):
        note("spec.rollout.paused is set: instances get no other revision until the roll-out is resumed")
    if apply:
        (name,) = full_names([found.template])
        write(f"{printable(name)} rolled back to revision {revision.hash}\n")
    else:
        write(manifest_at(found.template, revision, to_apply=owner is None))


def diff(
    template: Template,
    before: FromRevision,
    after: ToRevision = "latest",
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show the differences between two revisions of a template, as a unified diff of its specification.

    Exit status: 0 if they are equal, 1 if they differ, 2 if one does not exist or the cluster cannot be
    queried.

    \b
    Examples:
      kubectl model diff encoder stable latest
      kubectl model diff cmt/vllm-chat 3f9a1c0b7d42 b81d02c6e5aa
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines

    async def query(cluster: Cluster) -> tuple[RevisionHistory, list[str]]:
        found = await _history(cluster, template)
        try:
            return found, revision_diff(found, found.find(before), found.find(after))
        except ValueError as error:
            raise QueryError(str(error)) from error

    found, lines = run_query(Target(kubeconfig, context, namespace), query)
    _note_forged(found)
    write("".join(f"{printable(line)}\n" for line in lines))
    raise typer.Exit(_IS_DIFFERENT if lines else 0)


async def _history(cluster: Cluster, template: TemplateReference) -> RevisionHistory:
    # Importing the API client takes half a second; other commands do not need it.
    from model_operator.cli.plugin.template_reading import read_revisions, read_template  # noqa: PLC0415

    return await read_revisions(cluster, await read_template(cluster, template))


def _note_forged(history: RevisionHistory) -> None:
    for name in history.forged:
        note(printable(f"revision {name} is ignored: its content does not have the hash of its name"))
