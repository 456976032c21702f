"""JSON merge patches (RFC 7386)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.values.json_values import MAPPINGS, is_same_json


def merge_patch(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) that changes one object into the other; empty if equal.

    Fields to remove are null in the patch. Null fields in ``wanted`` count as absent, as a merge patch cannot
    store them; the API server also drops them inside lists.
    """
    patch: dict[str, Any] = {key: None for key in current if wanted.get(key) is None}
    for key, value in wanted.items():
        old = current.get(key)
        # The cheap check first: usually nothing has changed.
        if value is None or is_same_json(value, old) or _is_same(value, old):
            continue
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            patch[key] = merge_patch(old, value)
        else:
            patch[key] = _without_nulls(value)
    return patch


def _is_same(value: Any, other: Any) -> bool:
    """Whether two values are the same as JSON, where true is not 1; null fields of the value are absent."""
    if isinstance(value, str):
        return bool(value == other)
    if isinstance(value, list):
        return isinstance(other, list) and len(value) == len(other) and all(map(_is_same, value, other))
    if isinstance(value, MAPPINGS) and isinstance(other, MAPPINGS):
        present = 0
        for key, item in value.items():
            if item is None:
                continue
            if key not in other or not _is_same(item, other[key]):
                return False
            present += 1
        return present == len(other)
    return bool(value == other) and isinstance(value, bool) is isinstance(other, bool)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, MAPPINGS):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value
