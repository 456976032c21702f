"""What a field manager has applied to an object, read back from ``metadata.managedFields``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model_operator.core.objects.ownership import MANAGER
from model_operator.core.values.json_reading import read_json


def applied_fields(live: Mapping[str, Any], *path: str, manager: str = MANAGER) -> Iterator[Any]:
    """Yield what a manager has applied to an object and still owns; one part of it for each subresource.

    Parameters
    ----------
    live
        The object as the API server has it, with ``metadata.managedFields``.
    path
        The part of it that is wanted, such as ``"spec", "template"``; the whole when left out.
    manager
        The field manager; the operator's by default.
    """
    for entry in live["metadata"].get("managedFields") or []:
        if (entry.get("manager"), entry.get("operation")) != (manager, "Apply"):
            continue
        fields, value = entry.get("fieldsV1") or {}, live
        for name in path:
            fields, value = fields.get(f"f:{name}"), value.get(name, {})
            if fields is None:
                break
        else:
            yield _owned(value, fields)


def _owned(value: Any, fields: Mapping[str, Any]) -> Any:
    """Return the part of a value that ``fieldsV1`` names: ``f:`` fields, ``k:`` and ``v:`` items of lists."""
    if not fields:
        return value
    if isinstance(value, Mapping):
        names = (key.removeprefix("f:") for key in fields if key.startswith("f:"))
        return {name: _owned(value[name], fields[f"f:{name}"]) for name in names if name in value}
    items = [
        (key[:2], read_json(key[2:].encode()), inner)
        for key, inner in fields.items()
        if key[:2] in ("k:", "v:")
    ]
    return [
        _owned(item, inner)
        for item in value
        for how, wanted, inner in items
        if (item == wanted if how == "v:" else item.items() >= wanted.items())
    ]
