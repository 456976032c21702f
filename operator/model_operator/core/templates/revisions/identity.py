"""The identity of what a template specifies: a hash of the content, not a number that a cluster assigns.

The hash is the same for a file and for the object that the API server made of it, in every cluster, and after
an upgrade of the CRD: it ignores the order of fields, fields that equal the default or are null, labels,
annotations, and fields that concern no model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from model_operator.api import ModelTemplate, ModelTemplateSpec
from model_operator.api.crd import open_api_schema
from model_operator.api.revision import REVISION_LENGTH
from model_operator.core.objects.kept_form import informational_fields
from model_operator.core.values.json_values import canonical_copy

UNREVISIONED: Final = informational_fields(ModelTemplateSpec) | {
    "allowed_namespaces",
    "revision_history_limit",
    "rollout",
}
"""Fields of a template's specification that no model depends on: an edit of them makes no new revision."""

_ABSENT: Final = object()


class RevisionName(NamedTuple):
    """The identity of a revision.

    Attributes
    ----------
    hash
        Twelve hexadecimal digits, which an instance names in ``model_template_revision``.
    name
        Name of the object that keeps it.
    """

    hash: str
    name: str


def revision_of(template: Mapping[str, Any]) -> RevisionName:
    """Return the identity of what a template specifies now.

    Parameters
    ----------
    template
        A ModelTemplate or ClusterModelTemplate, from the API server or a file, whose specification is within
        the limits (`model_operator.core.objects.kept_form.known_faults`).
    """
    found = revision_hash(template["spec"])
    return RevisionName(found, f"{template['metadata']['name']}-{found}")


def revision_hash(spec: Mapping[str, Any]) -> str:
    """Return the hash of a template's specification."""
    return _hash(revisioned_spec(spec))


def revisioned_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a template's specification its models depend on, in its shortest form.

    That is the form in which the API server stores it, without fields that equal their default in the CRD and
    without `UNREVISIONED`. It is a new object with sorted keys, and its own shortest form.
    """
    schema = _spec_schema()
    read = {name: value for name, value in spec.items() if name not in UNREVISIONED}
    found: dict[str, Any] = canonical_copy(_shortest(read, schema))
    return found


def content_hash(template_spec: Mapping[str, Any]) -> str:
    """Return the hash of the content of a revision as it is stored: whatever the CRD is, it is the same."""
    return _hash(canonical_copy(template_spec))


def _hash(canonical: Mapping[str, Any]) -> str:
    # Not stable_json, whose encoder may write floats in another way after an upgrade.
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:REVISION_LENGTH]


@cache
def _spec_schema() -> Mapping[str, Any]:
    # Both kinds of template have the same specification.
    schema: Mapping[str, Any] = open_api_schema(ModelTemplate)["properties"]["spec"]
    return schema


def _shortest(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a value without nulls, unknown fields and defaults, as far as the schema declares its parts."""
    if type(value) is str:  # The usual case; avoids the slow check for an ABC.
        return value
    if isinstance(value, list):
        items = schema.get("items")
        return [_shortest(item, items) for item in value] if items else value
    if not isinstance(value, Mapping):
        return value
    properties = schema.get("properties")
    if properties is None:
        rest = schema.get("additionalProperties")
        return {name: _shortest(item, rest) for name, item in value.items()} if rest else value
    shortest = {}
    for name, inner in properties.items():
        if value.get(name) is None:
            continue
        item = _shortest(value[name], inner)
        if item != _shortest(inner.get("default", _ABSENT), inner):
            shortest[name] = item
    return shortest
