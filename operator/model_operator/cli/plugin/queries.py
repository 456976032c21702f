"""Queries a cluster, or ends the program with a one-line error."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from model_operator.cli.terminal import fail, note
from model_operator.core.inspection.listings import TemplateReference
from model_operator.core.values.printable import printable
from model_operator.kube.errors import ApiUnavailableError, StartupError

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster

_TIMEOUT_SECONDS = 15.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_WARNING = re.compile(r'[0-9]{3} \S+ "((?:[^"\\]|\\.)*)".*')
_PREFIXES = frozenset({"mi", "modelinstance", "modelinstances"})
Result = TypeVar("Result")


INTERRUPTED = 130
"""Exit status after Ctrl-C, as for a program that was ended by the signal."""


class QueryError(Exception):
    """A query failed; the message says what is missing, and what to do."""

    @property
    def is_transient(self) -> bool:
        """Whether a retry may succeed: the cluster did not respond, or the resource version has expired."""
        cause = self.__cause__
        return isinstance(cause, ApiUnavailableError) or getattr(cause, "code", 0) == HTTPStatus.GONE


@dataclass(frozen=True, slots=True)
class Target:
    """Cluster, user and namespace by kubectl's options; None means that of the kubeconfig."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None


def run_query(target: Target, query: Callable[[Cluster], Awaitable[Result]]) -> Result:
    """Return the result of a query, or end the program.

    Parameters
    ----------
    target
        The cluster.
    query
        The query.
    """
    warnings: list[str] = []
    try:
        return asyncio.run(execute(target, query, warnings=warnings))
    except (StartupError, QueryError) as error:
        fail(str(error))
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error
    finally:
        # As kubectl shows them: those of the webhooks are about what was written.
        for each in dict.fromkeys(map(warning_text, warnings)):
            note(printable(f"Warning: {each}"))


def warning_text(header: str) -> str:
    """Return the text of a header ``Warning``, such as ``299 - "text"`` (RFC 9110, section 5.5)."""
    found = _WARNING.fullmatch(header)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else header


async def execute(
    target: Target,
    query: Callable[[Cluster], Awaitable[Result]],
    seconds: float = _TIMEOUT_SECONDS,
    warnings: list[str] | None = None,
) -> Result:
    """Return the result of a query.

    Parameters
    ----------
    target, query
        As for :func:`run_query`.
    seconds
        Timeout of a request.
    warnings
        Takes the headers ``Warning`` of the responses.

    Raises
    ------
    StartupError
        There is no usable kubeconfig.
    QueryError
        The query failed.
    """
    # Importing the API client takes half a second; other commands do not need it.
    from model_operator.cli.plugin.cluster import Cluster  # noqa: PLC0415
    from model_operator.kube.client import ApiClient  # noqa: PLC0415
    from model_operator.kube.connection import Connection  # noqa: PLC0415
    from model_operator.kube.kubeconfig import default_namespace, load_configuration  # noqa: PLC0415

    connection = Connection(lambda: load_configuration(target.kubeconfig, target.context), seconds)
    try:
        namespace = target.namespace or default_namespace(target.kubeconfig, target.context)
        if not _NAME.fullmatch(namespace):
            raise QueryError(f"--namespace must be the name of a namespace, got {namespace!r}")
        return await query(Cluster(ApiClient(connection, warnings=warnings), namespace, connection.server))
    finally:
        await connection.close()


def template_reference(text: str) -> TemplateReference:
    """Return a template as an argument names it: ``encoder``, ``mt/encoder`` or ``cmt/encoder``.

    Raises
    ------
    typer.BadParameter
        It is none of these.
    """
    try:
        return TemplateReference.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def instance_name(text: str) -> str:
    """Return the name of an instance from ``minilm``, ``mi/minilm``, or the form that ``-o name`` prints.

    Ends the program if it is not valid.
    """
    prefix, slash, name = text.rpartition("/")
    is_ours = not slash or prefix.lower().partition(".")[0] in _PREFIXES
    if not is_ours or not _NAME.fullmatch(name):
        fail(f"INSTANCE must be the name of a ModelInstance, got {text!r}")
    return name
