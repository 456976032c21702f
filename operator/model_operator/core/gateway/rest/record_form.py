"""The compact form in which the gateway keeps an object for lists.

What lists sort and filter by is kept as it stands, once, and the rest as JSON: Python's dicts take five times
as much. Equal texts and schemas, which siblings have, are kept once for all of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from weakref import WeakValueDictionary

import orjson

from model_operator.api.enums import TemplateKind
from model_operator.core.gateway.rest.model_answers import creator_fields, deployment_count, model_type_of
from model_operator.core.gateway.rest.sorting import Cell
from model_operator.core.templates.resolution import TemplateReference
from model_operator.core.values.json_values import wire_json

Object = dict[str, Any]

DEPLOYMENT_CELLS: Final = (
    "model_creation_parameters",
    "model_endpoint_id",
    "vendor_configuration",
    "deployment_metadata",
    "status",
    "created_by_user_id",
    "created_by_identity_type",
    "name",
)
"""Fields of a deployment's answer that are kept."""

_TEXTS: Final = (
    "name",
    "display_name",
    "model_vendor",
    "model_type",
    "base_model_id",
    "model_card",
    "training_data_card",
    "description",
    "model_template_id",
    "model_group_id",
    "account_id",
)
_MAPPINGS: Final = ("base_model_metadata", "model_creation_parameters")
_KEPT: Final = (*_TEXTS, *_MAPPINGS)
_INDEX: Final = {name: index for index, name in enumerate(_KEPT)}
_FIRST_MAPPING: Final = len(_TEXTS)
_SCHEMAS: Final = ("request_schema", "response_schema")
_UNREAD: Final = frozenset(
    {"managedFields", "name", "namespace", "uid", "resourceVersion", "creationTimestamp"}
)
_TEMPLATE_KINDS: Final = frozenset(kind.value for kind in TemplateKind)
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class SharedJson:
    """A JSON value that many objects have; it must never be changed in place.

    Attributes
    ----------
    text
        As canonical JSON.
    value
        As Python has it.
    """

    text: str
    value: Any


SharedValues = MutableMapping[str, SharedJson]


def shared_values() -> SharedValues:
    """Return a table of values, each of which goes with the last object that has it."""
    return WeakValueDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class DeploymentRecord:
    """One deployment of a model, as lists show it.

    Attributes
    ----------
    id
        Its id in the answer.
    instance
        ``metadata.uid`` of the instance.
    created_at
        Time of its creation, RFC 3339.
    cells
        Values of :data:`DEPLOYMENT_CELLS`.
    """

    id: str
    instance: str
    created_at: str
    cells: tuple[Cell, ...]

    @property
    def place(self) -> tuple[str, str]:
        """Place in the default order."""
        return self.created_at, self.id


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """An object in compact form.

    Attributes
    ----------
    namespace, name, uid
        Its metadata; the namespace is empty for an object of the cluster.
    version
        ``metadata.resourceVersion`` as a number.
    created_at
        ``metadata.creationTimestamp``.
    created_by_user_id, created_by_identity_type, deployment_count
        As its answer has them.
    model_type
        As its answer has it while the template is not known.
    supports_multi_turn
        As the status says.
    template
        How it names its template.
    schemas
        ``status.request_schema`` and ``status.response_schema``.
    deployments
        Its deployments, in the order of the answer.
    kept
        Fields of ``spec``: texts, and mappings as canonical JSON.
    rest
        All else as JSON.
    """

    namespace: str
    name: str
    uid: str
    version: int
    created_at: str
    created_by_user_id: str
    created_by_identity_type: str
    model_type: str
    deployment_count: int
    supports_multi_turn: bool | None
    template: TemplateReference
    schemas: tuple[SharedJson | None, SharedJson | None]
    deployments: tuple[DeploymentRecord, ...]
    kept: tuple[str | None, ...]
    rest: bytes

    @property
    def place(self) -> tuple[str, str]:
        """Place in the default order."""
        return self.created_at, self.uid

    def schema(self, field: str) -> str | None:
        """Return a schema of the status as canonical JSON."""
        schema = self.schemas[_SCHEMAS.index(field)]
        return None if schema is None else schema.text

    def spec(self, field: str) -> str | None:
        """Return a field of ``spec`` that lists sort or filter by: a mapping as canonical JSON."""
        return self.kept[_INDEX[field]]

    @property
    def account_id(self) -> str | None:
        """The account that its specification states."""
        return self.spec("account_id")

    def object(self) -> Object:
        """Return the object, without ``managedFields`` and what ``kubectl apply`` recorded of it.

        It is a new one, but for the two schemas of its status: these must not be changed in place.
        """
        found: Object = _read(self.rest)
        metadata = found["metadata"]
        metadata |= {"name": self.name, "uid": self.uid, "resourceVersion": str(self.version)}
        if self.namespace:
            metadata["namespace"] = self.namespace
        if self.created_at:
            metadata["creationTimestamp"] = self.created_at
        for index, text in enumerate(self.kept):
            if text is not None:
                found["spec"][_KEPT[index]] = text if index < _FIRST_MAPPING else _read(text)
        for name, schema in zip(_SCHEMAS, self.schemas, strict=True):
            if schema is not None:
                found["status"][name] = schema.value
        return found


