"""``model-operator validate``: checks manifests before they are sent to a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from model_operator import __version__
from model_operator.cli.inputs import kubernetes_schemas, read_inputs
from model_operator.cli.options import AllowEmpty, Namespace
from model_operator.cli.settings import read_settings
from model_operator.cli.terminal import UNUSABLE, Painted, fail, note, write
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import DEFAULT_NAMESPACE, collect
from model_operator.core.offline.findings import Finding, Severity
from model_operator.core.offline.namespaces_in_files import namespace_labels
from model_operator.core.offline.nodes import Position
from model_operator.core.offline.recognition import OUR_KINDS
from model_operator.core.offline.reports import Report, ReportFormat, written
from model_operator.core.values.printable import printable

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def validate(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="Files and directories; - for standard input."),
    ],
    output: Annotated[
        ReportFormat, typer.Option("--output", "-o", help="Output format.")
    ] = ReportFormat.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    namespace: Namespace = DEFAULT_NAMESPACE,
    allow_empty: AllowEmpty = False,
) -> None:
    """Check templates and instances as the API server, the webhooks and the operator would.

    Templates and instances may be in any of the files, in any order. Exit status: 0 if there are no errors, 1
    if there are errors, 2 if the check cannot run or there is nothing to check.

    \b
    Examples:
      model-operator validate models/
      model-operator validate template.yaml instance.yaml --output github
      kustomize build overlays/production | model-operator validate -
      helm template chart | model-operator validate --strict -
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    settings = read_settings(UNUSABLE)
    schemas = kubernetes_schemas()
    inputs = read_inputs(paths)
    collection = collect(inputs.documents, namespace)
    is_unchecked = collection.is_empty and not allow_empty
    labels = namespace_labels([*inputs.documents, *inputs.beside])
    found_in_objects = Checker(collection, settings.rendering, schemas, labels=labels).findings()
    empty = [] if is_unchecked or allow_empty else [*map(_empty_directory, inputs.empty)]
    report = Report(
        findings=sorted([*found_in_objects, *empty], key=lambda found: (found.source, found.position)),
        files=inputs.files,
        objects=len(collection.manifests) + collection.unusable,
        others=collection.others,
        version=__version__,
        kubernetes=schemas.version,
    )
    text = written(report, output)
    if output is ReportFormat.TEXT:
        for found, line in zip(report.findings, text.splitlines(keepends=True), strict=True):
            place = printable(found.place)
            write(Painted(place, _COLOURS[found.severity]), line.removeprefix(place))
        note(report.summary)
    else:
        write(text, commands=output is ReportFormat.GITHUB)
    if is_unchecked:
        fail(inputs.nothing_found())
    refused = report.count(Severity.ERROR) or (strict and report.count(Severity.WARNING))
    raise typer.Exit(1 if refused else 0)


def _empty_directory(path: str) -> Finding:
    message = f"this directory has no {OUR_KINDS}; was it moved?"
    return Finding(path, Position(1, 1), "", message, "empty", Severity.WARNING)
