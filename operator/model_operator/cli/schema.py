"""``model-operator schema``: the JSON Schema of the instances of a template, for editors and forms."""

from __future__ import annotations

from typing import Annotated

import typer

from model_operator.cli.options import TemplateName, TemplatePath
from model_operator.cli.template_input import read_template
from model_operator.cli.terminal import note, write
from model_operator.core.offline.instance_schema import instance_example, instance_schema
from model_operator.core.values.printable import printable, to_json


def schema(
    template: TemplatePath,
    name: TemplateName = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print an example instance instead, as YAML.")
    ] = False,
) -> None:
    """Print the JSON Schema (2020-12) of an instance of a template.

    \b
    Examples:
      model-operator schema template.yaml > instance.schema.json
      model-operator schema templates/ --name vllm-chat --example > instance.yaml

    Editors with yaml-language-server use it if the instance's file begins with this line:
      # yaml-language-server: $schema=instance.schema.json
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    compiled = read_template(template, name)
    if not example:
        write(to_json(instance_schema(compiled), indent=2))
        return
    text, missing = instance_example(compiled)
    write(text)
    if missing:
        names = printable(", ".join(missing))
        note(f"no example value was found for {names}; add `examples` to the template's schema")
