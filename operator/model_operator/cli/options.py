"""Options shared by several commands, named as in kubectl."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model_operator.cli.plugin.completion import instance_names, names_of_contexts, namespace_names

Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace of objects that do not specify one.")
]
NamespaceOfContext = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        help="Namespace; by default that of the context.",
        autocompletion=namespace_names,
    ),
]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", help="Succeed also if the files hold no template and no instance.")
]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="List all namespaces.")]
InstanceName = Annotated[
    str, typer.Argument(metavar="INSTANCE", help="Name of the instance.", autocompletion=instance_names)
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(help="Kubeconfig; by default $KUBECONFIG, ~/.kube/config, then the pod's ServiceAccount."),
]
Context = Annotated[
    str | None, typer.Option(help="Context of the kubeconfig.", autocompletion=names_of_contexts)
]
TemplatePath = Annotated[
    str, typer.Argument(metavar="TEMPLATE", help="File or directory with the template; - for standard input.")
]
OptionalTemplatePath = Annotated[
    str | None,
    typer.Argument(metavar="[TEMPLATE]", help="File or directory with the template; - for standard input."),
]
TemplateName = Annotated[
    str | None, typer.Option("--name", help="Name of the template, if there are several.")
]
