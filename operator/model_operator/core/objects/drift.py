"""What was applied, and whether a live child still has it: hash and drift of owned fields.

Service and HorizontalPodAutoscaler have no ``metadata.generation``, and a subset comparison alone
misses a field that we stopped setting. So each child carries the hash of the object we applied,
and is left alone only when that hash is the wanted one *and* every wanted field is live.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from model_operator.api import GROUP
from model_operator.core.values.json_values import MAPPINGS, stable_json
from model_operator.core.values.quantities import canonical_quantity

APPLIED_HASH = f"{GROUP}/applied-hash"
"""Annotation of a child: hash of the object that was applied."""

_PLAIN = frozenset({str, int, bool, float})
_SCALARS = (str, int, float)
"""Most values are these, and lists come next: asking for them first spares slower questions."""
QUANTITY_MAPS = frozenset({"requests", "limits", "overhead"})
"""Fields that are mappings to quantities, which have several spellings."""
_QUANTITY_FIELDS = frozenset({"sizeLimit", "divisor", "averageValue"})
ATOMIC_MAPS = frozenset(
    {
        "selector",
        "labelSelector",
        "namespaceSelector",
        "matchLabels",
        "nodeSelector",
        "secretKeyRef",
        "configMapKeyRef",
    }
)
"""Server-side apply owns these as a whole: a key added by another manager changes our field."""
LIST_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "schedulingGates": ("name",),
    "resourceClaims": ("name",),
    "claims": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "port", "protocol"),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "hostAliases": ("ip",),
    "ownerReferences": ("uid",),
}
"""The associative lists of our kinds and their ``x-kubernetes-list-map-keys``; all others are atomic."""
_ATOMIC_DEFAULTS: Mapping[str, tuple[str, Any]] = {
    "fieldRef": ("apiVersion", "v1"),
    "resourceFieldRef": ("divisor", "0"),
    "serviceAccountToken": ("expirationSeconds", 3600),
}
"""What the API server adds where server-side apply knows one owner of all fields: there it becomes ours."""
_SPELLED_FIELDS = QUANTITY_MAPS | _QUANTITY_FIELDS | _ATOMIC_DEFAULTS.keys()
_MEANINGFUL_ZEROS = frozenset(
    {
        "allowPrivilegeEscalation",
        "automountServiceAccountToken",
        "fsGroup",
        "hostUsers",
        "mode",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
        "storageClassName",
    }
)
"""Fields for which false, 0 or "" is stored and differs from absence; elsewhere it may not be stored."""
_Spelled = list[tuple[dict[str, Any], str, Any]]
"""What was given where a canonical copy has something else, or nothing: object, field and value."""


def with_applied_hash(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object as it is applied: without nulls and empty ``value``, with its hash.

    Parameters
    ----------
    obj
        A rendered child, any kind.

    Returns
    -------
    dict
        A copy with the annotation ``modeloperator.dev/applied-hash``. Nulls and an environment
        variable's empty ``value`` are left out because the API server does not store them:
        they would read as drift for ever.
    """
    original_spelling: _Spelled = []
    copied = _canonical(obj, original_spelling)
    digest = _digest(copied)
    return _with_hash(_as_spelled(copied, original_spelling), digest)


