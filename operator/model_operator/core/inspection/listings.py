"""Tables of the templates that a namespace can use, and of the instances of a template."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_operator.api import GROUP, NamespacesFrom, TemplateKind
from model_operator.core.inspection.ages import age
from model_operator.core.inspection.facts import Object, condition_of, name_of, template_name
from model_operator.core.objects.conditions import ROLLED_OUT, UP_TO_DATE
from model_operator.core.templates.sharing import grant_of

_NONE = "<none>"
_WIDE = ("ENDPOINT", "IMAGE", "LATEST", "STABLE", "SHARED-WITH", "MESSAGE")
_LABELS = "(labels)"
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
    """A template as given on the command line: by name or id, with or without its kind before a slash.

    Attributes
    ----------
    name
        Its name or id.
    kind
        Its kind; None if it was not given.
    namespace
        Namespace of a ModelTemplate, as in ``mt/platform/encoder``; empty for that of the command.
    """

    name: str
    kind: TemplateKind | None = None
    namespace: str = ""

    @classmethod
    def parse(cls, text: str) -> TemplateReference:
        """Read ``encoder``, ``mt/encoder``, ``mt/platform/encoder``, or the form of ``-o name``.

        Raises
        ------
        ValueError
            When the kind is unknown, the name is empty, or a ClusterModelTemplate is given a namespace.
        """
        kind, slash, name = text.partition("/")
        home, inner, last = name.rpartition("/")
        found = _SHORT.get(kind.lower().removesuffix(f".{GROUP}"))
        if not slash and text:
            return cls(text)
        is_cluster = found is TemplateKind.CLUSTER_MODEL_TEMPLATE
        if found is None or not last or "/" in home or (inner and (not home or is_cluster)):
            raise ValueError(f"must be NAME, mt/NAME, mt/NAMESPACE/NAME or cmt/NAME, got {text!r}")
        return cls(last, found, home)

    def matches(self, template: Object) -> bool:
        """Return whether it refers to a template."""
        metadata = template["metadata"]
        return (
            self.kind in (None, template["kind"])
            and self.name in (metadata["name"], metadata["uid"])
            and self.namespace in ("", metadata.get("namespace"))
        )

    def is_used_by(self, instance: Object) -> bool:
        """Return whether an instance is bound to the template or, without a bound template, refers to it."""
        bound = (instance.get("status") or {}).get("template")
        own = instance["metadata"].get("namespace", "")
        if bound:
            return (
                self.kind in (None, bound["kind"])
                and self.name in (bound["name"], bound["uid"])
                and self.namespace in ("", bound.get("namespace", own))
            )
        spec = instance["spec"]
        kind = spec.get("model_template_kind")
        return (
            spec.get("model_template_id") == self.name
            and (None in (kind, self.kind) or kind == self.kind)
            and self.namespace in ("", spec.get("model_template_namespace", own))
        )

    def __str__(self) -> str:
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {name}" if self.kind else f"template {name}"


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
        Whether to show the image, the endpoint type, the latest and the stable revision, the namespaces that
        may use a template, and why it is not ready.
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
                shared_with(each),
                _message(ready),
            )
        rows.append(row)
    columns = ("NAMESPACE", *columns) if namespaces else columns
    return Table((*columns, *_WIDE) if wide else columns, rows)


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
            template_name(each) or _NONE,
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


def shared_with(template: Object) -> str:
    """Return with which namespaces a template is shared: Same, All, or names, and whether labels select."""
    grant = grant_of(template)
    if grant.is_unread:
        return "Unknown"
    if grant.allowed is None:
        return str(NamespacesFrom.SAME if grant.owner else NamespacesFrom.ALL)
    if grant.allowed.from_ is not NamespacesFrom.SELECTED:
        return str(grant.allowed.from_)
    return ",".join([*(grant.allowed.names or ()), *([_LABELS] if grant.selector else [])])


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
