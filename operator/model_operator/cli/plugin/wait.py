"""``kubectl model wait``: until an instance is Ready, cannot become so, or is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model_operator.cli.options import Context, InstanceName, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.asking import QuestionError, Target, ask, instance_name
from model_operator.cli.terminal import note, write
from model_operator.core.inspection.ages import parse_duration
from model_operator.core.inspection.readiness import WaitState, wait_verdict
from model_operator.core.values.printable import printable

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster


_PAUSE_SECONDS = 1.0
"""Time until a question that the cluster did not answer is asked again."""


class Goal(StrEnum):
    """What is waited for."""

    READY = "ready"
    DELETE = "delete"


class Outcome(IntEnum):
    """How the wait has ended: the exit status."""

    REACHED = 0
    HOPELESS = 1
    TIMED_OUT = 3


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def wait(
    instance: InstanceName,
    goal: Annotated[Goal, typer.Option("--for", help="What to wait for.")] = Goal.READY,
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=_seconds,
            metavar="DURATION",
            help="For how long, such as 90s or 1h30m. Without it, or with 0, for ever.",
        ),
    ] = None,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Wait until an instance is Ready, with its present generation and that of its template.

    It does not wait for what cannot come: when the instance is Stalled, as somebody must act first, or is
    being deleted, it ends at once and says why. What changes meanwhile goes to standard error.

    Exit status: 0 when it is Ready (or gone, with --for=delete), 1 when it is Stalled or being deleted, 2
    when there is no such instance or the cluster cannot be asked, 3 when the time is up.

    \b
    Examples:
      kubectl apply -f minilm.yaml && kubectl model wait minilm --timeout 15m
      kubectl model wait minilm --for=delete
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    name = instance_name(instance)
    target = Target(kubeconfig, context, namespace)
    outcome = ask(target, lambda cluster: _Wait(cluster, name).until(goal, timeout))
    raise typer.Exit(outcome)


class _Wait:
    """A wait for one instance."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._shown = f"ModelInstance {cluster.namespace}/{name}"
        self._told = ""

    async def until(self, goal: Goal, seconds: float | None) -> Outcome:
        try:
            async with asyncio.timeout(seconds or None):
                return await (self._ready() if goal is Goal.READY else self._gone())
        except TimeoutError:
            what = "Ready" if goal is Goal.READY else "gone"
            note(f"{self._shown} is not {what} after {seconds:g} seconds")
            return Outcome.TIMED_OUT

    async def _ready(self) -> Outcome:
        await self._cluster.instance(self._name)
        async with aclosing(self._states()) as states:
            async for obj in states:
                if obj is None:
                    return self._hopeless("is gone")
                view = wait_verdict(obj, None)
                if view.state in (WaitState.READY, WaitState.STALLED):
                    # Whether that is about the template as it is now, only the template tells. If it is not,
                    # the operator is about to write another status.
                    view = wait_verdict(obj, await self._template_of(obj))
                if view.state is WaitState.READY:
                    write(f"{self._shown} is Ready: {printable(view.told)}\n")
                    return Outcome.REACHED
                if view.state is WaitState.STALLED:
                    return self._hopeless(f"is Stalled: {view.told}")
                if view.state is WaitState.TERMINATING:
                    return self._hopeless("is being deleted")
                self._tell(view.told)
        raise AssertionError("states come without end")

    async def _gone(self) -> Outcome:
        uid = None
        async with aclosing(self._states()) as states:
            async for obj in states:
                # A namesake that is created meanwhile is another instance.
                if obj is None or uid not in (None, obj["metadata"]["uid"]):
                    write(f"{self._shown} is gone\n")
                    return Outcome.REACHED
                uid = obj["metadata"]["uid"]
        raise AssertionError("states come without end")

    async def _template_of(self, obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
        while True:
            try:
                return await self._cluster.template_of(obj)
            except QuestionError as error:
                if not error.passes:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    def _states(self) -> AsyncGenerator[Mapping[str, Any] | None]:
        # The client of the API server takes half a second to import, for which no other command is to wait.
        from model_operator.cli.plugin.following import follow_alone  # noqa: PLC0415

        return follow_alone(self._cluster, self._name)

    def _hopeless(self, told: str) -> Outcome:
        note(f"{self._shown} {printable(told)}")
        return Outcome.HOPELESS

    def _tell(self, told: str) -> None:
        if told != self._told:
            self._told = told
            note(printable(told))
