"""Asks a cluster, or ends the program with one line that says why it cannot be asked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from model_operator.cli.terminal import fail
from model_operator.kube.errors import ApiUnavailableError, StartupError

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster

_TIMEOUT_SECONDS = 15.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_PREFIXES = frozenset({"mi", "modelinstance", "modelinstances"})
Answer = TypeVar("Answer")


INTERRUPTED = 130
"""Exit status after Ctrl-C, as of a program that the signal has ended."""


class QuestionError(Exception):
    """A question cannot be answered; the message says what is missing, and what to do."""

    @property
    def passes(self) -> bool:
        """Whether it may be answered later: the cluster did not answer, or has forgotten that version."""
        cause = self.__cause__
        return isinstance(cause, ApiUnavailableError) or getattr(cause, "code", 0) == HTTPStatus.GONE


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster, as whom, and where in it, by kubectl's options; None leaves it to the kubeconfig."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None


def ask(target: Target, question: Callable[[Cluster], Awaitable[Answer]]) -> Answer:
    """Return what a cluster answers, or end the program.

    Parameters
    ----------
    target
        The cluster.
    question
        What to ask.
    """
    try:
        return asyncio.run(answer(target, question))
    except (StartupError, QuestionError) as error:
        fail(str(error))
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error


async def answer(
    target: Target, question: Callable[[Cluster], Awaitable[Answer]], seconds: float = _TIMEOUT_SECONDS
) -> Answer:
    """Return what a cluster answers.

    Parameters
    ----------
    target, question
        As for :func:`ask`.
    seconds
        Time until a request counts as unanswered.

    Raises
    ------
    StartupError
        There is no usable kubeconfig.
    QuestionError
        The cluster does not answer, or not this.
    """
    # The client of the API server takes half a second to import, for which no other command is to wait.
    from model_operator.cli.plugin.cluster import Cluster  # noqa: PLC0415
    from model_operator.kube.client import ApiClient  # noqa: PLC0415
    from model_operator.kube.connection import Connection  # noqa: PLC0415
    from model_operator.kube.kubeconfig import default_namespace, load_configuration  # noqa: PLC0415

    connection = Connection(lambda: load_configuration(target.kubeconfig, target.context), seconds)
    try:
        namespace = target.namespace or default_namespace(target.kubeconfig, target.context)
        if not _NAME.fullmatch(namespace):
            raise QuestionError(f"--namespace must be the name of a namespace, got {namespace!r}")
        return await question(Cluster(ApiClient(connection), namespace, connection.server))
    finally:
        await connection.close()


def instance_name(text: str) -> str:
    """Return the name of an instance as it is given: ``minilm``, ``mi/minilm``, or as ``-o name`` writes it.

    Ends the program when it is none.
    """
    prefix, slash, name = text.rpartition("/")
    is_ours = not slash or prefix.lower().partition(".")[0] in _PREFIXES
    if not is_ours or not _NAME.fullmatch(name):
        fail(f"INSTANCE must be the name of a ModelInstance, got {text!r}")
    return name
