"""The tables that decide drift, against the OpenAPI of Kubernetes that the package holds."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, NamedTuple

import pytest

from model_operator.core.objects import drift

SERVER_SIDE = {"status", "managedFields"}
"""Fields that only the server and other controllers write."""

SETS = {
    "finalizers": "the operator renders none",
    "values": "atomic in every selector; a set only in the exit codes of a restart rule",
}
"""Lists that server-side apply merges as sets. The comparison takes them as atomic."""

OTHER_ATOMIC_OBJECTS = {
    "fieldRef": "the server adds apiVersion",
    "resourceFieldRef": "the server adds divisor",
    "fileKeyRef": "the server adds optional",
    "secretRef": "granular in envFrom, where an added field is not ours",
    "nodePublishSecretRef": "has no field but name",
    "requiredDuringSchedulingIgnoredDuringExecution": "of node affinity: has no field but nodeSelectorTerms",
    "preference": "an added field is not found as drift",
    "dataSource": "an added field is not found as drift",
}
"""Atomic objects that the table leaves out: a field that another manager adds there is not drift."""

OTHER_QUANTITIES = {
    "tolerance": "belongs to behavior of an autoscaler, which is not ours",
    "value": "of a metric's target, never rendered; of a variable it is a text",
}
"""Quantities that the table leaves out."""


class Use(NamedTuple):
    """One field of one type, with the schema of its value."""

    owner: str
    name: str
    schema: dict[str, Any]


def load() -> dict[str, Any]:
    packed = files("model_operator.cli").joinpath("kubernetes-schemas.json.gz").read_bytes()
    loaded: dict[str, Any] = json.loads(gzip.decompress(packed))
    return loaded


CAPTURED = load()
TYPES: dict[str, dict[str, Any]] = CAPTURED["$defs"]


def references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix("#/$defs/")
        for part in schema.values():
            yield from references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    target = TYPES[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else {}
    return {**target, **schema}


def uses() -> Iterator[Use]:
    """Yield every field that a child can have."""
    seen: set[str] = set()
    stack: list[str] = list(CAPTURED["kinds"].values())
    while stack:
        owner = stack.pop()
        if owner in seen:
            continue
        seen.add(owner)
        for name, schema in TYPES[owner].get("properties", {}).items():
            if name not in SERVER_SIDE:
                yield Use(owner, name, schema)
                stack += references(schema)


USES = tuple(uses())


def is_atomic(schema: dict[str, Any]) -> bool:
    return resolved(schema).get("x-kubernetes-map-type") == "atomic"


def is_quantity(schema: Any) -> bool:
    return any(name.endswith(".Quantity") for name in references(schema))


def test_associative_lists_have_the_keys_of_the_api() -> None:
    keys: dict[str, set[str]] = {}
    for use in USES:
        if use.schema.get("x-kubernetes-list-type") == "map":
            keys.setdefault(use.name, set()).update(use.schema["x-kubernetes-list-map-keys"])

    assert keys == {name: set(known) for name, known in drift.LIST_KEYS.items()}


def test_a_list_of_that_name_is_associative_everywhere() -> None:
    kinds = {
        (use.name, use.schema.get("x-kubernetes-list-type", "atomic"))
        for use in USES
        if use.name in drift.LIST_KEYS
    }

    assert kinds == {(name, "map") for name in drift.LIST_KEYS}


def test_other_lists_are_atomic() -> None:
    sets = {use.name for use in USES if use.schema.get("x-kubernetes-list-type") == "set"}

    assert sets == SETS.keys()


def test_atomic_objects_are_those_of_the_api() -> None:
    atomic = {use.name for use in USES if is_atomic(use.schema)}
    inside = {use.name for use in USES if TYPES[use.owner].get("x-kubernetes-map-type") == "atomic"}

    assert atomic - drift.ATOMIC_MAPS == OTHER_ATOMIC_OBJECTS.keys()
    assert drift.ATOMIC_MAPS - atomic == {"matchLabels"}
    assert "matchLabels" in inside


@pytest.mark.parametrize("name", sorted(drift.ATOMIC_MAPS))
def test_an_object_of_that_name_is_atomic_everywhere(name: str) -> None:
    found = [use for use in USES if use.name == name]

    assert found
    assert all(is_atomic(use.schema) or is_atomic(TYPES[use.owner]) for use in found)


def test_quantities_are_those_of_the_api() -> None:
    fields = {use.name for use in USES if "$ref" in use.schema and use.schema["$ref"].endswith(".Quantity")}
    maps = {use.name for use in USES if is_quantity(use.schema.get("additionalProperties"))}

    assert maps == drift.QUANTITY_MAPS
    assert fields - drift._QUANTITY_FIELDS == OTHER_QUANTITIES.keys()
    assert fields >= drift._QUANTITY_FIELDS


@pytest.mark.parametrize("name", sorted(drift._MEANINGFUL_ZEROS))
def test_a_meaningful_zero_is_one_of_an_optional_scalar(name: str) -> None:
    """Whether the server stores a zero is not in the OpenAPI; that the field can have one is."""
    found = [use for use in USES if use.name == name]

    assert found
    assert {use.schema.get("type") for use in found} <= {"boolean", "integer", "string"}
    assert not any(name in TYPES[use.owner].get("required", ()) for use in found)
