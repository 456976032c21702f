"""``kubectl model rollout status``: where the roll-out of a template stands, or its end."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from model_operator.cli.options import Context, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.queries import Target, run_query
from model_operator.cli.plugin.template_arguments import Template
from model_operator.cli.plugin.wait import Outcome, Timeout
from model_operator.cli.plugin.why import labelled
from model_operator.cli.terminal import Painted, note, write
from model_operator.core.inspection.rollout_edits import template_title
from model_operator.core.inspection.rollout_view import (
    RolloutOutcome,
    RolloutView,
    failing_lines,
    rollout_view,
)
from model_operator.core.values.printable import printable

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster
    from model_operator.core.inspection.listings import TemplateReference
    from model_operator.kube.client import Object

_ENDS = {
    RolloutOutcome.COMPLETE: Outcome.REACHED,
    RolloutOutcome.FAILED: Outcome.FAILED,
    RolloutOutcome.TERMINATING: Outcome.FAILED,
}
_COLOURS = {RolloutOutcome.COMPLETE: "green", RolloutOutcome.FAILED: "red", RolloutOutcome.TERMINATING: "red"}


def rollout_status(
    template: Template,
    watch: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Wait until the roll-out is complete, or needs an action."),
    ] = False,
    timeout: Timeout = None,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show where the roll-out of a template stands: the step, the instances, and what it waits for.

    With --watch, and with --timeout, it waits until all instances that follow the template are Ready at its
    latest revision. It stops at once if the roll-out is halted, or if the template or an instance
    requires intervention, but not while the roll-out is paused or awaits an approval. Progress is printed to
    standard error.

    Exit status: 0 if the roll-out is complete, 1 if it needs an action or the template is being deleted, 2 if
    there is no such template or the cluster cannot be queried, 3 if it is not complete yet, or not after the
    timeout.

    \b
    Examples:
      kubectl model rollout status encoder
      kubectl apply -f encoder.yaml && kubectl model rollout status encoder --watch --timeout 2h
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    target = Target(kubeconfig, context, namespace)
    is_waiting = watch or timeout is not None

    def query(cluster: Cluster) -> Awaitable[Outcome]:
        return _Status(cluster, template).show(timeout, is_waiting=is_waiting)

    raise typer.Exit(run_query(target, query))


class _Status:
    """The roll-out of one template."""

    def __init__(self, cluster: Cluster, reference: TemplateReference) -> None:
        self._cluster = cluster
        self._reference = reference
        self._shown = ""

    async def show(self, seconds: float | None, *, is_waiting: bool) -> Outcome:
        # Importing the API client takes half a second; other commands do not need it.
        from model_operator.cli.plugin.template_reading import read_template  # noqa: PLC0415

        template = await read_template(self._cluster, self._reference)
        if not is_waiting:
            return await self._result(template)
        title = template_title(template)
        try:
            async with asyncio.timeout(seconds or None):
                ended = await self._end(template)
        except TimeoutError:
            note(printable(f"the roll-out of {title} is not complete after {seconds:g} seconds"))
            return await self._result(await read_template(self._cluster, self._reference))
        if ended is None:
            note(printable(f"{title} was deleted"))
            return Outcome.FAILED
        return await self._result(ended)

    async def _end(self, template: Object) -> Object | None:
        """Return the template once its roll-out has come to an end; None when it was deleted."""
        # Importing the API client takes half a second; other commands do not need it.
        from model_operator.cli.plugin.following import follow_alone  # noqa: PLC0415
        from model_operator.cli.plugin.template_reading import kind_of  # noqa: PLC0415

        name, uid = template["metadata"]["name"], template["metadata"]["uid"]
        async with aclosing(follow_alone(self._cluster, name, kind_of(template))) as states:
            async for obj in states:
                # A recreated object of the same name is another template.
                if obj is None or obj["metadata"]["uid"] != uid:
                    return None
                view = rollout_view(obj, _now())
                if view.outcome in _ENDS:
                    return obj
                if view.summary != self._shown:
                    self._shown = view.summary
                    note(printable(view.summary))
        raise AssertionError("the states never end")

    async def _result(self, template: Object) -> Outcome:
        # Importing the API client takes half a second; other commands do not need it.
        from model_operator.cli.plugin.template_reading import read_instances  # noqa: PLC0415

        view = rollout_view(template, _now())
        failing: list[str] = []
        if view.outcome is not RolloutOutcome.COMPLETE:
            instances, _ = await read_instances(self._cluster, template)
            failing = failing_lines(template, instances)
        _write(view, failing)
        return _ENDS.get(view.outcome, Outcome.TIMED_OUT)


def _write(view: RolloutView, failing: list[str]) -> None:
    parts = [*((word, (text,)) for word, text in view.parts), ("Failing", tuple(failing))]
    write(Painted(printable(view.title), _COLOURS.get(view.outcome, "yellow")), "\n", *labelled(parts))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
