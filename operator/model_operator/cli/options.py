"""Options that several commands have, in kubectl's words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model_operator.core.offline.collection import DEFAULT_NAMESPACE

Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace of objects that do not say theirs.")
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(help="Kubeconfig; by default $KUBECONFIG, ~/.kube/config, then the pod's ServiceAccount."),
]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig.")]
TemplatePath = Annotated[
    str, typer.Argument(metavar="TEMPLATE", help="File or directory with the template; - for standard input.")
]
TemplateName = Annotated[
    str | None, typer.Option("--name", help="Name of the template, where there are several.")
]

__all__ = ["DEFAULT_NAMESPACE", "Context", "Kubeconfig", "Namespace", "TemplateName", "TemplatePath"]
