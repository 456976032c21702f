"""``model-operator schema``: the JSON Schema of the instances of a template, for editors and forms."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from model_operator.cli.options import OptionalTemplatePath, TemplateName
from model_operator.cli.template_input import read_template
from model_operator.cli.terminal import fail, note, write
from model_operator.core.offline.instance_schema import instance_example, instance_schema, kind_schema
from model_operator.core.values.printable import printable, to_json


class EditedKind(StrEnum):
    """The kinds that people write."""

    MODEL_TEMPLATE = "ModelTemplate"
    CLUSTER_MODEL_TEMPLATE = "ClusterModelTemplate"
    MODEL_INSTANCE = "ModelInstance"


def schema(
    template: OptionalTemplatePath = None,
    name: TemplateName = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print an example instance instead, as YAML.")
    ] = False,
    kind: Annotated[
        EditedKind | None, typer.Option(help="Print the schema of a kind instead, without a template.")
    ] = None,
) -> None:
    """Print the JSON Schema (2020-12) of an instance of a template, or of a kind.

    \b
    Examples:
      model-operator schema template.yaml > instance.schema.json
      model-operator schema templates/ --name vllm-chat --example > instance.yaml
      model-operator schema --kind ModelTemplate > modeltemplate.schema.json

    Editors with yaml-language-server use it if the instance's file begins with this line:
      # yaml-language-server: $schema=instance.schema.json
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    if kind is not None:
        if template is not None or name is not None or example:
            fail("--kind: must stand alone: the schema of a kind needs no template")
        write(to_json(kind_schema(kind.value), indent=2))
        return
    if template is None:
        fail("TEMPLATE: required argument is missing; give a file or directory, or --kind")
    compiled = read_template(template, name, namespace="")
    if not example:
        write(to_json(instance_schema(compiled), indent=2))
        return
    text, missing = instance_example(compiled)
    write(text)
    if missing:
        names = printable(", ".join(missing))
        note(f"no example value was found for {names}; add `examples` to the template's schema")
