"""What the operator keeps of an object of ours, and what of it is too much to be read at all.

A user who may write an object chooses its content, and the API server accepts 1.5 MiB, nested 10,000 levels
deep. So a specification has bounds as a whole, beside those of its single fields. They hold at
admission; what comes past that is reported in the object's status, and is not kept. Neither is what the
operator never reads: informational fields, labels of templates, finalizers, annotations other than the
creator's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.api import (
    GROUP,
    ClusterModelTemplate,
    InstanceDeployment,
    ModelInstance,
    ModelInstanceSpec,
    ModelTemplate,
    ModelTemplateSpec,
)
from model_operator.api.rules import Informational
from model_operator.core.values.json_values import json_size
from model_operator.core.values.limits import Limits, check_limits
from model_operator.core.values.violations import Loc, Violation, sort_violations

INFORMATIONAL_LIMITS: Final = Limits(size=64 * 1024, elements=1000, depth=16, string=64 * 1024)
"""Of one informational field; the size is that of all of them together, too."""

SPEC_LIMITS: Final = Limits(size=512 * 1024, elements=20_000, depth=40, string=64 * 1024)
"""Of a specification without its informational fields. The largest part of a template, its ``pod_template``,
may have half of the size, a fifth of the elements and 32 levels."""

FAULTS: Final = "faults"
"""Field of a kept object beside ``spec``: a tuple of what was found wrong when it came, each as path, message
and code. JSON has lists only, so no object from outside can have it."""

_METADATA: Final = (
    "name",
    "namespace",
    "uid",
    "generation",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
)
CREATED_BY_USER: Final = f"{GROUP}/created-by-user-id"
CREATED_BY_TYPE: Final = f"{GROUP}/created-by-identity-type"
IDEMPOTENCY_KEY: Final = f"{GROUP}/idempotency-key"
"""Annotation with the hash of the Idempotency-Key of the request that created an object over REST."""
_READ_ANNOTATIONS: Final = (CREATED_BY_USER, CREATED_BY_TYPE)
MAX_ANNOTATION: Final = 1024
"""Maximum length of an annotation that is kept, in characters; no name of a user is longer in practice."""
MAX_LABELS: Final = 64
"""Maximum number of an instance's labels that are kept, the first ones by name."""
_SPECS: Final = {
    ModelInstance.__name__: ModelInstanceSpec,
    ModelTemplate.__name__: ModelTemplateSpec,
    ClusterModelTemplate.__name__: ModelTemplateSpec,
}


def informational_fields(model: Any) -> frozenset[str]:
    """Return the names of the informational fields of a model."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if any(isinstance(each, Informational) for each in field.metadata)
    )


_UNREAD: Final = {kind: informational_fields(spec) for kind, spec in _SPECS.items()}
_UNREAD_OF_DEPLOYMENT: Final = informational_fields(InstanceDeployment)
_SPEC: Final[Loc] = ("spec",)
_PARAMETERS: Final = "model_creation_parameters"
_KEYED: Final = (("conditions", "type"), ("deployments", "name"))
"""Lists of a status and what names their items."""


def kept_form(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a ModelInstance or a template: a new object, equal for equal ones.

    Never raises for an object with ``metadata``, whatever else is in it.

    Parameters
    ----------
    obj
        The object as the API server sent it, with its ``kind``; or as it is kept, which comes back as it is.
    """
    if isinstance(obj.get(FAULTS), tuple):
        return dict(obj)
    kind, spec, status = obj["kind"], obj.get("spec"), obj.get("status")
    read = _read_of(kind, spec)
    beyond = _beyond_bounds(kind, read)
    faults = sort_violations((*_informational_faults(kind, spec), *beyond))
    kept = {name: obj[name] for name in ("apiVersion", "kind") if name in obj}
    kept["metadata"] = _kept_metadata(obj["metadata"])
    if kind == ModelInstance.__name__:
        labels = _kept_labels(obj["metadata"].get("labels"))
        kept["metadata"].update({"labels": labels} if labels else {})
    kept[FAULTS] = tuple((each.loc, each.msg, each.type) for each in faults)
    if isinstance(spec, Mapping) and not beyond:
        kept["spec"] = read
    if _is_sound(status):
        kept["status"] = status
    return kept


def known_faults(obj: Mapping[str, Any]) -> tuple[Violation, ...]:
    """Return what makes an object too much to be read: as found when it was kept, or now.

    Parameters
    ----------
    obj
        The object with its ``kind``, as it is kept or as the API server or a file has it.
    """
    faults = obj.get(FAULTS)
    if isinstance(faults, tuple):
        return tuple(Violation(loc, message, code) for loc, message, code in faults)
    return spec_faults(obj["kind"], obj.get("spec"))


