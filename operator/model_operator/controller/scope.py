"""Which namespaces an operator serves, and the keys of its work queue."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

from model_operator.api import TemplateKind
from model_operator.kube.resources import ResourceKind


class Key(NamedTuple):
    """What a worker reconciles: an instance or a template.

    Attributes
    ----------
    kind
        ``ModelInstance``, ``ModelTemplate`` or ``ClusterModelTemplate``.
    namespace, name
        The object; the namespace is empty for a cluster-scoped object.
    """

    kind: str
    namespace: str
    name: str


class Scope:
    """Which namespaces the operator serves.

    Parameters
    ----------
    namespaces
        The namespaces to serve; all when empty.
    excluded
        Patterns (``*``, ``?``) of namespaces to ignore.
    """

    def __init__(self, namespaces: list[str], excluded: list[str]) -> None:
        self.namespaces = namespaces
        self._excluded = excluded

    def namespaces_of(self, kind: ResourceKind) -> list[str]:
        """Return the namespaces in which to list and watch a kind; an empty name means all."""
        return self.namespaces if kind.namespaced and self.namespaces else [""]

    @property
    def stored_revisions(self) -> list[TemplateKind]:
        """The kinds of templates whose revisions the operator stores.

        One for some namespaces may write nothing outside of them, and so does not store those of
        ClusterModelTemplates: their instances follow them directly.
        """
        return [TemplateKind.MODEL_TEMPLATE] if self.namespaces else list(TemplateKind)

    def covers(self, namespace: str) -> bool:
        """Return whether the operator serves a namespace; the empty one of cluster-scoped objects always."""
        if not namespace:
            return True
        if self.namespaces and namespace not in self.namespaces:
            return False
        return not any(fnmatchcase(namespace, pattern) for pattern in self._excluded)
