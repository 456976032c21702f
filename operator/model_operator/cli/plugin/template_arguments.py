"""Arguments that name a template or one of its revisions."""

from __future__ import annotations

from typing import Annotated

import typer

from model_operator.cli.plugin.completion import revision_words, template_names
from model_operator.cli.plugin.queries import template_reference
from model_operator.core.inspection.listings import TemplateReference

Template = Annotated[
    TemplateReference,
    typer.Argument(
        parser=template_reference,
        metavar="TEMPLATE",
        help="The template: NAME, mt/NAME or cmt/NAME with its kind, or mt/NAMESPACE/NAME.",
        autocompletion=template_names,
    ),
]
Apply = Annotated[
    bool, typer.Option("--apply", help="Write it, and nothing else, to the cluster instead of printing it.")
]
Force = Annotated[
    bool, typer.Option("--force", help="With --apply: also where Flux or Argo CD manages the template.")
]
REVISION_HELP = "latest, stable, previous, a hash, or a number of `kubectl model rollout history`"
FromRevision = Annotated[
    str, typer.Argument(metavar="FROM", help=f"{REVISION_HELP}.", autocompletion=revision_words)
]
ToRevision = Annotated[
    str, typer.Argument(metavar="TO", help=f"{REVISION_HELP}.", autocompletion=revision_words)
]
