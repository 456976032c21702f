"""Makes the API reference out of the schemas of the kinds: every field, as the API server knows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from model_operator.api import (
    ClusterModelTemplate,
    ClusterModelTemplateRevision,
    ModelInstance,
    ModelTemplate,
    ModelTemplateRevision,
    Resource,
)
from model_operator.api.crd import open_api_schema
from model_operator.api.rules import INT_OR_STRING, LIST_MAP_KEYS, LIST_TYPE, MAP_TYPE, PRESERVE, VALIDATIONS

Schema = Mapping[str, Any]

_RANGES = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
    ("minProperties", "maxProperties", " entries"),
)
_TOLD = {
    *(keyword for low, high, _ in _RANGES for keyword in (low, high)),
    *("pattern", "type", "format", "description", "default", "enum", "required", "properties", "items"),
    *("additionalProperties", VALIDATIONS, PRESERVE, INT_OR_STRING, LIST_TYPE, LIST_MAP_KEYS, MAP_TYPE),
}
_BUILT_IN = re.compile(r" ?Built-in default: `?([^\s`.]+)`?\.$")


@dataclass(frozen=True)
class Field:
    """One field of a kind.

    Attributes
    ----------
    path
        From the object's root; items of a list are `[]`, values of a map are `.*`.
    schema
        Its schema in the CRD.
    required
        Whether the object that it is in must have it.
    """

    path: str
    schema: Schema
    required: bool


def fields(resource: type[Resource]) -> Iterator[Field]:
    """Yield every field of a kind, each before those in it."""
    yield from _fields("", open_api_schema(resource, described=True))


def _fields(path: str, schema: Schema) -> Iterator[Field]:
    prefix = f"{path}." if path else ""
    for name, inner in schema.get("properties", {}).items():
        yield Field(f"{prefix}{name}", inner, name in schema.get("required", ()))
        yield from _fields(*_inside(f"{prefix}{name}", inner))


def _inside(path: str, schema: Schema) -> tuple[str, Schema]:
    """Give the schema that has the fields: of a list that of its items, of a map that of its values."""
    if "items" in schema:
        return _inside(f"{path}[]", schema["items"])
    if isinstance(schema.get("additionalProperties"), Mapping):
        return _inside(f"{path}.*", schema["additionalProperties"])
    return path, schema


def instance_reference() -> str:
    """Give the reference of ModelInstance as Markdown."""
    return _reference(ModelInstance)


def template_reference() -> str:
    """Give the reference of ModelTemplate as Markdown, which is that of ClusterModelTemplate, too."""
    return _common_reference(ModelTemplate, ClusterModelTemplate)


def revision_reference() -> str:
    """Give the reference of ModelTemplateRevision, which is that of ClusterModelTemplateRevision, too."""
    return _common_reference(ModelTemplateRevision, ClusterModelTemplateRevision)


def _common_reference(own: type[Resource], cluster: type[Resource]) -> str:
    one, other = (
        [(field.path, _without_description(field.schema)) for field in fields(kind)]
        for kind in (own, cluster)
    )
    if one != other:
        raise LookupError(f"{own.__name__} and {cluster.__name__} differ: give each a reference of its own.")
    return _reference(own)


def _without_description(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {key: _without_description(value) for key, value in schema.items() if key != "description"}
    return schema


def _reference(resource: type[Resource]) -> str:
    root = open_api_schema(resource, described=True)
    parts = [_rules(root)] if VALIDATIONS in root else []
    for name in ("spec", "status"):
        if name not in root["properties"]:
            continue
        parts += _sections(resource.__name__, name, root["properties"][name])
    return "\n\n".join(parts)


def _sections(kind: str, path: str, schema: Schema) -> list[str]:
    """Give the section of an object, and behind it those of the objects in it."""
    properties: Mapping[str, Schema] = schema["properties"]
    parts = [f"### {_title(kind, path)}", schema.get("description", "")]
    if VALIDATIONS in schema:
        parts.append(_rules(schema))
    required = schema.get("required", ())
    rows = ["| field | type | default | allowed | meaning |", "|---|---|---|---|---|"]
    rows += [_row(kind, path, name, inner, name in required) for name, inner in properties.items()]
    parts.append("\n".join(rows))
    for name, inner in properties.items():
        inner_path, inner_schema = _inside(f"{path}.{name}", inner)
        if "properties" in inner_schema:
            parts += _sections(kind, inner_path, inner_schema)
    return [part for part in parts if part]


def _title(kind: str, path: str) -> str:
    return f"{kind}: {path}"


def _slug(title: str) -> str:
    """Give the anchor that GitHub and the site make of a heading."""
    return re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")


def _rules(schema: Schema) -> str:
    lines = [
        f"* `{rule['fieldPath'].removeprefix('.')}`: {_escaped(rule['message'])}"
        if "fieldPath" in rule
        else f"* {_escaped(rule['message'])}"
        for rule in schema[VALIDATIONS]
    ]
    return "\n".join(["Over several fields:", "", *lines])


def _row(kind: str, path: str, name: str, schema: Schema, required: bool) -> str:
    meaning = schema.get("description", "")
    inner_path, inner_schema = _inside(f"{path}.{name}", schema)
    default = "required" if required else ""
    if "default" in schema:
        default = f"`{_spelt(schema['default'])}`"
    elif match := _BUILT_IN.search(meaning):
        default, meaning = f"`{match[1]}` (built in)", meaning[: match.start()]
    kind_of_value = _type(schema)
    if "properties" in inner_schema:
        kind_of_value = f"[{kind_of_value}](#{_slug(_title(kind, inner_path))})"
    cells = (f"`{name}`", kind_of_value, default, "; ".join(_allowed(schema)), _escaped(meaning))
    return "| " + " | ".join(cells) + " |"


def _type(schema: Schema) -> str:
    if schema.get(INT_OR_STRING):
        return "integer or string"
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"map of {_type(schema['additionalProperties'])}"
    if schema.get(PRESERVE):
        return "any object"
    kind: str = schema["type"]
    return f"{kind}, {schema['format']}" if schema.get("format") == "date-time" else kind


def _allowed(schema: Schema, of: str = "") -> Iterator[str]:
    """Yield what a value must be like, in the words of the table; `of` says which values are meant."""
    unknown = schema.keys() - _TOLD
    if unknown:
        raise LookupError(f"the reference does not say what {', '.join(sorted(unknown))} mean.")
    if "enum" in schema:
        yield of + ", ".join(f"`{value}`" for value in schema["enum"])
    yield from (of + text for text in _ranges(schema))
    if "pattern" in schema:
        yield f"{of}matches `{_escaped(schema['pattern'])}`"
    if "properties" not in schema:
        yield from (of + _escaped(rule["message"]) for rule in schema.get(VALIDATIONS, ()))
    if LIST_MAP_KEYS in schema:
        yield f"merged by {', '.join(f'`{key}`' for key in schema[LIST_MAP_KEYS])}"
    elif "atomic" in (schema.get(LIST_TYPE), schema.get(MAP_TYPE)):
        yield "replaced as a whole"
    for keyword in ("items", "additionalProperties"):
        inner = schema.get(keyword)
        if isinstance(inner, Mapping) and "properties" not in inner:
            yield from _allowed(inner, of="each ")


def _ranges(schema: Schema) -> Iterator[str]:
    for low, high, unit in _RANGES:
        if low in schema and high in schema:
            yield f"{schema[low]} to {schema[high]}{unit}"
        elif low in schema:
            yield f"at least {schema[low]}{unit}"
        elif high in schema:
            yield f"at most {schema[high]}{unit}"


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
