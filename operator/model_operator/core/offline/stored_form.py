"""The form in which the API server stores an object, and the object's unknown fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from model_operator.api import (
    ClusterModelTemplate,
    ClusterModelTemplateRevision,
    ModelInstance,
    ModelTemplate,
    ModelTemplateRevision,
    Resource,
)
from model_operator.api.crd import open_api_schema
from model_operator.api.rules import PRESERVE
from model_operator.core.offline.findings import MAX_FAULTS
from model_operator.core.offline.places import place_in_pod, right_place
from model_operator.core.values.hints import closest, plain
from model_operator.core.values.violations import Loc, Violation

RESOURCES: Final[Mapping[str, type[Resource]]] = {
    resource.__name__: resource
    for resource in (
        ModelTemplate,
        ClusterModelTemplate,
        ModelInstance,
        ModelTemplateRevision,
        ClusterModelTemplateRevision,
    )
}
"""Our kinds by name."""

_CLOSE: Final = 0.7
"""How similar the name of a field has to be to a known one."""
_CHECKED_ELSEWHERE: Final = ("apiVersion", "kind", "metadata", "status")


@cache
def crd_schema(kind: str) -> dict[str, Any]:
    """Return the structural schema of one of our kinds, as its CustomResourceDefinition has it.

    Fields have no descriptions.
    """
    return open_api_schema(RESOURCES[kind])


def stored_form(obj: Mapping[str, Any]) -> tuple[dict[str, Any], list[Violation]]:
    """Return an object as it is stored, without defaults, and its unknown fields.

    For ``kubectl apply`` the API server rejects unknown fields; otherwise it prunes them. A null where the
    schema does not allow it is the same as a missing field; in the open parts (parameters,
    ``pod_template``) it is a value.

    Parameters
    ----------
    obj
        An object of one of our kinds, any JSON.
    """
    schema = crd_schema(obj["kind"])
    known = {name: part for name, part in schema["properties"].items() if name not in _CHECKED_ELSEWHERE}
    unknown: list[Violation] = []
    stored = {name: obj[name] for name in _CHECKED_ELSEWHERE if obj.get(name) is not None}
    for name, value in obj.items():
        if name in known:
            if value is not None:
                stored[name] = _stored(value, known[name], (name,), unknown, obj["kind"])
        elif name not in _CHECKED_ELSEWHERE:
            unknown.append(unknown_field((name,), schema["properties"], obj["kind"], faults=len(unknown)))
    return stored, unknown


def unknown_field(loc: Loc, known: Iterable[str], kind: str = "", *, faults: int = 0) -> Violation:
    """Return the violation of an unknown field, with the most similar known name or the right place.

    Parameters
    ----------
    loc
        The field.
    known
        The known fields of the same object.
    kind
        Kind of ours that the object has; empty for a rendered object.
    faults
        Number of faults found before in the same object. Comparing names is slow, so it is done only for
        faults that are listed, and for names about as long as a known one.
    """
    hint = _hint(loc, [*known], kind) if faults < MAX_FAULTS else ""
    return Violation(loc, f"unknown field{hint}", "unknown_field")


def _hint(loc: Loc, known: list[str], kind: str) -> str:
    given = str(loc[-1])
    near = closest(given, known, _CLOSE)
    if not near or plain(near).removesuffix("s") != plain(given).removesuffix("s"):
        # A field with just this name elsewhere is likelier than one with a similar name here, unless that is
        # its plural.
        place = right_place(loc, kind) if kind in RESOURCES else place_in_pod(loc)
        if place:
            return f"; {place}"
    return f"; did you mean {near}?" if near else ""


def _stored(value: Any, schema: Mapping[str, Any], loc: Loc, unknown: list[Violation], kind: str) -> Any:
    if isinstance(value, list):
        inner = schema.get("items", {})
        return [_stored(item, inner, (*loc, index), unknown, kind) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
    is_open = schema.get(PRESERVE, False)
    stored = {}
    for name, item in value.items():
        inner = properties.get(name, rest)
        if inner is None and not is_open and schema.get("type") == "object":
            unknown.append(unknown_field((*loc, name), properties, kind, faults=len(unknown)))
        elif not isinstance(inner, Mapping):
            stored[name] = item
        elif item is not None or name not in properties:
            stored[name] = _stored(item, inner, (*loc, name), unknown, kind)
    return stored


def unevaluated_rules() -> Iterator[tuple[str, str, str]]:
    """Yield the CEL rules that only the API server can evaluate: kind, path of the object, message.

    They compare with the previous version of the object. The models implement every other rule, so these are
    checked here.
    """
    for kind in RESOURCES:
        for path, rule in _rules(crd_schema(kind), ""):
            if "oldSelf" in rule["rule"]:
                yield kind, f"{path}{rule.get('fieldPath', '')}", rule["message"]


def _rules(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, rule
    for name, inner in schema.get("properties", {}).items():
        yield from _rules(inner, f"{path}.{name}" if path else name)
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(keyword), Mapping):
            yield from _rules(schema[keyword], f"{path}{mark}")
