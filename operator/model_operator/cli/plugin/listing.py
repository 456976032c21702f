"""Output formats of lists in ``kubectl model``: tables, names, or the objects themselves."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from model_operator.cli.terminal import columns, write
from model_operator.core.inspection.listings import Table, as_list, full_names
from model_operator.core.values.printable import printable, to_json
from model_operator.core.values.yaml_dialect import to_yaml


class ListFormat(StrEnum):
    """Output format of a list, as in kubectl."""

    TABLE = "table"
    WIDE = "wide"
    NAME = "name"
    JSON = "json"
    YAML = "yaml"


Output = Annotated[ListFormat, typer.Option("--output", "-o", help="Output format.")]


def write_list(objects: Sequence[dict[str, Any]], table: Table, output: ListFormat) -> None:
    """Write objects.

    Parameters
    ----------
    objects
        The objects, in the order of the table.
    table
        Their table, for people.
    output
        The output format.
    """
    if output is ListFormat.JSON:
        write(to_json(as_list(objects), indent=4))
    elif output is ListFormat.YAML:
        write(to_yaml(as_list(objects)).removeprefix("---\n"))
    elif output is ListFormat.NAME:
        write("".join(f"{printable(name)}\n" for name in full_names(objects)))
    else:
        rows = [tuple(map(printable, row)) for row in table.rows]
        write("".join(f"{line}\n" for line in columns([table.columns, *rows])))
