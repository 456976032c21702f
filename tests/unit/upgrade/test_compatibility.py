"""What counts as taking something away from those who have objects of an older CRD."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.upgrade.compatibility import incompatibilities

if TYPE_CHECKING:
    from collections.abc import Callable


OLD = yaml.safe_load("""
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Thing, plural: things, shortNames: [th]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas}}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            x-kubernetes-validations: [{rule: self.a != ''}]
            properties:
              text: {type: string, maxLength: 10, minLength: 1, pattern: ^a}
              kind: {type: string, enum: [A, B]}
              count: {type: integer, minimum: 0, maximum: 9, default: 1}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              map: {type: object, additionalProperties: {type: string}}
              list: {type: array, maxItems: 5, x-kubernetes-list-type: atomic, items: {type: string}}
              none: {type: string, nullable: true}
""")


def schema(crd: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def fields(crd: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema(crd)["properties"]["spec"]["properties"]
    return found


def changed(change: Callable[[dict[str, Any]], Any]) -> list[str]:
    new = deepcopy(OLD)
    change(new)
    assert new != OLD
    return incompatibilities(OLD, new)


FIELD = "v1.spec"
WRONG: list[tuple[Any, str]] = [
    (lambda crd: fields(crd).pop("text"), f"{FIELD}.text: the field is gone"),
    (lambda crd: fields(crd)["text"].update(maxLength=9), f"{FIELD}.text: maxLength tightened from 10 to 9"),
    (lambda crd: fields(crd)["text"].update(minLength=2), f"{FIELD}.text: minLength tightened from 1 to 2"),
    (
        lambda crd: fields(crd)["text"].update(pattern="^b"),
        f"{FIELD}.text: pattern changed from '^a' to '^b'",
    ),
    (
        lambda crd: fields(crd)["text"].update(format="date"),
        f"{FIELD}.text: format changed from None to 'date'",
    ),
    (
        lambda crd: fields(crd)["text"].update(type="integer"),
        f"{FIELD}.text: type changed from 'string' to 'integer'",
    ),
    (lambda crd: fields(crd)["text"].update(enum=["a"]), f"{FIELD}.text: enum no longer takes anything else"),
    (lambda crd: fields(crd)["text"].update(default="a"), f"{FIELD}.text: default changed from None to 'a'"),
    (
        lambda crd: fields(crd)["text"].update(default=None),
        f"{FIELD}.text: default changed from None to None",
    ),
    (lambda crd: fields(crd)["text"].update(oneOf=[{}]), f"{FIELD}.text: oneOf changed from None to [{{}}]"),
    (lambda crd: fields(crd)["kind"].update(enum=["A", "C"]), f"{FIELD}.kind: enum no longer takes B"),
    (lambda crd: fields(crd)["count"].update(default=2), f"{FIELD}.count: default changed from 1 to 2"),
    (lambda crd: fields(crd)["count"].pop("default"), f"{FIELD}.count: default changed from 1 to None"),
    (lambda crd: fields(crd)["count"].update(minimum=1), f"{FIELD}.count: minimum tightened from 0 to 1"),
    (lambda crd: fields(crd)["count"].update(maximum=8), f"{FIELD}.count: maximum tightened from 9 to 8"),
    (
        lambda crd: fields(crd)["count"].update(multipleOf=2),
        f"{FIELD}.count: multipleOf changed from None to 2",
    ),
    (
        lambda crd: fields(crd)["free"].pop("x-kubernetes-preserve-unknown-fields"),
        f"{FIELD}.free: fields of any name are no longer kept",
    ),
    (
        lambda crd: fields(crd)["free"].update(properties={"known": {"type": "string"}}),
        f"{FIELD}.free.known: a field that took anything has got rules",
    ),
    (
        lambda crd: fields(crd)["map"].pop("additionalProperties"),
        f"{FIELD}.map: fields of any name are no longer kept",
    ),
    (
        lambda crd: fields(crd)["map"]["additionalProperties"].update(maxLength=1),
        f"{FIELD}.map.*: maxLength tightened from None to 1",
    ),
    (
        lambda crd: fields(crd)["list"]["items"].update(minLength=1),
        f"{FIELD}.list[]: minLength tightened from None to 1",
    ),
    (
        lambda crd: fields(crd)["list"].update({"x-kubernetes-list-type": "set"}),
        f"{FIELD}.list: x-kubernetes-list-type changed from 'atomic' to 'set'",
    ),
    (
        lambda crd: fields(crd).update(kind={"type": "string", "minLength": 2}),
        f"{FIELD}.kind: minLength tightened from None to 2",
    ),
    (lambda crd: fields(crd)["none"].pop("nullable"), f"{FIELD}.none: null is no longer taken"),
    (
        lambda crd: schema(crd)["properties"]["spec"].update(required=["text"]),
        f"{FIELD}: text became required",
    ),
    (
        lambda crd: schema(crd)["properties"]["spec"]["x-kubernetes-validations"].append({"rule": "false"}),
        f"{FIELD}: a new rule 'false'",
    ),
    (
        lambda crd: schema(crd)["properties"]["spec"]["x-kubernetes-validations"].append(
            {"rule": "!has(self.kind) || self.text != ''"}
        ),
        f"{FIELD}: a new rule \"!has(self.kind) || self.text != ''\"",
    ),
    (lambda crd: crd["spec"].update(scope="Cluster"), "scope: expected 'Namespaced', got 'Cluster'"),
    (lambda crd: crd["spec"]["names"].update(kind="Other"), "names.kind: expected 'Thing', got 'Other'"),
    (lambda crd: crd["spec"]["names"].update(shortNames=[]), "names.shortNames: expected ['th'], got []"),
    (lambda crd: crd["spec"]["versions"][0].update(served=False), "versions.v1: expected to be served still"),
    (lambda crd: crd["spec"]["versions"][0].update(name="v2"), "versions.v1: expected to be served still"),
    (
        lambda crd: crd["spec"]["versions"][0].update(storage=False),
        "versions.v1: expected to be what is stored still, as nothing stores old objects anew",
    ),
    (
        lambda crd: crd["spec"]["versions"][0]["subresources"].pop("status"),
        "v1.subresources.status: expected {}, got None",
    ),
]


@pytest.mark.parametrize(("change", "told"), WRONG, ids=[told for _, told in WRONG])
def test_what_takes_something_away_is_told_with_its_place(change: Any, told: str) -> None:
    assert changed(change) == [told]


@pytest.mark.parametrize(
    "change",
    [
        lambda crd: fields(crd).update(more={"type": "string", "minLength": 3, "default": "abc"}),
        lambda crd: (
            fields(crd).update(more={"type": "string"}),
            schema(crd)["properties"]["spec"]["x-kubernetes-validations"].append(
                {"rule": "!has(self.more) || self.text != ''"}
            ),
        ),
        lambda crd: fields(crd)["text"].update(maxLength=11, minLength=0),
        lambda crd: fields(crd)["text"].pop("pattern"),
        lambda crd: fields(crd)["text"].update(description="Other words."),
        lambda crd: fields(crd)["kind"]["enum"].append("C"),
        lambda crd: fields(crd)["kind"].pop("enum"),
        lambda crd: fields(crd).update(kind={"type": "string", "minLength": 1, "maxLength": 9}),
        lambda crd: fields(crd).update(
            count={"x-kubernetes-int-or-string": True, "maxLength": 9, "default": 1}
        ),
        lambda crd: fields(crd)["count"].pop("maximum"),
        lambda crd: schema(crd).pop("required"),
        lambda crd: schema(crd)["properties"]["spec"].pop("x-kubernetes-validations"),
        lambda crd: crd["spec"]["names"]["shortNames"].append("tg"),
        lambda crd: crd["spec"]["versions"].append({"name": "v2", "served": True, "storage": False}),
    ],
)
def test_what_adds_and_loosens_is_fine(change: Any) -> None:
    assert changed(change) == []
