"""Tables of the templates that a namespace can use, and of the instances of a template."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_operator.api import GROUP, TemplateKind
from model_operator.core.inspection.ages import age
from model_operator.core.inspection.facts import Object, condition_of, name_of
from model_operator.core.objects.conditions import ROLLED_OUT, UP_TO_DATE

_NONE = "<none>"
_SHORT = {
    name: kind
    for kind, names in {
        TemplateKind.MODEL_TEMPLATE: ("mt", "modeltemplate", "modeltemplates"),
        TemplateKind.CLUSTER_MODEL_TEMPLATE: ("cmt", "clustermodeltemplate", "clustermodeltemplates"),
    }.items()
    for name in names
}


@dataclass(frozen=True, slots=True)
class Table:
    """The titles of columns, and rows."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class TemplateReference:
    """A template as given on the command line: by name or id, with or without its kind before a slash."""

    name: str
    kind: TemplateKind | None = None

    @classmethod
    def parse(cls, text: str) -> TemplateReference:
        """Read ``encoder``, ``cmt/encoder``, ``ClusterModelTemplate/encoder`` or the form of ``-o name``.

        Raises
        ------
        ValueError
            When the kind is unknown or the name is empty.
        """
        kind, slash, name = text.rpartition("/")
        found = _SHORT.get(kind.lower().removesuffix(f".{GROUP}"))
        if not name or (slash and found is None):
            raise ValueError(f"must be NAME, mt/NAME or cmt/NAME, got {text!r}")
        return cls(name, found)

    def matches(self, template: Object) -> bool:
        """Return whether it refers to a template."""
        metadata = template["metadata"]
        return self.kind in (None, template["kind"]) and self.name in (metadata["name"], metadata["uid"])

    def is_used_by(self, instance: Object) -> bool:
        """Return whether an instance is bound to the template or, without a bound template, refers to it."""
        bound = (instance.get("status") or {}).get("template")
        if bound:
            return self.kind in (None, bound["kind"]) and self.name in (bound["name"], bound["uid"])
        spec = instance["spec"]
        kind = spec.get("model_template_kind")
        return spec.get("model_template_id") == self.name and (None in (kind, self.kind) or kind == self.kind)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.kind else f"template {self.name}"


def template_table(
    templates: Iterable[Object], now: datetime.datetime, *, namespaces: bool, wide: bool
) -> Table:
    """Return a table of templates.

    Parameters
    ----------
    templates
        ModelTemplates and ClusterModelTemplates.
    now
        The current time, for ages.
    namespaces
        Whether to show namespaces.
    wide
        Whether to show the image, the endpoint type, the latest and the stable revision, and why a template
        is not ready.
    """
    columns: tuple[str, ...] = ("KIND", "NAME", "READY", "REASON", "TYPE", "INSTANCES", "ROLLOUT", "AGE")
    rows: list[tuple[str, ...]] = []
    for each in templates:
        spec, status, ready = each["spec"], each.get("status") or {}, condition_of(each, "Ready")
        row: tuple[str, ...] = (
            each["kind"],
            name_of(each),
            ready.get("status", "Unknown"),
            ready.get("reason", _NONE),
            spec["model_type"],
            _text(status.get("instance_count")),
            _rollout(each),
            age(each["metadata"].get("creationTimestamp"), now),
        )
        if namespaces:
            row = (_namespace(each) or _NONE, *row)
        if wide:
            row += (
                spec.get("endpoint_type") or "SYNC",
                image_of(spec),
                _text(status.get("latest_revision")),
                _text(status.get("stable_revision")),
                _message(ready),
            )
        rows.append(row)
    columns = ("NAMESPACE", *columns) if namespaces else columns
    return Table((*columns, "ENDPOINT", "IMAGE", "LATEST", "STABLE", "MESSAGE") if wide else columns, rows)


def instance_table(
    instances: Iterable[Object], now: datetime.datetime, *, namespaces: bool, wide: bool
) -> Table:
    """Return a table of instances.

    Parameters
    ----------
    instances
        ModelInstances.
    now
        The current time, for ages.
    namespaces
        Whether to show namespaces.
    wide
        Whether to show the revision of the template, and why an instance is not ready.
    """
    columns: tuple[str, ...] = (
        *("NAME", "READY", "REASON", "TEMPLATE", "UP-TO-DATE"),
        *("SERVING", "WORKERS", "URL", "AGE"),
    )
    rows = []
    for each in instances:
        status, ready = each.get("status") or {}, condition_of(each, "Ready")
        bound = status.get("template") or {}
        row: tuple[str, ...] = (
            name_of(each),
            ready.get("status", "Unknown"),
            ready.get("reason", _NONE),
            bound.get("name") or each["spec"].get("model_template_id") or _NONE,
            condition_of(each, UP_TO_DATE).get("reason", _NONE),
            _text(status.get("ready_replicas")),
            _text(status.get("replicas")),
            status.get("url") or _NONE,
            age(each["metadata"].get("creationTimestamp"), now),
        )
        if namespaces:
            row = (_namespace(each), *row)
        if wide:
            row += (bound.get("kind", _NONE), _text(bound.get("revision")), _message(ready))
        rows.append(row)
    columns = ("NAMESPACE", *columns) if namespaces else columns
    return Table((*columns, "KIND", "REVISION", "MESSAGE") if wide else columns, rows)


def in_order(objects: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return objects by namespace and name, cluster-scoped ones last."""
    return sorted(objects, key=lambda each: (not _namespace(each), _namespace(each), name_of(each)))


def full_names(objects: Iterable[Object]) -> list[str]:
    """Return the names of objects as ``-o name`` prints them and kubectl accepts them."""
    return [f"{each['kind'].lower()}.{GROUP}/{name_of(each)}" for each in objects]


def as_list(objects: Sequence[Object]) -> dict[str, Any]:
    """Return objects as the ``List`` that kubectl prints: without ``managedFields``."""
    items = [{**each, "metadata": _without_managers(each["metadata"])} for each in objects]
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}


def _without_managers(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key != "managedFields"}


def _namespace(obj: Object) -> str:
    return str(obj["metadata"].get("namespace") or "")


def _rollout(template: Object) -> str:
    """Return where the roll-out of a template stands, with the step that it has reached."""
    reason = condition_of(template, ROLLED_OUT).get("reason", _NONE)
    step = ((template.get("status") or {}).get("rollout") or {}).get("step")
    return f"{reason} ({step})" if step else str(reason)


def _text(value: Any) -> str:
    return _NONE if value is None else str(value)


def _message(ready: Mapping[str, Any]) -> str:
    return "" if ready.get("status") == "True" else str(ready.get("message", ""))


def image_of(spec: Mapping[str, Any]) -> str:
    """Return the image of a template's specification, as the container runs it."""
    bundle = (spec.get("vendor_configuration") or {}).get("bundle_config") or {}
    if not bundle.get("image"):
        return _NONE
    version = f"@{bundle['digest']}" if bundle.get("digest") else f":{bundle.get('tag', '')}"
    return f"{bundle.get('registry', '')}/{bundle['image']}{version}"
