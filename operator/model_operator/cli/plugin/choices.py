"""What shell completion offers from the cluster; no choices if it does not respond in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from model_operator.cli.plugin.completion import Choice
from model_operator.cli.plugin.queries import QueryError, Target, execute
from model_operator.core.gateway.keys import API_KEY_LABEL
from model_operator.core.inspection.facts import condition_of, name_of
from model_operator.core.inspection.listings import TemplateReference
from model_operator.core.inspection.revision_history import WORDS
from model_operator.kube.errors import StartupError
from model_operator.kube.resources import MODEL_INSTANCES, NAMESPACES, SERVICE_ACCOUNTS

if TYPE_CHECKING:
    from model_operator.cli.plugin.cluster import Cluster

_SECONDS = 3.0
"""Maximum time that completion may block the shell."""


def instance_names(context: typer.Context, incomplete: str) -> list[Choice]:
    """Return the instances of the namespace, with their reasons."""

    async def query(cluster: Cluster) -> list[Choice]:
        found = await cluster.all(MODEL_INSTANCES, cluster.namespace)
        return [(name_of(each), str(condition_of(each, "Ready").get("reason", ""))) for each in found]

    return _beginning(_choices(context, query), incomplete)


def key_names(context: typer.Context, incomplete: str) -> list[Choice]:
    """Return the keys of the namespace."""

    async def query(cluster: Cluster) -> list[Choice]:
        found = await cluster.all(SERVICE_ACCOUNTS, cluster.namespace, labels=API_KEY_LABEL)
        return [(each["metadata"]["labels"][API_KEY_LABEL], "") for each in found]

    return _beginning(_choices(context, query), incomplete)


def template_names(context: typer.Context, incomplete: str) -> list[Choice]:
    """Return the templates that the namespace can use, with their kinds."""
    kind, slash, _ = incomplete.rpartition("/")

    try:
        typed = TemplateReference.parse(f"{kind}{slash}x")
    except ValueError:
        return []

    async def query(cluster: Cluster) -> list[Choice]:
        found, _ = await cluster.templates(typed.namespace or cluster.namespace)
        # After mt/ or cmt/, those of this kind are offered with it.
        wanted = [each for each in found if typed.kind in (None, each["kind"])]
        return [(f"{kind}{slash}{name_of(each)}", each["kind"]) for each in wanted]

    return _beginning(_choices(context, query), incomplete)


def revision_words(context: typer.Context, incomplete: str) -> list[Choice]:
    """Return what names a revision of the template that is typed already."""
    return _beginning([*((word, "") for word in WORDS), *_revisions(context)], incomplete)


def revision_hashes(context: typer.Context, incomplete: str) -> list[Choice]:
    """Return the hashes of the revisions of the template that is typed already."""
    return _beginning(_revisions(context), incomplete)


def _revisions(context: typer.Context) -> list[Choice]:
    template = context.params.get("template")
    if template is None:
        # While the value of an option is typed, click has not parsed the arguments yet.
        with suppress(ValueError, StopIteration):
            template = TemplateReference.parse(next(each for each in context.args if each[:1] != "-"))
    if not isinstance(template, TemplateReference):
        return []

    async def query(cluster: Cluster) -> list[Choice]:
        # Importing the API client takes half a second; other commands do not need it.
        from model_operator.cli.plugin.template_reading import (  # noqa: PLC0415
            read_revisions,
            read_template,
        )

        history = await read_revisions(cluster, await read_template(cluster, template))
        return [(each.hash, ", ".join(history.marks(each))) for each in history.revisions]

    return _choices(context, query)


def namespace_names(context: typer.Context, incomplete: str) -> list[Choice]:
    """Return the namespaces, for those who may list them."""

    async def query(cluster: Cluster) -> list[Choice]:
        return [(name_of(each), "") for each in await cluster.all(NAMESPACES, metadata_only=True)]

    return _beginning(_choices(context, query), incomplete)


def names_of_contexts(context: typer.Context, incomplete: str) -> list[Choice]:
    """Return the contexts of the kubeconfig."""
    # Importing the package that reads kubeconfigs takes long; other commands do not need it.
    from model_operator.kube.kubeconfig import context_names  # noqa: PLC0415

    try:
        return _beginning(((name, "") for name in context_names(_kubeconfig(context))), incomplete)
    except StartupError:
        return []


def _choices(context: typer.Context, query: Callable[[Cluster], Awaitable[list[Choice]]]) -> list[Choice]:
    given = context.params
    target = Target(_kubeconfig(context), given.get("context"), given.get("namespace"))
    try:
        return asyncio.run(execute(target, query, _SECONDS))
    except (StartupError, QueryError):
        return []


def _kubeconfig(context: typer.Context) -> Path | None:
    given = context.params.get("kubeconfig")
    return Path(given) if given else None


def _beginning(choices: Iterable[Choice], incomplete: str) -> list[Choice]:
    return sorted(choice for choice in choices if choice[0].startswith(incomplete))
