"""What a CRD takes away from those who have objects of an older version of it; pure.

A newer CRD may add optional fields and loosen rules. It may not forget a field (the API server would drop it
from what is stored), refuse what was taken, or mean something else by a field that was left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Schema = dict[str, Any]

RULES = "x-kubernetes-validations"
OPEN = "x-kubernetes-preserve-unknown-fields"
AT_MOST = ("maxLength", "maxItems", "maxProperties", "maximum")
AT_LEAST = ("minLength", "minItems", "minProperties", "minimum")
# Of these, absence takes nothing away: without the keyword, more is let in.
LOOSENED_WITHOUT = (
    "format",
    "pattern",
    "multipleOf",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "uniqueItems",
    "not",
    "allOf",
    "anyOf",
    "oneOf",
)
AS_IT_WAS = (
    "type",
    *LOOSENED_WITHOUT,
    "x-kubernetes-int-or-string",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
)


INT_OR_STRING = "x-kubernetes-int-or-string"
WEAKER: Mapping[str, str] = {
    entry["rule"]: entry["instead_of"]
    for entry in yaml.safe_load((Path(__file__).parent / "weaker_rules.yaml").read_text(encoding="utf-8"))
}
"""Reviewed rules that are weaker than the rule or keyword that they replace."""


def incompatibilities(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Give what objects and clients of the old CRD would lose by the new one, each with its path.

    Parameters
    ----------
    old, new
        Two versions of a CustomResourceDefinition.
    """
    return list(_definition(old, new))


def _definition(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = old["spec"], new["spec"]
    for field in ("group", "scope"):
        if before[field] != after[field]:
            yield f"{field}: expected {before[field]!r}, got {after[field]!r}"
    for field, value in before["names"].items():
        kept = after["names"].get(field)
        gone = set(value) - set(kept or []) if isinstance(value, list) else value != kept
        if gone:
            yield f"names.{field}: expected {value!r}, got {kept!r}"
    versions = {version["name"]: version for version in after["versions"]}
    for version in before["versions"]:
        name = version["name"]
        newer = versions.get(name)
        if newer is None or (version["served"] and not newer["served"]):
            yield f"versions.{name}: expected to be served still"
            continue
        if version["storage"] and not newer["storage"]:
            yield f"versions.{name}: expected to be what is stored still, as nothing stores old objects anew"
        yield from _subresources(name, version.get("subresources", {}), newer.get("subresources", {}))
        schemas = (each["schema"]["openAPIV3Schema"] for each in (version, newer))
        yield from _schema(name, *schemas)


def _subresources(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, value in old.items():
        if new.get(name) != value:
            yield f"{path}.subresources.{name}: expected {value!r}, got {new.get(name)!r}"


def _schema(path: str, old: Schema, new: Schema) -> Iterator[str]:
    yield from _bounds(path, old, new)
    yield from _values(path, old, new)
    yield from _parts(path, old, new)


def _bounds(path: str, old: Schema, new: Schema) -> Iterator[str]:
    # What is no text has no length, and that of listed texts is known.
    lengths = [len(value) for value in old.get("enum", ()) if isinstance(value, str)]
    listed = old.get("type") == "integer" or bool(lengths)
    for keyword in AT_MOST:
        if keyword == "maxLength" and listed and max(lengths, default=0) <= new.get(keyword, 0):
            continue
        if keyword in new and new[keyword] < old.get(keyword, float("inf")):
            yield f"{path}: {keyword} tightened from {old.get(keyword)} to {new[keyword]}"
    for keyword in AT_LEAST:
        if keyword == "minLength" and lengths and min(lengths) >= new.get(keyword, 0):
            continue
        if keyword in new and new[keyword] > old.get(keyword, float("-inf")):
            yield f"{path}: {keyword} tightened from {old.get(keyword)} to {new[keyword]}"


def _values(path: str, old: Schema, new: Schema) -> Iterator[str]:
    takes_text_too = old.get("type") == "integer" and new.get(INT_OR_STRING) is True
    for keyword in AS_IT_WAS:
        if takes_text_too and keyword in ("type", INT_OR_STRING):
            continue
        if old.get(keyword) != new.get(keyword) and not (keyword in LOOSENED_WITHOUT and keyword not in new):
            yield f"{path}: {keyword} changed from {old.get(keyword)!r} to {new.get(keyword)!r}"
    if "enum" in new and (
        gone := [value for value in old.get("enum", ["anything else"]) if value not in new["enum"]]
    ):
        yield f"{path}: enum no longer takes {', '.join(map(str, gone))}"
    if old.get("nullable") and not new.get("nullable"):
        yield f"{path}: null is no longer taken"
    if ("default" in old) != ("default" in new) or old.get("default") != new.get("default"):
        yield f"{path}: default changed from {old.get('default')!r} to {new.get('default')!r}"
    known = [rule["rule"] for rule in old.get(RULES, [])]
    for rule in new.get(RULES, []):
        is_about_new = any(
            rule["rule"].startswith(f"!has(self.{name}) || ") and name not in old.get("properties", {})
            for name in new.get("properties", {})
        )
        if is_about_new:
            continue
        replaced = WEAKER.get(rule["rule"])
        if rule["rule"] not in known and not (replaced in known or replaced in old):
            yield f"{path}: a new rule {rule['rule']!r}"


def _parts(path: str, old: Schema, new: Schema) -> Iterator[str]:
    if added := sorted(set(new.get("required", [])) - set(old.get("required", []))):
        yield f"{path}: {', '.join(added)} became required"
    kept_open = new.get(OPEN) or new.get("additionalProperties")
    if (old.get(OPEN) and not new.get(OPEN)) or (old.get("additionalProperties") and not kept_open):
        yield f"{path}: fields of any name are no longer kept"
    properties = new.get("properties", {})
    for name, schema in old.get("properties", {}).items():
        if name in properties:
            yield from _schema(f"{path}.{name}", schema, properties[name])
        elif not kept_open:
            yield f"{path}.{name}: the field is gone"
    if old.get(OPEN):
        # What was stored there under a name that has got rules meanwhile was never checked.
        for name in sorted(set(properties) - set(old.get("properties", {}))):
            yield f"{path}.{name}: a field that took anything has got rules"
    for keyword, suffix in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(old.get(keyword), dict) and isinstance(new.get(keyword), dict):
            yield from _schema(f"{path}{suffix}", old[keyword], new[keyword])
