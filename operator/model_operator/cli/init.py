"""``model-operator init``: makes a template of a Deployment."""

from __future__ import annotations

from typing import Annotated

import typer

from model_operator.api import ModelType
from model_operator.cli.inputs import kubernetes_schemas, read_inputs
from model_operator.cli.settings import read_settings
from model_operator.cli.terminal import UNUSABLE, fail, note, write
from model_operator.core.offline.conversion.conversion import Options, convert
from model_operator.core.offline.conversion.notes import ConversionError, Topic
from model_operator.core.offline.conversion.workloads import find_workload
from model_operator.core.values.printable import printable


def init(
    filename: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Files with the manifests; - for standard input."),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the template; by default the workload's.")] = None,
    cluster: Annotated[bool, typer.Option("--cluster", help="Make a ClusterModelTemplate.")] = False,
    instance: Annotated[
        str | None,
        typer.Option(help="Print an example ModelInstance of this name, too.", metavar="NAME"),
    ] = None,
    workload: Annotated[
        str | None,
        typer.Option(metavar="KIND/NAME", help="Which workload, if the files hold several."),
    ] = None,
    container: Annotated[
        str | None, typer.Option(help="The container that serves the model; by default it is guessed.")
    ] = None,
    model_type: Annotated[
        ModelType | None, typer.Option(help="What the models do; by default it follows from the image.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            metavar="NAME=PLACE",
            help="Make a parameter of a variable of the container, of an option such as --max-model-len, or "
            "of the value at a path in spec of the template. May be repeated.",
        ),
    ] = None,
    no_defaults: Annotated[
        bool, typer.Option("--no-defaults", help="Make no parameters but those of --parameter.")
    ] = False,
) -> None:
    """Make a template of a Deployment, a StatefulSet or a Pod, such as a chart's.

    Service and HorizontalPodAutoscaler of the workload are read, too. What has no place in a template is named
    in comments before it and on standard error. Values of Secrets and what looks like a credential are never
    printed. Exit status: 0 on success, 1 if the template is printed but would be rejected, 2 if none can be made.

    \b
    Examples:
      model-operator init deployment.yaml > template.yaml
      helm template chart | model-operator init - --cluster --instance mistral-7b
      model-operator init vllm.yaml -p context=--max-model-len -p claim=pod_template.spec.volumes[0].persistentVolumeClaim.claimName
    """  # noqa: D301, E501 -- \b is click's mark of a block that keeps its lines
    settings = read_settings(UNUSABLE)
    inputs = read_inputs(filename, only_ours=False)
    for document in inputs.documents:
        for fault in document.faults:
            fail(f"{document.source}:{fault.position.line}:{fault.position.column}: {fault.message}")
    options = Options(
        name=name,
        instance=instance,
        is_cluster=cluster,
        container=container,
        model_type=model_type,
        parameters=tuple(map(_parameter, parameter or ())),
        has_defaults=not no_defaults,
    )
    try:
        found = convert(
            find_workload(inputs.documents, workload), options, settings.rendering, kubernetes_schemas()
        )
    except ConversionError as error:
        fail(str(error))
    write(found.text(with_instance=instance is not None))
    for each in found.notes:
        if each.topic is not Topic.ADDED:
            note(printable(f"{each.topic.value} {each.text}"))
    for finding in found.findings:
        note(printable(str(finding)))
    raise typer.Exit(0 if found.is_valid else 1)


def _parameter(text: str) -> tuple[str, str]:
    name, equals, place = text.partition("=")
    if not equals or not place:
        fail("--parameter: must be NAME=PLACE, such as context=--max-model-len")
    return name, place
