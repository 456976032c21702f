"""The templates that the gateway knows, by every name that a request or an instance may use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.api.enums import TemplateKind
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template

Object = dict[str, Any]
Key = tuple[str, str, str]
"""Kind, namespace (empty for cluster templates) and name."""

_REMEMBERED: Final = 1000
"""Deletions that are remembered: far more than can happen while an answer is under way."""


class TemplateTable:
    """Templates in their newest known version; a lookup for :func:`resolve_template`."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._by_uid: dict[str, Key] = {}
        self._compiled: dict[str, tuple[int, CompiledTemplate]] = {}
        self._deleted: dict[str, int] = {}
        self._labels: dict[str, Mapping[str, str]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Object]:
        """Yield the templates in the order of their creation."""
        return iter(sorted(self._objects.values(), key=_order))

    def put(self, template: Object) -> None:
        """Take a version of a template, unless a newer one or its deletion is known."""
        key, uid = key_of(template), template["metadata"]["uid"]
        if uid in self._deleted:
            return
        known = self._objects.get(key)
        if known is not None and _version(known) >= _version(template):
            return
        if known is not None and known["metadata"]["uid"] != uid:
            self._forget(known)
        metadata = {name: value for name, value in template["metadata"].items() if name != "managedFields"}
        self._objects[key] = {**template, "metadata": metadata}
        self._by_uid[uid] = key

    def remove(self, kind: str, namespace: str, name: str, version: int) -> None:
        """Forget a template.

        Parameters
        ----------
        kind, namespace, name
            The template.
        version
            Version of its deletion, or one that has been read before it: a newer template of that name stays.
        """
        known = self._objects.get((kind, namespace, name))
        if known is None or _version(known) > version:
            return
        self._forget(known)
        del self._objects[kind, namespace, name]
        self._deleted[known["metadata"]["uid"]] = version
        if len(self._deleted) > _REMEMBERED:
            del self._deleted[next(iter(self._deleted))]

    def was_deleted(self, uid: str) -> bool:
        """Return whether the template with that uid was deleted lately."""
        return uid in self._deleted

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return a template as the API server has it."""
        return self._objects.get((kind, namespace, name))

    def with_uid(self, uid: str) -> Object | None:
        """Return the template with that ``metadata.uid`` as the API server has it."""
        key = self._by_uid.get(uid)
        return None if key is None else self._objects[key]

    def named(self, name: str) -> list[Object]:
        """Return the templates of that name, of both kinds and in all namespaces."""
        return [each for each in self if each["metadata"]["name"] == name]

    def by_name(self, kind: TemplateKind, namespace: str, name: str) -> CompiledTemplate | None:
        """Return the template of that kind and name, compiled."""
        scope = namespace if kind is TemplateKind.MODEL_TEMPLATE else ""
        found = self._objects.get((kind.value, scope, name))
        return None if found is None else self._compile(found)

    def by_uid(self, uid: str) -> CompiledTemplate | None:
        """Return the template with that ``metadata.uid``, compiled."""
        found = self.with_uid(uid)
        return None if found is None else self._compile(found)

    def labels_of(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace; None where they are not known."""
        return self._labels.get(namespace)

    def put_labels(self, namespace: str, labels: Mapping[str, str]) -> None:
        """Take the labels of a namespace, by which templates may be shared with it."""
        self._labels[namespace] = labels

    def remove_labels(self, namespace: str) -> None:
        """Forget the labels of a namespace."""
        self._labels.pop(namespace, None)

    def _compile(self, template: Object) -> CompiledTemplate:
        metadata = template["metadata"]
        uid, generation = metadata["uid"], int(metadata.get("generation") or 0)
        known = self._compiled.get(uid)
        if known is None or known[0] != generation:
            known = self._compiled[uid] = generation, parse_template(template)
        return known[1]

    def _forget(self, template: Object) -> None:
        uid = template["metadata"]["uid"]
        self._by_uid.pop(uid, None)
        self._compiled.pop(uid, None)


def key_of(template: Object) -> Key:
    """Return kind, namespace and name of a template."""
    metadata = template["metadata"]
    return template["kind"], metadata.get("namespace", ""), metadata["name"]


def _version(template: Object) -> int:
    return int(template["metadata"]["resourceVersion"])


def _order(template: Object) -> tuple[str, str]:
    metadata = template["metadata"]
    return str(metadata.get("creationTimestamp") or ""), metadata["uid"]
