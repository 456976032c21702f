"""Applying the few operations of JSON Patch (RFC 6902) that are used, as the API server does."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def patched(obj: Any, patch: Iterable[Mapping[str, Any]]) -> Any:
    """Give the object after the patch; a path that leads nowhere is a `KeyError`."""
    result = copy.deepcopy(obj)
    for operation in patch:
        *parents, last = [
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        ]
        target = result
        for part in parents:
            target = target[part]
        if operation["op"] == "remove":
            del target[last]
        else:
            assert operation["op"] == "add"
            target[last] = operation["value"]
    return result
