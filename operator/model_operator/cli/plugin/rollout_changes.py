"""``kubectl model rollout pause``, ``resume`` and ``approve``: print or write one field of a template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from model_operator.cli.options import Context, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.completion import revision_hashes
from model_operator.cli.plugin.queries import QueryError, Target, run_query
from model_operator.cli.plugin.template_arguments import Apply, Force, Template
from model_operator.cli.terminal import fail, note, write
from model_operator.core.inspection import rollout_edits
from model_operator.core.inspection.listings import TemplateReference, full_names
from model_operator.core.inspection.rollout_edits import RolloutEdit, commit_advice, template_title
from model_operator.core.objects.gitops_owners import Owner, gitops_owner
from model_operator.core.objects.manifest import to_manifest
from model_operator.core.objects.ownership import ROLLOUT_MANAGER
from model_operator.core.values.printable import printable

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster
    from model_operator.kube.client import Object


def pause(
    template: Template,
    apply: Apply = False,
    force: Force = False,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Pause the roll-out of a template: no instance gets another revision.

    Prints the field to commit, or to give to kubectl patch. With --apply it is written to the cluster, which
    requires the right to patch the template.

    \b
    Examples:
      kubectl model rollout pause encoder
      kubectl model rollout pause cmt/vllm-chat --apply
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    _run(Target(kubeconfig, context, namespace), template, rollout_edits.pause, _How(apply, force))


def resume(
    template: Template,
    apply: Apply = False,
    force: Force = False,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Resume the roll-out of a template that is paused.

    Prints the field to commit, or to give to kubectl patch. With --apply it is written to the cluster; a
    pause that was set by --apply is removed.

    \b
    Examples:
      kubectl model rollout resume encoder
      kubectl model rollout resume cmt/vllm-chat --apply
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    _run(Target(kubeconfig, context, namespace), template, rollout_edits.resume, _How(apply, force))


def approve(
    template: Template,
    revision: Annotated[
        str | None,
        typer.Argument(
            metavar="HASH",
            help="The revision; by default the one that rolls out. Another one is refused.",
            autocompletion=revision_hashes,
        ),
    ] = None,
    apply: Apply = False,
    force: Force = False,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Approve the revision of a template that rolls out, for its steps with needs_approval.

    The approval is of this revision alone, and ends with the next edit. Prints the field to commit, or to
    give to kubectl patch. With --apply it is written to the cluster.

    \b
    Examples:
      kubectl model rollout approve encoder
      kubectl model rollout approve encoder 3f9a1c0b7d42 --apply
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    _run(
        Target(kubeconfig, context, namespace),
        template,
        lambda obj: rollout_edits.approve(obj, revision),
        _How(apply, force),
    )


@dataclass(frozen=True, slots=True)
class _How:
    """Whether to write an edit, and also where a GitOps tool manages the template."""

    is_applied: bool
    is_forced: bool


def _run(
    target: Target, reference: TemplateReference, edit_of: Callable[[Object], RolloutEdit], how: _How
) -> None:
    if how.is_forced and not how.is_applied:
        fail("--force needs --apply")

    async def query(cluster: Cluster) -> tuple[Object, RolloutEdit, Owner | None]:
        # Importing the API client takes half a second; other commands do not need it.
        from model_operator.cli.plugin.template_reading import (  # noqa: PLC0415
            kind_of,
            place_of,
            read_template,
            require_unowned,
        )

        template = await read_template(cluster, reference)
        try:
            edit = edit_of(template)
        except ValueError as error:
            raise QueryError(str(error)) from error
        owner = gitops_owner(template)
        if how.is_applied:
            require_unowned(template, is_forced=how.is_forced)
            kind = kind_of(template)
            with cluster.query_errors("patch", kind, place_of(template)):
                wanted = rollout_edits.to_apply(template, edit)
                await cluster.client.apply(kind, wanted, force=True, manager=ROLLOUT_MANAGER)
        return template, edit, owner

    template, edit, owner = run_query(target, query)
    for each in edit.notes:
        note(printable(each))
    if how.is_applied:
        (name,) = full_names([template])
        write(f"{printable(name)} {edit.done}\n")
    else:
        write(to_manifest(edit.patch()))
    if owner is not None:
        note(printable(commit_advice(template, owner)))
    elif not how.is_applied:
        note(printable(f"nothing is written; to change {template_title(template)}, add --apply"))
