"""``kubectl model wait``: until an instance is Ready, cannot become Ready, or is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model_operator.cli.options import Context, InstanceName, Kubeconfig, NamespaceOfContext
from model_operator.cli.plugin.queries import QueryError, Target, instance_name, run_query
from model_operator.cli.terminal import note, write
from model_operator.core.inspection.ages import parse_duration
from model_operator.core.inspection.facts import hold_of, not_up_to_date
from model_operator.core.inspection.readiness import WaitState, wait_verdict
from model_operator.core.values.printable import printable

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster


_PAUSE_SECONDS = 1.0
"""Time until a failed request is retried."""


class Goal(StrEnum):
    """The state to wait for."""

    READY = "ready"
    DELETE = "delete"


class Outcome(IntEnum):
    """Result of a wait: the exit status."""

    REACHED = 0
    FAILED = 1
    TIMED_OUT = 3


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Timeout = Annotated[
    float | None,
    typer.Option(
        parser=_seconds,
        metavar="DURATION",
        help="Maximum time to wait, such as 90s or 1h30m; by default, and with 0, no limit.",
    ),
]


def wait(
    instance: InstanceName,
    goal: Annotated[Goal, typer.Option("--for", help="What to wait for.")] = Goal.READY,
    timeout: Timeout = None,
    namespace: NamespaceOfContext = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Wait until an instance is Ready with its current generation and revision of the template.

    An instance that the roll-out of an edit has not reached yet is Ready with the revision that it runs; this
    is reported. It stops at once, with the cause, if the instance is Stalled (requires intervention) or is
    being deleted. Progress is printed to standard error.

    Exit status: 0 if it is Ready (or deleted, with --for=delete), 1 if it is Stalled or being deleted, 2 if
    it does not exist or the cluster cannot be queried, 3 after the timeout.

    \b
    Examples:
      kubectl apply -f minilm.yaml && kubectl model wait minilm --timeout 15m
      kubectl model wait minilm --for=delete
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    name = instance_name(instance)
    target = Target(kubeconfig, context, namespace)
    outcome = run_query(target, lambda cluster: _Wait(cluster, name).until(goal, timeout))
    raise typer.Exit(outcome)


class _Wait:
    """A wait for one instance."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._shown = f"ModelInstance {cluster.namespace}/{name}"
        self._last_line = ""

    async def until(self, goal: Goal, seconds: float | None) -> Outcome:
        try:
            async with asyncio.timeout(seconds or None):
                return await (self._ready() if goal is Goal.READY else self._deleted())
        except TimeoutError:
            state = "is not Ready" if goal is Goal.READY else "still exists"
            note(f"{self._shown} {state} after {seconds:g} seconds")
            return Outcome.TIMED_OUT

    async def _ready(self) -> Outcome:
        await self._cluster.instance(self._name)
        async with aclosing(self._states()) as states:
            async for obj in states:
                if obj is None:
                    return self._failed("was deleted")
                view = wait_verdict(obj, None)
                if view.state in (WaitState.READY, WaitState.STALLED):
                    # The status may be about an earlier revision of the template; then the operator will
                    # write another one.
                    view = wait_verdict(obj, await self._template_of(obj))
                if view.state is WaitState.READY:
                    write(f"{self._shown} is Ready: {printable(view.message)}\n")
                    if hold_of(obj) is not None:
                        note(printable(not_up_to_date(obj)["message"]))
                    return Outcome.REACHED
                if view.state is WaitState.STALLED:
                    return self._failed(f"is Stalled: {view.message}")
                if view.state is WaitState.TERMINATING:
                    return self._failed("is being deleted")
                self._show(view.message)
        raise AssertionError("the states never end")

    async def _deleted(self) -> Outcome:
        # A name that never existed is a mistake in the name, as it is for kubectl.
        uid = (await self._cluster.instance(self._name))["metadata"]["uid"]
        note(f"waiting for {self._shown} to be deleted")
        async with aclosing(self._states()) as states:
            async for obj in states:
                # A recreated object of the same name is another instance.
                if obj is None or uid != obj["metadata"]["uid"]:
                    write(f"{self._shown} was deleted\n")
                    return Outcome.REACHED
        raise AssertionError("the states never end")

    async def _template_of(self, obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
        while True:
            try:
                return await self._cluster.template_of(obj)
            except QueryError as error:
                if not error.is_transient:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    def _states(self) -> AsyncGenerator[Mapping[str, Any] | None]:
        # Importing the API client takes half a second; other commands do not need it.
        from model_operator.cli.plugin.following import follow_alone  # noqa: PLC0415

        return follow_alone(self._cluster, self._name)

    def _failed(self, cause: str) -> Outcome:
        note(f"{self._shown} {printable(cause)}")
        return Outcome.FAILED

    def _show(self, line: str) -> None:
        """Print a line, unless it repeats the last one."""
        if line != self._last_line:
            self._last_line = line
            note(printable(line))