def applicable_deployment(deployment: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what :func:`with_applied_hash` and :func:`pod_revision` do, for the price of the former."""
    original_spelling: _Spelled = []
    copied = _canonical(deployment, original_spelling)
    digest, revision = _digest(copied), _digest(copied["spec"]["template"])
    return _with_hash(_as_spelled(copied, original_spelling), digest), revision


def is_applied(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Return whether a live child is what :func:`with_applied_hash` returned, so that no write is needed.

    Parameters
    ----------
    wanted
        The result of :func:`with_applied_hash`.
    live
        The child as the API server has it. Fields that others added do not count as drift.
    """
    return hash_matches(wanted, live) and is_subset(wanted, live)


def hash_matches(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Return whether a live child was last applied as this, whatever other managers changed since.

    A cluster's admission plugins may change what is applied, an image's registry for example: then
    it never is live to the letter, and yet its roll-out is that of the wanted object.

    Parameters
    ----------
    wanted, live
        As for :func:`is_applied`.
    """
    annotations = live.get("metadata", {}).get("annotations") or {}
    return bool(annotations.get(APPLIED_HASH) == wanted["metadata"]["annotations"][APPLIED_HASH])


def pod_revision(deployment: Mapping[str, Any]) -> str:
    """Return a hash of a rendered Deployment's pod template, which identifies the revision."""
    return _digest(_canonical(deployment["spec"]["template"], []))


def _with_hash(pruned: Mapping[str, Any], digest: str) -> dict[str, Any]:
    metadata = dict(pruned.get("metadata", {}))
    metadata["annotations"] = {**metadata.get("annotations", {}), APPLIED_HASH: digest}
    return {**pruned, "metadata": metadata}


def _digest(canonical: Mapping[str, Any]) -> str:
    return hashlib.sha256(stable_json(canonical)).hexdigest()[:32]


def _canonical(value: Any, original_spelling: _Spelled) -> Any:
    """Copy a value without nulls, and with one spelling for what means the same; note the other spellings."""
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, list):
        return [item if type(item) in _PLAIN else _canonical(item, original_spelling) for item in value]
    if isinstance(value, MAPPINGS):
        copied = {
            # Most are these; the call would take longer than to ask.
            key: item if type(item) in _PLAIN else _canonical(item, original_spelling)
            for key, item in value.items()
            if item is not None
        }
        if copied.get("value") == "" and "name" in copied:
            del copied["value"]
        if not _SPELLED_FIELDS.isdisjoint(copied):
            _spell(copied, original_spelling)
        return copied
    return [_canonical(item, original_spelling) for item in value] if isinstance(value, Sequence) else value


def _spell(copied: dict[str, Any], original_spelling: _Spelled) -> None:
    """Give the fields of an object their canonical values, or leave them out."""
    for key in copied.keys() & _SPELLED_FIELDS:
        item = copied[key]
        if isinstance(item, dict):
            if key in QUANTITY_MAPS:
                for name in item:
                    _replace(item, name, _quantity(item[name]), original_spelling)
            elif key in _ATOMIC_DEFAULTS:
                name, default = _ATOMIC_DEFAULTS[key]
                if item.get(name) == default:
                    original_spelling.append((item, name, item.pop(name)))
        elif key in _QUANTITY_FIELDS:
            _replace(copied, key, _quantity(item), original_spelling)


def _replace(obj: dict[str, Any], key: str, value: Any, original_spelling: _Spelled) -> None:
    original_spelling.append((obj, key, obj[key]))
    obj[key] = value


def _as_spelled(copied: dict[str, Any], original_spelling: _Spelled) -> dict[str, Any]:
    for obj, key, value in reversed(original_spelling):
        obj[key] = value
    return copied


def _quantity(value: Any) -> Any:
    try:
        return canonical_quantity(value)
    except ValueError:
        return value


def is_subset(wanted: Any, live: Any, field: str = "") -> bool:
    """Return whether all of a wanted value of that field is live; additions are ignored."""
    if wanted == live:
        return True
    if live is None:
        return not wanted and field not in _MEANINGFUL_ZEROS
    if isinstance(wanted, MAPPINGS):
        if not isinstance(live, MAPPINGS) or (field in ATOMIC_MAPS and not live.keys() <= wanted.keys()):
            return False
        if field in QUANTITY_MAPS:
            return all(
                key in live and _quantity(item) == _quantity(live[key]) for key, item in wanted.items()
            )
        return all(is_subset(item, live.get(key), key) for key, item in wanted.items())
    if isinstance(wanted, list):
        return _is_list_subset(wanted, live, field)
    return field in _QUANTITY_FIELDS and bool(_quantity(wanted) == _quantity(live))


def _is_list_subset(wanted: list[Any], live: Any, field: str) -> bool:
    """Compare associative lists by their key, as server-side apply merges them; others in order."""
    if not isinstance(live, list):
        return False
    keys = LIST_KEYS.get(field)
    if keys is None or not all(isinstance(item, Mapping) for item in (*wanted, *live)):
        return len(wanted) == len(live) and all(map(is_subset, wanted, live))
    by_key = {item_key(item, keys): item for item in live}
    return all(is_subset(item, by_key.get(item_key(item, keys))) for item in wanted)


def item_key(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    """Return what an item of an associative list is known by."""
    # The API server fills in the protocol, which is part of a port's key.
    return tuple(item.get(key, "TCP" if key == "protocol" else None) for key in keys)
