"""``model-operator explain``: a template's parameters as a table."""

from __future__ import annotations

import sys

from rich.table import Table
from rich.text import Text

from model_operator.cli.options import TemplateName, TemplatePath
from model_operator.cli.template_input import read_template
from model_operator.cli.terminal import columns, console, has_colours, write
from model_operator.core.offline.parameter_table import ParameterRow, parameter_rows
from model_operator.core.values.printable import printable

_COLUMNS = ("NAME", "TYPE", "DEFAULT", "ALLOWED", "DESCRIPTION")
_GAP = 3


def explain(template: TemplatePath, name: TemplateName = None) -> None:
    """Show the parameters that an instance of a template can set.

    \b
    Examples:
      model-operator explain template.yaml
      model-operator explain templates/ --name vllm-chat
      kubectl get clustermodeltemplate vllm-chat -o yaml | model-operator explain -
    """  # noqa: D301 -- \b is click's mark of a block that keeps its lines
    compiled = read_template(template, name)
    resource = compiled.resource
    write(f"{resource.kind} {resource.metadata.name}, {resource.spec.model_type.value}\n")
    rows = parameter_rows(compiled.parameters, resource.spec.vendor_configuration.bundle_config.env)
    if not rows:
        write("The template has no parameters.\n")
    elif has_colours(sys.stdout):
        _show_table(rows)
    else:
        write("".join(f"{line}\n" for line in columns([_COLUMNS, *map(_texts, rows)])))


def _texts(row: ParameterRow) -> tuple[str, ...]:
    return tuple(map(printable, (row.name, row.type, row.default, row.allowed, row.description)))


def _show_table(rows: list[ParameterRow]) -> None:
    """Show a table as wide as the terminal."""
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, overflow="fold", no_wrap=column == "NAME")
    for row in rows:
        # A cell may be folded anywhere, and GitHub reads a line that begins with `::` as a command.
        table.add_row(*(Text(text.replace("::", r":\u003a")) for text in _texts(row)))
    console().print(table)
