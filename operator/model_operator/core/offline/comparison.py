"""The differences between two sets of objects, as a unified diff."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from model_operator.core.objects.drift import APPLIED_HASH, is_applied
from model_operator.core.objects.managed_fields import applied_fields
from model_operator.core.values.quantities import canonical_quantity
from model_operator.core.values.text_diff import unified_diff
from model_operator.core.values.yaml_dialect import to_yaml

Object = Mapping[str, Any]

_QUANTITIES: Final = frozenset({"requests", "limits", "overhead", "sizeLimit", "divisor", "averageValue"})


def differences(before: Iterable[Object], after: Iterable[Object]) -> Iterator[str]:
    """Yield the lines of a diff, object by object in the order of their names; none when all are equal.

    Parameters
    ----------
    before, after
        The objects as they are and as they would be.
    """
    old = {_identity(obj): obj for obj in before}
    new = {_identity(obj): obj for obj in after}
    for identity in sorted(old.keys() | new.keys()):
        namespace, name, kind = identity
        title = f"{kind} {namespace}/{name}"
        yield from unified_diff(
            _lines(old.get(identity)),
            _lines(new.get(identity)),
            f"before: {title}" if identity in old else "before: none",
            f"after: {title}" if identity in new else "after: none",
        )


def as_applied(live: Iterable[Object], wanted: Iterable[Object]) -> list[Object]:
    """Return live objects reduced to what the operator has applied to them and still owns.

    Parameters
    ----------
    live
        Objects as a cluster has them, with ``metadata.managedFields``.
    wanted
        The objects that would be applied. A live object that equals one of them is returned in its form, and
        so is a quantity that the API server only spells differently.
    """
    by_identity = {_identity(obj): obj for obj in wanted}
    result: list[Object] = []
    for obj in live:
        target = by_identity.get(_identity(obj))
        if target is not None and is_applied(target, obj):
            result.append(target)
            continue
        owned: Object = next(applied_fields(obj), {})
        metadata = {key: obj["metadata"][key] for key in ("name", "namespace")} | owned.get("metadata", {})
        reduced = {**owned, "apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
        result.append(_spelled_alike(reduced, target, obj) if target else reduced)
    return result


def _identity(obj: Object) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"], obj["kind"]


def _lines(obj: Object | None) -> list[str]:
    return [] if obj is None else to_yaml(dict(obj)).splitlines()[1:]


def _spelled_alike(owned: Any, target: Any, live: Any, field: str = "", *, quantity: bool = False) -> Any:
    """Return the owned fields as they were sent: quantities in their spelling, named items in their order.

    Fields that the API server does not store when they are false, 0 or empty are added again, unless another
    manager has set them.
    """
    if isinstance(owned, Mapping) and isinstance(target, Mapping):
        inner = field in _QUANTITIES
        alike = {
            key: _spelled_alike(item, target.get(key), live.get(key), key, quantity=inner)
            for key, item in owned.items()
        }
        unstored = {
            key: item for key, item in target.items() if key not in live and _is_not_stored(key, item)
        }
        return {**alike, **unstored}
    if isinstance(owned, list) and isinstance(target, list) and isinstance(live, list):
        by_name, of_live = _named(target), _named(live)
        if by_name:
            order = {name: number for number, name in enumerate(by_name)}
            items = sorted(owned, key=lambda item: order.get(item["name"], -1))
            return [_spelled_alike(item, by_name.get(item["name"]), of_live[item["name"]]) for item in items]
        if len(owned) == len(target) == len(live):
            return list(map(_spelled_alike, owned, target, live))
    return target if (quantity or field in _QUANTITIES) and _same_quantity(owned, target) else owned


def _named(items: list[Any]) -> dict[str, Any]:
    """Return items by name; empty unless each has a unique name."""
    named = {item["name"]: item for item in items if isinstance(item, Mapping) and "name" in item}
    return named if len(named) == len(items) else {}


def _is_not_stored(field: str, value: Any) -> bool:
    empty = {"metadata": {"annotations": {APPLIED_HASH: ""}}}
    return is_applied({**empty, field: value}, empty)


def _same_quantity(value: Any, target: Any) -> bool:
    try:
        return canonical_quantity(value) == canonical_quantity(target)
    except ValueError:
        return False
