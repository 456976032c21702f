"""``model-operator revision``: the revision of a template, as the operator names and stores it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from model_operator.cli.options import TemplateName, TemplatePath
from model_operator.cli.template_input import read_manifest
from model_operator.cli.terminal import write
from model_operator.core.templates.revisions.identity import revision_of
from model_operator.core.templates.revisions.objects import revision_object
from model_operator.core.values.yaml_dialect import to_yaml


class RevisionFormat(StrEnum):
    """What is printed of a revision."""

    HASH = "hash"
    """What an instance names in ``model_template_revision``."""
    NAME = "name"
    """The name of the object."""
    YAML = "yaml"
    """The object."""


def revision(
    template: TemplatePath,
    name: TemplateName = None,
    output: Annotated[
        RevisionFormat,
        typer.Option("--output", "-o", help="The hash, the name of the revision's object, or the object."),
    ] = RevisionFormat.HASH,
) -> None:
    """Print the revision of a template: its hash, which an instance may name in model_template_revision.

    It is the same as in each cluster to which the template is applied. The object may be kept with the
    template, so that instances which name the revision can be deployed to another cluster.

    \b
    Examples:
      model-operator revision template.yaml
      model-operator revision template.yaml -o yaml > revisions/2026-03.yaml
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    obj = read_manifest(template, name)
    match output:
        case RevisionFormat.HASH:
            write(f"{revision_of(obj).hash}\n")
        case RevisionFormat.NAME:
            write(f"{revision_of(obj).name}\n")
        case RevisionFormat.YAML:
            write(to_yaml(revision_object(obj)))
