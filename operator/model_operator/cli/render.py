"""``model-operator render``: the objects that the operator would apply, without a cluster or against one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from model_operator.cli.inputs import kubernetes_schemas, read_inputs
from model_operator.cli.options import AllowEmpty, Context, Kubeconfig
from model_operator.cli.settings import read_settings
from model_operator.cli.terminal import UNUSABLE, Painted, fail, note, write
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import DEFAULT_NAMESPACE, Collection, FileTemplates, collect
from model_operator.core.offline.comparison import as_applied, differences
from model_operator.core.offline.findings import Finding, has_errors
from model_operator.core.offline.namespaces_in_files import namespace_labels
from model_operator.core.offline.rendered import Snapshot, rendered_children
from model_operator.core.values.printable import printable
from model_operator.core.values.yaml_dialect import to_yaml
from model_operator.kube.errors import ApiError, StartupError
from model_operator.settings import OperatorSettings

CLUSTER = "cluster"
_NO_INSTANCE = "nothing to render: the files hold no ModelInstance; add one, or use --allow-empty"
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def render(
    filename: Annotated[
        list[str],
        typer.Option(
            "--filename", "-f", help="File or directory, - for standard input; may be repeated, in any order."
        ),
    ],
    diff: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|cluster",
            help="Show only the differences to an earlier output, or to the live objects of a cluster.",
        ),
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            help="Namespace of objects that do not specify one; by default that of the context with "
            "--diff cluster, otherwise default.",
        ),
    ] = None,
    allow_empty: AllowEmpty = False,
) -> None:
    """Print the Deployments, Services and other objects that the operator would apply for instances.

    The same files give the same output, byte for byte. The settings MODEL_OPERATOR_RENDERING__... apply as in
    the operator. Exit status: 0 on success, or with --diff 1 if there are differences; 2 if an instance
    cannot be rendered or there is none, and then nothing is printed.

    \b
    Examples:
      model-operator render -f template.yaml -f instance.yaml
      kustomize build overlays/production | model-operator render -f - > rendered.yaml
      model-operator render -f models/ --diff rendered.yaml
      model-operator render -f models/ --diff cluster --context production
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    settings = read_settings(UNUSABLE, kubeconfig=kubeconfig, context=context)
    inputs = read_inputs(filename)
    collection = collect(inputs.documents, namespace or _default_namespace(settings, diff))
    snapshot = _snapshot(settings, collection) if diff == CLUSTER else Snapshot()
    templates = FileTemplates(
        snapshot.templates_over([each.obj for each in collection.templates]),
        settings.rendering.free_metadata_domains,
        [*snapshot.revisions, *(each.obj for each in collection.revisions)],
        {**snapshot.labels, **namespace_labels([*inputs.documents, *inputs.beside])},
    )
    findings = Checker(collection, settings.rendering, kubernetes_schemas(), templates).findings()
    if has_errors(findings):
        _refuse(findings)
    if not collection.instances and not allow_empty:
        for finding in findings:
            note(printable(str(finding)))
        fail(inputs.nothing_found() if collection.is_empty else _NO_INSTANCE)
    children, problems = rendered_children(collection, templates, settings.rendering, snapshot.instances)
    if problems:
        _refuse(problems)
    for finding in findings:
        note(printable(str(finding)))
    if diff is None:
        write(to_yaml(*children))
        return
    before = as_applied(snapshot.children, children) if diff == CLUSTER else _earlier(diff)
    lines = list(differences(before, children))
    for line in lines:
        write(Painted(line, _COLOURS.get(line[:1], "")), "\n")
    raise typer.Exit(1 if lines else 0)


def _refuse(findings: Iterable[Finding]) -> None:
    for finding in findings:
        note(printable(str(finding)))
    raise typer.Exit(UNUSABLE)


def _default_namespace(settings: OperatorSettings, diff: str | None) -> str:
    """Return the namespace that kubectl would use, if a cluster is queried."""
    if diff != CLUSTER:
        return DEFAULT_NAMESPACE
    # As for _snapshot.
    from model_operator.kube.kubeconfig import default_namespace  # noqa: PLC0415

    try:
        return default_namespace(settings.kubeconfig, settings.context)
    except StartupError as error:
        fail(str(error))


def _snapshot(settings: OperatorSettings, collection: Collection) -> Snapshot:
    # Importing the API client takes half a second; rendering does not need it.
    from model_operator.cli.live import take_snapshot  # noqa: PLC0415

    try:
        return asyncio.run(take_snapshot(settings, collection))
    except (StartupError, ApiError) as error:
        fail(str(error))


def _earlier(path: str) -> list[Mapping[str, Any]]:
    """Return the objects of an earlier output."""
    objects = []
    for document in read_inputs([path]).documents:
        for fault in document.faults:
            fail(f"{document.source}:{fault.position.line}:{fault.position.column}: {fault.message}")
        value = document.value
        metadata = value.get("metadata") if isinstance(value, dict) else None
        if not isinstance(metadata, dict) or not {"name"} <= metadata.keys() or "kind" not in value:
            fail(f"{document.source}:{document.start.line}: must be an object with kind and metadata.name")
        objects.append(value)
    return objects