def spec_faults(kind: str, spec: Any) -> tuple[Violation, ...]:
    """Return what makes a specification larger, or deeper, than any may be; at most ten for each bound.

    What is no object is for the model of the kind to report.

    Parameters
    ----------
    kind
        ``ModelInstance``, ``ModelTemplate`` or ``ClusterModelTemplate``.
    spec
        The specification as it was sent.
    """
    beyond = _beyond_bounds(kind, _read_of(kind, spec))
    return sort_violations((*_informational_faults(kind, spec), *beyond))


def _beyond_bounds(kind: str, read: Any) -> tuple[Violation, ...]:
    """Return what makes a specification too large as a whole, in the terms of its parameters if they do."""
    beyond = check_limits(read, _SPEC, SPEC_LIMITS) if isinstance(read, Mapping) else ()
    if not beyond:
        return ()
    found = list(check_limits(read.get(_PARAMETERS) or {}, (*_SPEC, _PARAMETERS)))
    for index, entry in _deployments(kind, read):
        loc = (*_SPEC, "deployments", index, _PARAMETERS)
        found += check_limits(entry.get(_PARAMETERS) or {}, loc)
    return tuple(found) or beyond


def _informational_faults(kind: str, spec: Any) -> list[Violation]:
    if not isinstance(spec, Mapping):
        return []
    found: list[Violation] = []
    total = 0
    names = []
    for loc, value in _informational_values(kind, spec):
        faults = check_limits(value, loc, INFORMATIONAL_LIMITS)
        found += faults
        if not faults:
            total += json_size(value)
            names.append(str(loc[-1]))
    if total > INFORMATIONAL_LIMITS.size:
        fields, most = ", ".join(dict.fromkeys(names)), INFORMATIONAL_LIMITS.size // 1024
        message = (
            f"informational fields ({fields}) must be at most {most} KiB together as JSON, got more; keep "
            "long texts elsewhere and give their address"
        )
        found.append(Violation(_SPEC, message, "too_large"))
    return found


def _informational_values(kind: str, spec: Mapping[str, Any]) -> Iterator[tuple[Loc, Any]]:
    for name in sorted(_UNREAD[kind] & spec.keys()):
        yield ("spec", name), spec[name]
    for index, entry in _deployments(kind, spec):
        for name in sorted(_UNREAD_OF_DEPLOYMENT & entry.keys()):
            yield ("spec", "deployments", index, name), entry[name]


def _deployments(kind: str, spec: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    entries = spec.get("deployments") if kind == ModelInstance.__name__ else None
    if isinstance(entries, list):
        yield from ((index, each) for index, each in enumerate(entries) if isinstance(each, Mapping))


def _read_of(kind: str, spec: Any) -> Any:
    """Return a specification without its informational fields."""
    if not isinstance(spec, Mapping):
        return spec
    read = {name: value for name, value in spec.items() if name not in _UNREAD[kind]}
    entries = dict(_deployments(kind, spec))
    if entries:
        read["deployments"] = [
            {name: value for name, value in entries[index].items() if name not in _UNREAD_OF_DEPLOYMENT}
            if index in entries
            else each
            for index, each in enumerate(spec["deployments"])
        ]
    return read


def _kept_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: metadata[name] for name in _METADATA if name in metadata}
    annotations = metadata.get("annotations")
    if isinstance(annotations, Mapping):
        known = {key: annotations[key] for key in _READ_ANNOTATIONS if key in annotations}
        kept["annotations"] = {key: value for key, value in known.items() if _is_short(value)}
    return kept


def _kept_labels(labels: Any) -> dict[str, str]:
    """Return the labels of an instance, by which steps of a roll-out select it."""
    if not isinstance(labels, Mapping):
        return {}
    return {name: labels[name] for name in sorted(labels)[:MAX_LABELS] if isinstance(labels[name], str)}


def _is_short(annotation: Any) -> bool:
    return isinstance(annotation, str) and len(annotation) <= MAX_ANNOTATION


def _is_sound(status: Any) -> bool:
    """Return whether a status has the shape that its readers rely on; no other can come from the operator."""
    if not isinstance(status, Mapping):
        return False
    template = status.get("template") or {}
    if not isinstance(template, Mapping) or not all(
        isinstance(each, str | int) for each in template.values()
    ):
        return False
    return all(_is_keyed(status.get(name) or [], key) for name, key in _KEYED)


def _is_keyed(entries: Any, key: str) -> bool:
    return isinstance(entries, list) and all(
        isinstance(each, Mapping) and isinstance(each.get(key), str) for each in entries
    )