Deployments = Callable[[Object], Iterable[Mapping[str, Any]]]
"""Returns the deployments of an instance as the API answers them."""


def record_of(obj: Object, shared: SharedValues, deployments: Deployments) -> Record:
    """Return the compact form of an object.

    Parameters
    ----------
    obj
        As the API server sends it; fields that are not as the CRD says are kept, but not sorted by.
    shared
        The schemas of other objects.
    deployments
        Its deployments.

    Raises
    ------
    KeyError, ValueError
        If it has no name, no uid, or a version that is no number.
    """
    metadata = obj["metadata"]
    spec, status = obj.get("spec"), obj.get("status")
    kept = _kept(spec) if isinstance(spec, dict) else (None,) * len(_KEPT)
    reported = status if isinstance(status, dict) else {}
    schemas = _schema(reported, _SCHEMAS[0], shared), _schema(reported, _SCHEMAS[1], shared)
    creator = creator_fields(metadata, reported)
    stated, turns = spec if isinstance(spec, dict) else {}, reported.get("supports_multi_turn")
    uid, created_at = metadata["uid"], metadata.get("creationTimestamp") or ""
    return Record(
        namespace=sys.intern(metadata.get("namespace") or ""),
        name=metadata["name"],
        uid=uid,
        version=int(metadata["resourceVersion"]),
        created_at=created_at,
        created_by_user_id=sys.intern(creator["created_by_user_id"]),
        created_by_identity_type=sys.intern(creator["created_by_identity_type"]),
        model_type=sys.intern(model_type_of(stated, reported, None)),
        deployment_count=deployment_count(stated),
        supports_multi_turn=turns if isinstance(turns, bool) else None,
        template=template_reference(obj),
        schemas=schemas,
        deployments=tuple(_deployment(each, uid, created_at) for each in deployments(obj)),
        kept=kept,
        # A copy: orjson's own result keeps its buffer, which is several times as long.
        rest=bytes(memoryview(wire_json(_rest(obj, spec, kept, status, schemas)))),
    )


def template_reference(instance: Mapping[str, Any]) -> TemplateReference:
    """Return how an instance names its template; a field that is not as the CRD says counts as missing."""
    spec, bound = _mapping(instance.get("spec")), _mapping(_mapping(instance.get("status")).get("template"))
    kind = _text(spec.get("model_template_kind"))
    return _reference(
        _text(spec.get("model_template_id")),
        TemplateKind(kind) if kind in _TEMPLATE_KINDS else None,
        instance["metadata"].get("namespace") or "",
        _text(bound.get("name")) or "",
        _text(bound.get("uid")) or "",
        _text(spec.get("model_template_namespace")) or "",
    )


@lru_cache(maxsize=1024)
def _reference(
    wanted: str | None, kind: TemplateKind | None, namespace: str, name: str, uid: str, owner: str
) -> TemplateReference:
    # Siblings have equal ones.
    return TemplateReference(wanted, kind, namespace, name, uid, owner)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _kept(spec: Object) -> tuple[str | None, ...]:
    texts = [_text(spec.get(name)) for name in _TEXTS]
    values = [spec.get(name) for name in _MAPPINGS]
    return (*texts, *(_json(value) if isinstance(value, dict) else None for value in values))


def _rest(
    obj: Object,
    spec: Any,
    kept: tuple[str | None, ...],
    status: Any,
    schemas: tuple[SharedJson | None, SharedJson | None],
) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name not in _UNREAD}
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict) and _LAST_APPLIED in annotations:
        metadata["annotations"] = {
            name: value for name, value in annotations.items() if name != _LAST_APPLIED
        }
    found = {**obj, "metadata": metadata}
    if isinstance(spec, dict):
        found["spec"] = _without(spec, _KEPT, kept)
    if isinstance(status, dict):
        found["status"] = _without(status, _SCHEMAS, schemas)
    return found


def _without(values: Object, names: tuple[str, ...], kept: tuple[Any, ...]) -> Object:
    apart = {name for name, each in zip(names, kept, strict=True) if each is not None}
    return {name: value for name, value in values.items() if name not in apart}


def _schema(status: Object, name: str, shared: SharedValues) -> SharedJson | None:
    value = status.get(name)
    if not isinstance(value, dict):
        return None
    text = _json(value)
    found = shared.get(text)
    if found is None:
        found = shared[text] = SharedJson(text, value)
    return found


def _deployment(answer: Mapping[str, Any], uid: str, created_at: str) -> DeploymentRecord:
    return DeploymentRecord(
        id=answer["id"],
        instance=uid,
        created_at=sys.intern(answer.get("created_at") or created_at),
        cells=tuple(cell_of(answer.get(name)) for name in DEPLOYMENT_CELLS),
    )


def cell_of(value: Any) -> Cell:
    """Return how a value of an answer sorts: a list or mapping by its canonical JSON."""
    if value is None or isinstance(value, int | float):
        return value
    return _text(value) or ("" if isinstance(value, str) else _json(value))


def _text(value: Any) -> str | None:
    # Siblings have most of their texts in common.
    return sys.intern(value) if isinstance(value, str) else None


def _json(value: Any) -> str:
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        # Integers beyond 64 bits, and lone surrogates.
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return sys.intern(text)


def _read(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)
