"""Every field that a user writes has a bound that the API server enforces, as far as a CRD can say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from model_operator.api.crd import KINDS, open_api_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_operator.api import Resource

NEEDED = {
    "string": "maxLength",
    "array": "maxItems",
    "integer": "maximum",
    "number": "maximum",
}
OPEN = ("additionalProperties", "x-kubernetes-preserve-unknown-fields")


def unbounded(schema: dict[str, Any], path: str) -> Iterator[str]:
    kind = schema.get("type")
    if kind == "object" and any(keyword in schema for keyword in OPEN) and "maxProperties" not in schema:
        yield f"{path}: maxProperties"
    if "x-kubernetes-preserve-unknown-fields" in schema and schema.get("x-kubernetes-map-type") != "atomic":
        yield f"{path}: atomic"
    if kind in NEEDED and "enum" not in schema and NEEDED[kind] not in schema:
        yield f"{path}: {NEEDED[kind]}"
    if "x-kubernetes-int-or-string" in schema and "maxLength" not in schema:
        yield f"{path}: maxLength"
    for name, inner in schema.get("properties", {}).items():
        yield from unbounded(inner, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from unbounded(schema[keyword], f"{path}.{keyword}")


@pytest.mark.parametrize("resource", KINDS, ids=lambda resource: resource.__name__)
def test_every_field_of_a_specification_is_bounded(resource: type[Resource]) -> None:
    assert list(unbounded(open_api_schema(resource)["properties"]["spec"], "spec")) == []


def test_a_field_without_a_bound_would_be_found() -> None:
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "word": {"type": "string", "enum": ["a"]},
            "list": {"type": "array", "maxItems": 1, "items": {"type": "integer", "minimum": 0}},
            "map": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 1}},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "either": {"x-kubernetes-int-or-string": True},
        },
    }
    assert list(unbounded(schema, "spec")) == [
        "spec.text: maxLength",
        "spec.list.items: maximum",
        "spec.map: maxProperties",
        "spec.open: maxProperties",
        "spec.open: atomic",
        "spec.either: maxLength",
    ]
