"""The tables of docs/parameters.md are those of the code; test_examples.py has its examples."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from model_operator.core.objects.kept_form import INFORMATIONAL_LIMITS, SPEC_LIMITS
from model_operator.core.parameters.list_form import schema_of_list
from model_operator.core.parameters.schemas.dialect import MAX_ALTERNATIVES, MAX_DEPTH, MAX_PROPERTIES
from model_operator.core.parameters.schemas.formats import FORMATS
from model_operator.core.parameters.schemas.vocabulary import (
    SHAPES,
    SUBSCHEMA,
    SUBSCHEMA_LIST,
    SUBSCHEMA_MAP,
    instead_of,
)
from model_operator.core.templates.compile import MAX_EXPRESSIONS
from model_operator.core.templates.pod import MAX_VALUES
from model_operator.core.templates.pod_shape import POD_TEMPLATE_LIMITS
from model_operator.core.templates.references import INSTANCE_FIELDS
from model_operator.core.values.json_values import MAX_INTEGER
from model_operator.core.values.limits import MAX_KEY_CHARACTERS, MAX_VIOLATIONS, SCHEMA_LIMITS, VALUE_LIMITS
from tests.docs.examples import examples
from tests.unit.core.rendering.test_rendering_properties import kubelet_expand

DOCUMENT = Path(__file__).parents[3] / "docs" / "parameters.md"


def text() -> str:
    return DOCUMENT.read_text(encoding="utf-8")


def test_the_kubelet_expands_it_as_the_document_says() -> None:
    result = yaml.safe_load(examples(text())["escaping"].result)
    (model,) = result["spec"]["containers"]
    variables: dict[str, str] = {}
    for variable in model["env"]:
        variables[variable["name"]] = kubelet_expand(variable["value"], variables)
    (argument,) = model["args"]

    assert f"The kubelet turns this into `{kubelet_expand(argument, variables)}`." in text()
    instance = examples(text())["escaping"].instance
    assert instance is not None
    assert variables["model"] == instance["spec"]["model_creation_parameters"]["model"]


def rows(table: str) -> list[tuple[str, str]]:
    body = text().split(f"<!-- table: {table} -->\n")[1].split("\n\n")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]
    return [(cells[0], cells[1]) for cells in lines if not set(cells[0]) <= {"-"}]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_keywords_are_those_of_the_dialect() -> None:
    listed = [keyword for cell, _ in rows("keywords") for keyword in quoted(cell)]

    assert sorted(listed) == sorted({*SHAPES, *SUBSCHEMA, *SUBSCHEMA_LIST, *SUBSCHEMA_MAP})


def test_what_to_write_instead_is_what_the_messages_say() -> None:
    for cell, advice in rows("instead")[1:]:
        for keyword in quoted(cell):
            assert instead_of(keyword) == (f"this keyword is not supported; {advice}", "keyword_forbidden")


def test_the_formats_are_those_that_are_asserted() -> None:
    (line,) = (line for line in text().splitlines() if line.startswith("* `format` is asserted."))

    assert quoted(line.partition("Formats:")[2]) == list(FORMATS)


def test_the_limits_are_those_of_the_code() -> None:
    assert MAX_INTEGER == 2**53
    assert rows("limits") == [
        ("of a schema", "at most"),
        ("size, as JSON", f"{SCHEMA_LIMITS.size // 1024} KiB"),
        ("schemas within one another", f"{MAX_DEPTH}"),
        ("properties of one object", f"{MAX_PROPERTIES}"),
        ("members of one `anyOf`, `oneOf` or `allOf`", f"{MAX_ALTERNATIVES}"),
        ("**of the values of an instance**", ""),
        ("size, as JSON", f"{VALUE_LIMITS.size // 1024} KiB"),
        ("members and items, on all levels", f"{VALUE_LIMITS.elements}"),
        ("lists and objects within one another", f"{VALUE_LIMITS.depth}"),
        ("one string", f"{VALUE_LIMITS.string // 1024} KiB"),
        ("one key", f"{MAX_KEY_CHARACTERS} characters"),
        ("an integer", "±2^53"),
        ("what all values together add to a pod", f"{MAX_VALUES // 1024} KiB"),
        ("**of a template**", ""),
        ("expressions `$(…)`", f"{MAX_EXPRESSIONS}"),
        ("`pod_template`, as JSON", f"{POD_TEMPLATE_LIMITS.size // 1024} KiB"),
        ("`pod_template`, members and items", f"{POD_TEMPLATE_LIMITS.elements}"),
        ("**of any specification**", ""),
        ("informational fields together, as JSON", f"{INFORMATIONAL_LIMITS.size // 1024} KiB"),
        (
            "one informational field, lists and objects within one another",
            f"{INFORMATIONAL_LIMITS.depth}",
        ),
        ("the rest, as JSON", f"{SPEC_LIMITS.size // 1024} KiB"),
        ("the rest, members and items", f"{SPEC_LIMITS.elements}"),
        ("the rest, lists and objects within one another", f"{SPEC_LIMITS.depth}"),
    ]
    assert f"At most {MAX_VIOLATIONS} errors are shown at once." in text()


def test_the_types_of_the_list_are_all_of_them() -> None:
    types = quoted(re.search(r"^The types are (.*?)\.", text(), re.MULTILINE)[1])  # type: ignore[index]
    entries = [
        {"name": f"P{index}", "type": kind, "description": "", "required": True}
        for index, kind in enumerate(types)
    ]

    schema = schema_of_list({"parameters": entries}, ())

    assert {each["type"] for each in schema["properties"].values()} == {
        "string",
        "integer",
        "number",
        "boolean",
    }


def test_every_field_of_the_instance_is_named() -> None:
    assert [field for field in INSTANCE_FIELDS if f"`$(instance.{field})`" not in text()] == []
