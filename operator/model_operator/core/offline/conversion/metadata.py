"""Labels and annotations of the workload's objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.api.service import is_reserved_key
from model_operator.core.offline.conversion.cleaning import is_foreign
from model_operator.core.offline.conversion.credentials import has_credential
from model_operator.core.offline.conversion.notes import Draft, Topic
from model_operator.core.offline.conversion.workloads import Workload, mapping
from model_operator.core.templates.guarded_fields import is_guarded
from model_operator.core.values.words import listed

_NAME = "$(instance.name)"


def kept_entries(entries: Any) -> dict[str, str]:
    """Return the labels or annotations that a template may set on children."""
    return {
        key: value
        for key, value in mapping(entries).items()
        if isinstance(value, str)
        and not is_reserved_key(key)
        and not is_foreign(key)
        and not has_credential(value)
    }


def take_metadata(draft: Draft, workload: Workload, dropped: list[str]) -> set[str]:
    """Move the workload's labels and annotations to ``metadata``, and give each instance labels of its own.

    A label of the selector that has the workload's name gets that of the instance. Otherwise Services and
    PodDisruptionBudgets that select by it would select the pods of all instances.

    Parameters
    ----------
    draft
        The template; changed in place.
    workload
        Where they come from.
    dropped
        The labels of the pods that were left out.

    Returns
    -------
    set of str
        The labels of the pods that have the name of the instance.
    """
    own = mapping(workload.spec.get("selector"))
    selector = mapping(own.get("matchLabels") if workload.kind != "Pod" else None)
    selected = set(_selected_keys(draft.pod_spec.get("affinity")))
    selected |= set(_selected_keys(draft.pod_spec.get("topologySpreadConstraints")))
    named = {
        key
        for key, value in selector.items()
        if value == workload.name and key not in selected and not is_guarded(("metadata", "labels", key))
    }
    given = mapping(draft.pod.get("metadata")).get("labels")
    labels: dict[str, Any] = given if isinstance(given, dict) else {}
    named &= labels.keys()
    labels.update(dict.fromkeys(named, _NAME))
    result = {
        field: kept_entries(workload.metadata.get(field))
        for field in ("labels", "annotations")
        if kept_entries(workload.metadata.get(field))
    }
    for key in result.get("labels", {}):
        if key in named and result["labels"][key] == workload.name:
            result["labels"][key] = _NAME
    if result:
        draft.rest["metadata"] = result
    if dropped:
        draft.note(
            Topic.NO_PLACE, f"the labels {listed(sorted(dropped))} of the pods: other programs set them"
        )
    lost = selected & set(dropped)
    if lost:
        draft.note(
            Topic.NO_PLACE,
            f"affinity and spreading select by {listed(sorted(lost))}, which pods no longer have: select by "
            "modeloperator.dev/instance",
        )
    if selector:
        draft.note(
            Topic.NO_PLACE,
            "the selector: pods are selected by modeloperator.dev/instance and modeloperator.dev/deployment; "
            f"objects that select by {listed(sorted(selector))} select the pods of all instances with "
            "the same values",
        )
    return named


def _selected_keys(value: Any) -> list[str]:
    """Return the keys of the label selectors in affinity or topology spread constraints."""
    if isinstance(value, list):
        return [key for item in value for key in _selected_keys(item)]
    if not isinstance(value, Mapping):
        return []
    selector = mapping(value.get("labelSelector"))
    found = list(mapping(selector.get("matchLabels")))
    found += [
        str(each.get("key")) for each in selector.get("matchExpressions") or () if isinstance(each, Mapping)
    ]
    return found + [
        key for name, item in value.items() if name != "labelSelector" for key in _selected_keys(item)
    ]
