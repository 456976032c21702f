"""The fields of a live child that differ from what was applied, and the managers that wrote them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_operator.core.objects.drift import ATOMIC_MAPS, LIST_KEYS, QUANTITY_MAPS, is_subset, item_key
from model_operator.core.objects.ownership import MANAGER
from model_operator.core.planning.replicas_handover import REPLICAS_MANAGER, has_min_workers
from model_operator.core.rendering.desired_child import DesiredChild
from model_operator.core.values.json_values import stable_json

MAX_FIELDS = 16
"""Fields of one child that are reported; the API's bound on ``status.deployments[].contested``."""
_OURS = frozenset({MANAGER, REPLICAS_MANAGER})

Object = Mapping[str, Any]
Step = str | tuple[str, Object]
"""The name of a field; or, of an item of an associative list, how it is shown, and the item."""


@dataclass(frozen=True, slots=True, order=True)
class ContestedField:
    """A field that another field manager keeps changing.

    Attributes
    ----------
    kind
        Kind of the child.
    field
        Its path, such as ``spec.template.spec.containers[name="model"].image``; empty for the whole object,
        which is deleted again and again.
    manager
        The field manager that wrote it, with the subresource by which it did, if any; empty when
        ``metadata.managedFields`` names none, as of a field that was removed, or that admission rewrites.
    """

    kind: str
    field: str
    manager: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not as wanted.

    Attributes
    ----------
    path
        The steps from the object's root.
    live
        What it is; None where it is absent.
    """

    path: tuple[Step, ...]
    live: Any

    @property
    def field(self) -> str:
        """The path as it is shown, in the form that the API server's own conflicts have."""
        shown = ""
        for step in self.path:
            name = step if isinstance(step, str) else step[0]
            shown += name if not shown or name.startswith("[") else f".{name}"
        return shown


def differences(wanted: Any, live: Any, field: str = "", path: tuple[Step, ...] = ()) -> Iterator[Difference]:
    """Yield the smallest parts of a wanted child that are not live.

    Parameters
    ----------
    wanted
        What :func:`~model_operator.core.objects.drift.applicable` returned, or a part of it.
    live
        The child as the API server has it, or the same part of it.
    field
        The name of the field that the part is, empty for the whole.
    path
        Where the part is.

    Notes
    -----
    There are none exactly where :func:`~model_operator.core.objects.drift.is_subset` holds.
    """
    if is_subset(wanted, live, field):
        return
    if isinstance(wanted, Mapping) and isinstance(live, Mapping) and field not in ATOMIC_MAPS | QUANTITY_MAPS:
        for name, value in wanted.items():
            yield from differences(value, live.get(name), name, (*path, name))
        return
    keys = LIST_KEYS.get(field)
    if keys and _are_items(wanted) and _are_items(live):
        by_key = {item_key(item, keys): item for item in live}
        for index, item in enumerate(wanted):
            name = item.get("name") if keys == ("name",) else None
            shown = f"[{index}]" if name is None else f"[name={json.dumps(name)}]"
            yield from differences(item, by_key.get(item_key(item, keys)), "", (*path, (shown, item)))
        return
    yield Difference(path, live)


def fingerprint(desired: DesiredChild, live: Object) -> str:
    """Return a hash that identifies a drift; empty when there is none.

    Parameters
    ----------
    desired
        The desired child.
    live
        The child as the API server has it.
    """
    found = [[each.field, each.live] for each in _all_differences(desired, live)]
    return hashlib.sha256(stable_json(found)).hexdigest()[:32] if found else ""


def contested_fields(desired: DesiredChild, live: Object | None) -> tuple[ContestedField, ...]:
    """Return the fields of a child that are not as wanted, sorted, at most :data:`MAX_FIELDS`.

    Parameters
    ----------
    desired
        The desired child.
    live
        The child as the API server has it, with ``managedFields``; None when it was deleted.
    """
    if live is None:
        return (ContestedField(desired.kind, "", ""),)
    found = _all_differences(desired, live)
    fields = {ContestedField(desired.kind, each.field, writer_of(live, each.path)) for each in found}
    return tuple(sorted(fields)[:MAX_FIELDS])


def rewritten_fields(desired: DesiredChild, answer: Object) -> tuple[ContestedField, ...]:
    """Return the fields of an applied child that admission has rewritten and should not.

    A policy may change metadata and pods: images from a mirror, sidecars, default resources. Any other field,
    such as the number of workers or the port of a Service, is specified by the instance, so a change of it
    is reported.

    Parameters
    ----------
    desired
        The desired child.
    answer
        What the API server answered to the apply.
    """
    pods: tuple[Step, ...] = ("spec", "template")
    fields = {
        ContestedField(desired.kind, each.field, "")
        for each in _all_differences(desired, answer)
        if each.path[0] != "metadata" and not (desired.kind == "Deployment" and each.path[:2] == pods)
    }
    return tuple(sorted(fields)[:MAX_FIELDS])


def _all_differences(desired: DesiredChild, live: Object) -> list[Difference]:
    """Return the differences, and ``replicas`` where an autoscaler's Deployment has too few workers."""
    found = list(differences(desired.applied, live))
    if not has_min_workers(desired, live):
        found.append(Difference(("spec", "replicas"), live["spec"].get("replicas")))
    return found


def writer_of(live: Object, path: Sequence[Step]) -> str:
    """Return the manager, other than ours, that last wrote a field; empty when none is known.

    Parameters
    ----------
    live
        The object with ``metadata.managedFields``.
    path
        The field.
    """
    writers = [
        (str(entry.get("time", "")), _named(entry))
        for entry in live["metadata"].get("managedFields") or ()
        if entry.get("manager") not in _OURS and _owns(entry.get("fieldsV1") or {}, path)
    ]
    return max(writers)[1] if writers else ""


def _named(entry: Object) -> str:
    manager, subresource = str(entry.get("manager", "")), entry.get("subresource")
    return f"{manager} ({subresource})" if subresource else manager


def _owns(fields: Object, path: Sequence[Step]) -> bool:
    """Return whether ``fieldsV1`` names a field, an atomic one around it, or one within it."""
    if not fields:
        return False
    for step in path:
        found = fields.get(f"f:{step}") if isinstance(step, str) else _item_fields(fields, step[1])
        if found is None:
            return False
        if not found:
            return True
        fields = found
    return True


def _item_fields(fields: Object, item: Object) -> Object | None:
    """Return what ``fieldsV1`` has of an item of an associative list."""
    for key, inner in fields.items():
        if key.startswith("k:"):
            wanted = json.loads(key[2:])
            if all(item.get(name, "TCP" if name == "protocol" else None) == wanted[name] for name in wanted):
                found: Object = inner
                return found
    return None


def _are_items(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
